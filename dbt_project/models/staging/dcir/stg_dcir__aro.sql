{#
    Parts of other payers (solidarity cover, Alsace-Moselle…).
    Names only: values, sentinels included, are as delivered. Grain: one row of ER_ARO_F.
#}
select
    {{ openchronic.claim_key() }} as claim_key,
    {{ openchronic.flux_year('flx_dis_dtd') }} as flux_year,
    flx_dis_dtd as flux_month,
    aro_ord_num as detail_number,
    aro_prs_nat as prestation_code,
    aro_rem_typ as reimbursement_type,
    aro_rem_bse as other_base_amount,
    aro_rem_mnt as other_reimbursed_amount,
    _source_file as source_file,
    _source_line as source_line
from {{ source('snds', 'er_aro_f') }}
