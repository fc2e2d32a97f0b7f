{#
    Disability pensions.
    Names only: values, sentinels included, are as delivered. Grain: one row of ER_INV_F.
#}
{{ config(materialized='ephemeral') }}

select
    {{ openchronic.claim_key() }} as claim_key,
    {{ openchronic.flux_year('flx_dis_dtd') }} as flux_year,
    inv_atr_dtd as award_date,
    inv_pen_cat as pension_category,
    inv_pen_eta as pension_state,
    _source_file as source_file,
    _source_line as source_line
from {{ source('snds', 'er_inv_f') }}
