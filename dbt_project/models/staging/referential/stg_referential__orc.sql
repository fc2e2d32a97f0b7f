{#
    Complementary covers.
    Names only: values, sentinels included, are as delivered. Grain: one row of IR_ORC_R.
#}
{{ config(materialized='ephemeral') }}

select
    ben_nir_psa as psa,
    ben_rng_gem as birth_rank,
    ben_idt_ano as person_pseudonym,
    ben_nir_ano as own_nir_pseudonym,
    ben_cta_typ as complementary_type,
    ben_cmu_org as complementary_body,
    ref_c2s_cod as solidarity_cover_code,
    mll_cta_dsd as start_date,
    mll_cta_dsf as end_date,
    _key_status as key_status,
    _source_file as source_file,
    _source_line as source_line
from {{ source('snds', 'ir_orc_r') }}
