{#
    Drugs dispensed in town, one row a CIP code.
    Names only: values, sentinels included, are as delivered. Grain: one row of ER_PHA_F.
#}
select
    {{ openchronic.claim_key() }} as claim_key,
    {{ openchronic.flux_year('flx_dis_dtd') }} as flux_year,
    flx_dis_dtd as flux_month,
    pha_ord_num as detail_number,
    pha_prs_c13 as cip13,
    pha_prs_ide as cip7,
    pha_act_qsn as box_count,
    pha_act_pru as unit_price,
    pha_dec_top as unit_dispensing_flag,
    pha_dec_qsu as unit_count,
    _source_file as source_file,
    _source_line as source_line
from {{ source('snds', 'er_pha_f') }}
