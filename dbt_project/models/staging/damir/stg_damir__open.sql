{#
    Open DAMIR: aggregated reimbursements, without people.
    Names only: values, sentinels included, are as delivered. Grain: one row of OPEN_DAMIR.
#}
select
    flx_ann_moi as flux_month_number,
    soi_ann as care_year_number,
    soi_moi as care_month_number,
    age_ben_snds as age_code,
    ben_sex_cod as sex_code,
    ben_res_reg as residence_region,
    prs_nat as prestation_code,
    asu_nat as insurance_nature,
    exo_mtf as exemption_code,
    prs_rem_typ as reimbursement_type,
    cpl_cod as complement_code,
    pse_spe_snds as performer_specialty,
    pse_act_snds as performer_activity,
    psp_spe_snds as prescriber_specialty,
    exe_ins_reg as performer_region,
    ete_ind_taa as activity_funding,
    prs_ppu_sec as public_private_sector,
    prs_pai_mnt as paid_amount,
    prs_rem_bse as base_amount,
    prs_rem_mnt as reimbursed_amount,
    prs_dep_mnt as overrun_amount,
    prs_act_nbr as act_count,
    prs_act_qte as quantity,
    flt_pai_mnt as filtered_paid_amount,
    flt_rem_mnt as filtered_reimbursed_amount,
    flt_dep_mnt as filtered_overrun_amount,
    flt_act_nbr as filtered_act_count,
    flt_act_qte as filtered_quantity,
    _source_file as source_file,
    _source_line as source_line
from {{ source('snds', 'open_damir') }}
