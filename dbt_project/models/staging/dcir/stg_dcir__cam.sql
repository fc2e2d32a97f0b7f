{#
    Medical procedures (CCAM).
    Names only: values, sentinels included, are as delivered. Grain: one row of ER_CAM_F.
#}
select
    {{ openchronic.claim_key() }} as claim_key,
    {{ openchronic.flux_year('flx_dis_dtd') }} as flux_year,
    flx_dis_dtd as flux_month,
    cam_ord_num as detail_number,
    cam_prs_ide as ccam_code,
    cam_act_cod as activity_code,
    cam_trt_pha as phase_code,
    cam_rem_bse as base_amount,
    _source_file as source_file,
    _source_line as source_line
from {{ source('snds', 'er_cam_f') }}
