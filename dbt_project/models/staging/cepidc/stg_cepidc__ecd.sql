{#
    Causes of death of certificates.
    Names only: values, sentinels included, are as delivered. Grain: one row of KI_ECD_R.
#}
{{ config(materialized='ephemeral') }}

select
    dcd_idt_enc as death_pseudonym,
    ben_idt_ano as person_pseudonym,
    cer_lig_num as certificate_line,
    ecd_cau_rng as cause_rank,
    ecd_cim_cod as cause_cim10,
    flx_per_ann as death_year,
    _source_file as source_file,
    _source_line as source_line
from {{ source('snds', 'ki_ecd_r') }}
