{#
    Declared pregnancies.
    Names only: values, sentinels included, are as delivered. Grain: one row of IR_MAT_R.
#}
{{ config(materialized='ephemeral') }}

select
    ben_nir_psa as psa,
    ben_rng_gem as birth_rank,
    ben_idt_ano as person_pseudonym,
    ben_nir_ano as own_nir_pseudonym,
    ben_grs_dte as pregnancy_date,
    ben_dra_ame as rights_month,
    _key_status as key_status,
    _source_file as source_file,
    _source_line as source_line
from {{ source('snds', 'ir_mat_r') }}
