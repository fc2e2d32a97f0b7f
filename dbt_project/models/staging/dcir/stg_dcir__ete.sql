{#
    Establishment context of a reimbursement line.
    Names only: values, sentinels included, are as delivered. Grain: one row of ER_ETE_F.
#}
select
    {{ openchronic.claim_key() }} as claim_key,
    {{ openchronic.flux_year('flx_dis_dtd') }} as flux_year,
    flx_dis_dtd as flux_month,
    etb_exe_fin as performing_finess,
    ete_ind_taa as activity_funding,
    prs_ppu_sec as public_private_sector,
    ete_cat_cod as establishment_category,
    ete_typ_cod as establishment_type,
    mdt_cod as treatment_mode,
    ete_ghs_num as ghs_number,
    _source_file as source_file,
    _source_line as source_line
from {{ source('snds', 'er_ete_f') }}
