{#
    Referential of beneficiaries, one row a pseudonym and rank.
    Names only: values, sentinels included, are as delivered. Grain: one row of IR_BEN_R.
#}
select
    ben_nir_psa as psa,
    ben_rng_gem as birth_rank,
    ben_idt_ano as person_pseudonym,
    ben_idt_top as person_pseudonym_top,
    ben_nir_ano as own_nir_pseudonym,
    ben_cdi_nir as nir_type,
    ben_sex_cod as sex_code,
    ben_nai_ann as birth_year,
    ben_nai_moi as birth_month,
    ben_dcd_dte as death_date,
    ben_res_dpt as residence_department_snds,
    ben_res_com as residence_commune_snds,
    org_aff_ben as affiliation_body,
    max_trt_dtd as last_processing_date,
    ben_dte_maj as update_date,
    ben_dte_ins as insert_date,
    _key_status as key_status,
    _source_file as source_file,
    _source_line as source_line
from {{ source('snds', 'ir_ben_r') }}
