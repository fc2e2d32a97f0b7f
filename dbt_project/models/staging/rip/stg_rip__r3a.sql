{#
    Ambulatory psychiatric acts.
    Names only: values, sentinels included, are as delivered. Grain: one row of T_RIPaaR3A.
#}
select
    _table_year as table_year,
    eta_num_epmsi as finess,
    ord_num as act_number,
    sej_idt as local_stay_key,
    ipp_irr_cry as local_patient_key,
    ral_act_ann as act_year,
    ral_act_moi as act_month,
    act_nat as act_nature,
    act_lieu as act_place,
    pro_cat as performer_category,
    dgn_pal as main_diagnosis,
    for_act as activity_form,
    age_ann as age_years,
    cod_sex as sex_code,
    bdi_cod as residence_code_pmsi,
    _source_file as source_file,
    _source_line as source_line
from {{ source('snds', 't_ripaar3a') }}
