{#
    Declared treating doctors.
    Names only: values, sentinels included, are as delivered. Grain: one row of IR_MTT_R.
#}
select
    ben_nir_psa as psa,
    ben_rng_gem as birth_rank,
    ben_idt_ano as person_pseudonym,
    ben_nir_ano as own_nir_pseudonym,
    mtt_pfs_num as treating_doctor_id,
    mtt_dep_dte as deposit_date,
    mtt_deb_dte as start_date,
    mtt_fin_dte as end_date,
    mtt_mtf_cod as end_reason_code,
    mtt_ori_cod as origin_code,
    _key_status as key_status,
    _source_file as source_file,
    _source_line as source_line
from {{ source('snds', 'ir_mtt_r') }}
