{#
    Weeks of rehabilitation.
    Names only: values, sentinels included, are as delivered. Grain: one row of T_SSRaaB.
#}
select
    _table_year as table_year,
    eta_num as finess,
    rha_num as stay_number_ssr,
    rhs_num as week_number,
    moi_ann as week_month,
    age_ann as age_years,
    cod_sex as sex_code,
    bdi_cod as residence_code_pmsi,
    bdi_dep as residence_department_pmsi,
    ent_mod as entry_mode,
    ent_prv as entry_origin,
    sor_mod as exit_mode,
    sor_des as exit_destination,
    hos_typ_um as hospitalisation_type,
    aut_typ_um as unit_type,
    grg_gme as gme_code,
    typ_gen_rha as generation_type,
    fp_pec as care_purpose,
    mor_prp as main_manifestation,
    etl_aff as etiology,
    jp_hwe as weekdays_present,
    jp_we as weekend_days_present,
    _source_file as source_file,
    _source_line as source_line
from {{ source('snds', 't_ssraab') }}
