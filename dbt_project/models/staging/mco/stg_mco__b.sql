{#
    Stays in medicine, surgery, obstetrics.
    Names only: values, sentinels included, are as delivered. Grain: one row of T_MCOaaB.
#}
select
    _table_year as table_year,
    eta_num as finess,
    rsa_num,
    sor_ann as discharge_year,
    sor_moi as discharge_month,
    sej_nbj as length_of_stay,
    age_ann as age_years,
    age_jou as age_days,
    cod_sex as sex_code,
    bdi_dep as residence_department_pmsi,
    bdi_cod as residence_code_pmsi,
    ent_mod as entry_mode,
    ent_prv as entry_origin,
    sor_mod as exit_mode,
    sor_des as exit_destination,
    grg_ghm as ghm_code,
    ghs_num as ghs_number,
    dgn_pal as main_diagnosis,
    dgn_rel as related_diagnosis,
    nbr_sea as session_count,
    nbr_rum as unit_count,
    nbr_dgn as declared_diagnosis_count,
    nbr_act as declared_act_count,
    sej_typ as stay_type,
    typ_gen_rsa as generation_type,
    uhcd_top as is_emergency_unit_code,
    pas_lit_ded as palliative_bed_code,
    _source_file as source_file,
    _source_line as source_line
from {{ source('snds', 't_mcoaab') }}
