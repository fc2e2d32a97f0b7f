{#
    Sequences of psychiatric hospitalisation.
    Names only: values, sentinels included, are as delivered. Grain: one row of T_RIPaaRSA.
#}
select
    _table_year as table_year,
    eta_num_epmsi as finess,
    rip_num as stay_number_rip,
    seq_seq_num as sequence_number,
    ipp_irr_cry as local_patient_key,
    sej_idt as local_stay_key,
    age_ann as age_years,
    cod_sex as sex_code,
    bdi_cod as residence_code_pmsi,
    for_act as activity_form,
    nat_pec as care_nature,
    mod_soi as legal_mode,
    dgn_pal as main_diagnosis,
    seq_fin_moi as end_month,
    seq_fin_ann as end_year,
    pre_jou_nbj as days_present,
    pre_dem_jou_nbj as half_days_present,
    ent_mod as entry_mode,
    ent_prv as entry_origin,
    sor_mod as exit_mode,
    sor_des as exit_destination,
    _source_file as source_file,
    _source_line as source_line
from {{ source('snds', 't_ripaarsa') }}
