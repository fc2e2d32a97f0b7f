{#
    Outpatient consultations, headers.
    Names only: values, sentinels included, are as delivered. Grain: one row of T_MCOaaFASTC.
#}
{{ config(materialized='ephemeral') }}

select
    _table_year as table_year,
    eta_num as finess,
    seq_num as sequence_number,
    age_ann as age_years,
    cod_sex as sex_code,
    bdi_cod as residence_code_pmsi,
    bdi_dep as residence_department_pmsi,
    sor_ann as discharge_year,
    sor_moi as discharge_month,
    exo_tm as exemption_code,
    fides_top as is_fides_code,
    ph_brm as hospital_base_amount,
    ph_amo_mnr as hospital_reimbursed_amount,
    hon_mnt as fee_amount,
    hon_am_mnr as fee_reimbursed_amount,
    eta_num_geo as site_finess,
    _source_file as source_file,
    _source_line as source_line
from {{ source('snds', 't_mcoaafastc') }}
