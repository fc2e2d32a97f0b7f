{#
    Exemptions of the medical service: several rows a person.
    Names only: values, sentinels included, are as delivered. Grain: one row of IR_IMB_R.
#}
select
    ben_nir_psa as psa,
    ben_rng_gem as birth_rank,
    imb_ald_num as ald_num_delivered,
    imb_etm_nat as exemption_nature,
    med_mtf_cod as reason_code,
    med_ncl_idt as reason_nomenclature,
    imb_ald_dtd as start_date,
    imb_ald_dtf as end_date,
    ins_dte as insert_date,
    upd_dte as update_date,
    _key_status as key_status,
    _source_file as source_file,
    _source_line as source_line
from {{ source('snds', 'ir_imb_r') }}
