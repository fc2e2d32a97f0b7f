{#
    Sub-sequences of home hospitalisation.
    Names only: values, sentinels included, are as delivered. Grain: one row of T_HADaaB.
#}
select
    _table_year as table_year,
    eta_num_epmsi as finess,
    rhad_num as stay_number_had,
    seq_num as sequence_number,
    sseq_num as subsequence_number,
    age_ann as age_years,
    cod_sex as sex_code,
    bdi_cod as residence_code_pmsi,
    bdi_dep as residence_department_pmsi,
    ent_mod as entry_mode,
    ent_prv as entry_origin,
    sor_mod as exit_mode,
    sor_des as exit_destination,
    dgn_pal as main_diagnosis,
    pec_pal as main_care_mode,
    pec_ass as associated_care_mode,
    sej_nbj as stay_days,
    sseq_nbj as subsequence_days,
    _source_file as source_file,
    _source_line as source_line
from {{ source('snds', 't_hadaab') }}
