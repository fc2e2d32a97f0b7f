{#
    Chaining of outpatient consultations.
    Names only: values, sentinels included, are as delivered. Grain: one row of T_MCOaaCSTC.
#}
select
    _table_year as table_year,
    eta_num as finess,
    seq_num as sequence_number,
    nir_ano_17 as psa,
    exe_soi_dtd as care_start_time,
    exe_soi_dtf as care_end_time,
    ent_dat as entry_date,
    nir_ret as nir_return,
    nai_ret as birth_return,
    sex_ret as sex_return,
    ias_ret as administrative_return,
    ent_dat_ret as entry_return,
    _key_status as key_status,
    _source_file as source_file,
    _source_line as source_line
from {{ source('snds', 't_mcoaacstc') }}
