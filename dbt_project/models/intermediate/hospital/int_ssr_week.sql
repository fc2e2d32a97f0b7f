{#
    Weeks of rehabilitation (SSR) with the chaining of their stay and the person.
    Rule: the person is that of the key where it stands for one alone; flags are the quality rules
    (macros/rules). The year is the table's. Grain: one row of T_SSRaaB.
#}
{{ config(materialized='view') }}

with base as (
    select
        *,
        row_number() over (
            partition by table_year, finess, stay_number_ssr, week_number order by source_file asc, source_line asc
        ) as copy_number
    from {{ ref('stg_ssr__b') }}
),

chaining as (
    select
        *,
        row_number() over (
            partition by table_year, finess, stay_number_ssr order by source_file asc, source_line asc
        ) as place
    from {{ ref('stg_ssr__c') }}
),

named as (
    select
        cast(base.table_year as integer) as year,
        base.copy_number,
        base.finess,
        base.stay_number_ssr,
        base.week_number,
        base.week_month,
        nullif(trim(base.gme_code), '') as gme_code,
        nullif(trim(base.generation_type), '') as generation_type,
        base.care_purpose,
        base.main_manifestation,
        base.etiology,
        base.weekdays_present,
        base.weekend_days_present,
        base.hospitalisation_type,
        base.entry_mode,
        base.entry_origin,
        base.exit_mode,
        base.exit_destination,
        base.age_years,
        base.sex_code,
        base.residence_department_pmsi,
        chaining.psa,
        chaining.key_status,
        int_psa.person_id,
        {{ openchronic.pmsi_person_status('chaining', '(chaining.table_year is not null)') }}
            as person_status,
        coalesce(chaining.entry_date, cast(chaining.care_start_time as date)) as entry_date,
        coalesce(chaining.discharge_date, cast(chaining.care_end_time as date)) as discharge_date,
        chaining.table_year is not null as has_chaining,
        {{ openchronic.good_returns('chaining', 'base.table_year') }} as good_returns,
        ref_finess_duplicate.finess as duplicate_finess
    from base
    left join chaining
        on base.table_year = chaining.table_year
        and base.finess = chaining.finess
        and base.stay_number_ssr = chaining.stay_number_ssr
        and chaining.place = 1
    left join {{ ref('int_psa') }} as int_psa on chaining.psa = int_psa.psa
    left join {{ ref('ref_finess_duplicate') }} as ref_finess_duplicate
        on base.finess = ref_finess_duplicate.finess
),

flagged as (
    select
        *,
        {{ openchronic.rule_flag('T_SSRaaB', 'finess_duplicate') }},
        {{ openchronic.rule_flag('T_SSRaaB', 'error_group') }},
        {{ openchronic.rule_flag('T_SSRaaB', 'generated_summary') }},
        {{ openchronic.rule_flag('T_SSRaaB', 'repeated_week') }},
        {{ openchronic.rule_flag('T_SSRaaB', 'without_patient_key') }},
        {{ openchronic.rule_flag('T_SSRaaB', 'bad_chaining_return') }}
    from named
),

final as (
    select
        *,
        {{ openchronic.is_used('T_SSRaaB', 'stays') }},
        {{ openchronic.is_used('T_SSRaaB', 'persons') }}
    from flagged
)

select * from final
