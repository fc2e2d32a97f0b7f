{#
    Transport.
    Names only: values, sentinels included, are as delivered. Grain: one row of ER_TRS_F.
#}
{{ config(materialized='ephemeral') }}

select
    {{ openchronic.claim_key() }} as claim_key,
    {{ openchronic.flux_year('flx_dis_dtd') }} as flux_year,
    itr_ord_num as detail_number,
    trs_dtd_dte as transport_start_date,
    trs_dtf_dte as transport_end_date,
    _source_file as source_file,
    _source_line as source_line
from {{ source('snds', 'er_trs_f') }}
