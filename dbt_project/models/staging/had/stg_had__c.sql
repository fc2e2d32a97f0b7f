{#
    Chaining of HAD stays.
    Names only: values, sentinels included, are as delivered. Grain: one row of T_HADaaC.
#}
select
    _table_year as table_year,
    eta_num_epmsi as finess,
    rhad_num as stay_number_had,
    nir_ano_17 as psa,
    exe_soi_dtd as care_start_time,
    exe_soi_dtf as care_end_time,
    ent_dat as entry_date,
    sor_dat as discharge_date,
    nir_ret as nir_return,
    nai_ret as birth_return,
    sex_ret as sex_return,
    sej_ret as stay_return,
    fho_ret as hospital_return,
    pms_ret as pmsi_return,
    dat_ret as date_return,
    coh_nai_ret as birth_coherence_return,
    coh_sex_ret as sex_coherence_return,
    _key_status as key_status,
    _source_file as source_file,
    _source_line as source_line
from {{ source('snds', 't_hadaac') }}
