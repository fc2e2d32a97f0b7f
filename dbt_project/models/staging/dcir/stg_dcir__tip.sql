{#
    Medical devices (LPP).
    Names only: values, sentinels included, are as delivered. Grain: one row of ER_TIP_F.
#}
{{ config(materialized='ephemeral') }}

select
    {{ openchronic.claim_key() }} as claim_key,
    {{ openchronic.flux_year('flx_dis_dtd') }} as flux_year,
    tip_ord_num as detail_number,
    tip_prs_ide as lpp_code,
    tip_prs_typ as supply_type,
    tip_act_qsn as device_count,
    tip_act_pru as unit_price,
    tip_acl_dtd as rental_start_date,
    tip_acl_dtf as rental_end_date,
    _source_file as source_file,
    _source_line as source_line
from {{ source('snds', 'er_tip_f') }}
