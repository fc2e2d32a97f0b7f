{#
    Hospital drugs billed by unit (retrocession, extra list of clinics).
    Names only: values, sentinels included, are as delivered. Grain: one row of ER_UCD_F.
#}
select
    {{ openchronic.claim_key() }} as claim_key,
    {{ openchronic.flux_year('flx_dis_dtd') }} as flux_year,
    flx_dis_dtd as flux_month,
    ucd_ord_num as detail_number,
    ucd_ucd_cod as ucd_code,
    ucd_top_ucd as ucd_type,
    ucd_dlv_nbr as unit_count,
    ucd_ttf_mnt as billed_amount,
    _source_file as source_file,
    _source_line as source_line
from {{ source('snds', 'er_ucd_f') }}
