{#
    Hospital episodes: stays of a person, in one field, that follow each other without a day apart
    or by transfer (hospital_episode_stay tells the rule).
    Rule: entry and what is known at entry come from the first stay, exit and destination from the
    last; palliative where one of its stays has Z51.5 in any role, the group 23Z02 or a dedicated
    bed. An episode belongs to the year of its last stay, whatever the year it began: one that goes
    on the year after is not told here. Anchor: year of the last stay. Grain: one row an episode.
#}
{{ config(
    materialized='yearly',
    unique_key=['person_id', 'episode_id'],
    meta={'kind': 'yearly', 'look_back': 1, 'look_ahead': 0, 'reads_referentials': true}
) }}

with link as (
    select
        episode_id, stay_id, year, person_id, field, entry_date, end_date, is_overlapping, is_after_death,
        is_continued and year = {{ openchronic.build_year() }} as goes_on
    from {{ ref('hospital_episode_stay') }}
    where
        year between {{ openchronic.build_year(-1) }} and {{ openchronic.build_year() }}
        and episode_id is not null
),

palliative as (
    select distinct stay_id, year
    from {{ ref('stay_diagnosis') }}
    where
        year between {{ openchronic.build_year(-1) }} and {{ openchronic.build_year() }}
        and diagnosis_code like 'Z515%'
),

placed as (
    select
        link.episode_id,
        link.person_id,
        link.field,
        link.year,
        link.stay_id,
        link.entry_date,
        link.end_date,
        link.is_overlapping,
        link.is_after_death,
        row_number() over (
            partition by link.episode_id order by link.end_date asc, link.entry_date asc, link.stay_id asc
        ) as place,
        row_number() over (
            partition by link.episode_id order by link.end_date desc, link.entry_date desc, link.stay_id desc
        ) as place_from_end,
        max(link.year) over (partition by link.episode_id) as last_year,
        bool_or(link.goes_on) over (partition by link.episode_id) as goes_on
    from link
),

described as (
    select
        placed.*,
        stay.finess,
        stay.discharge_date,
        stay.entry_mode,
        stay.entry_origin,
        stay.exit_mode,
        stay.exit_destination,
        stay.ghm_code,
        stay.main_diagnosis,
        stay.age_years,
        stay.sex,
        stay.residence_department_pmsi,
        stay.is_through_emergency,
        stay.is_planned,
        stay.planned_rule,
        stay.is_full_stay,
        stay.is_service_for_other_hospital,
        coalesce(stay.is_palliative_bed, false) or coalesce(stay.ghm_code like '23Z02%', false)
        or palliative.stay_id is not null as is_palliative
    from placed
    inner join {{ ref('hospital_stay') }} as stay
        on placed.stay_id = stay.stay_id and placed.year = stay.year
    left join palliative on placed.stay_id = palliative.stay_id and placed.year = palliative.year
    where
        placed.last_year = {{ openchronic.build_year() }}
        and not placed.goes_on
        and stay.year between {{ openchronic.build_year(-1) }} and {{ openchronic.build_year() }}
),

grouped as (
    select
        person_id,
        episode_id,
        field,
        min(entry_date) as entry_date,
        max(end_date) as end_date,
        max(case when place_from_end = 1 then discharge_date end) as discharge_date,
        max(case when place = 1 then stay_id end) as first_stay_id,
        max(case when place_from_end = 1 then stay_id end) as last_stay_id,
        cast(count(*) as integer) as stay_count,
        cast(count(distinct finess) as integer) as hospital_count,
        max(case when place = 1 then finess end) as entry_finess,
        max(case when place_from_end = 1 then finess end) as exit_finess,
        max(case when place = 1 then entry_mode end) as entry_mode,
        max(case when place = 1 then entry_origin end) as entry_origin,
        max(case when place_from_end = 1 then exit_mode end) as exit_mode,
        max(case when place_from_end = 1 then exit_destination end) as exit_destination,
        max(case when place = 1 then ghm_code end) as first_ghm_code,
        max(case when place_from_end = 1 then ghm_code end) as last_ghm_code,
        max(case when place = 1 then main_diagnosis end) as first_main_diagnosis,
        max(case when place_from_end = 1 then main_diagnosis end) as last_main_diagnosis,
        max(case when place = 1 then age_years end) as age_years,
        max(case when place = 1 then sex end) as sex,
        max(case when place = 1 then residence_department_pmsi end) as residence_department_pmsi,
        bool_or(place = 1 and is_through_emergency) as is_through_emergency,
        bool_or(case when place = 1 then is_planned end) as is_planned,
        max(case when place = 1 then planned_rule end) as planned_rule,
        bool_or(is_full_stay) as has_full_stay,
        bool_and(is_service_for_other_hospital) as is_service_only,
        bool_or(is_palliative) as is_palliative,
        bool_or(is_overlapping) as is_overlapping,
        bool_or(is_after_death) as is_after_death
    from described
    group by person_id, episode_id, field
),

final as (
    select
        person_id,
        episode_id,
        field,
        cast({{ openchronic.build_year() }} as integer) as year,
        entry_date,
        discharge_date,
        {{ openchronic.days_between('entry_date', 'end_date') }} as night_count,
        first_stay_id,
        last_stay_id,
        stay_count,
        hospital_count,
        entry_finess,
        exit_finess,
        entry_mode,
        entry_origin,
        exit_mode,
        exit_destination,
        first_ghm_code,
        last_ghm_code,
        first_main_diagnosis,
        last_main_diagnosis,
        age_years,
        sex,
        residence_department_pmsi,
        is_through_emergency,
        is_planned,
        planned_rule,
        -- Two day cases of two days joined by transfer hold a night.
        case
            when field = 'mco' then {{ openchronic.days_between('entry_date', 'end_date') }} > 0
            else has_full_stay
        end as is_full_stay,
        is_service_only,
        coalesce(exit_mode = '9', false) as is_death,
        is_palliative,
        is_overlapping,
        is_after_death
    from grouped
)

select * from final
