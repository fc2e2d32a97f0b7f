{#
    Aids to complementary cover.
    Names only: values, sentinels included, are as delivered. Grain: one row of IR_ACS_R.
#}
{{ config(materialized='ephemeral') }}

select
    ben_nir_psa as psa,
    ben_rng_gem as birth_rank,
    ben_idt_ano as person_pseudonym,
    ben_nir_ano as own_nir_pseudonym,
    fam_drt_vru as right_code,
    fam_drt_dsd as start_date,
    fam_drt_dsf as end_date,
    _key_status as key_status,
    _source_file as source_file,
    _source_line as source_line
from {{ source('snds', 'ir_acs_r') }}
