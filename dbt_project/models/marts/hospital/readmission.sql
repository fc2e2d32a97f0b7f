{#
    Readmission after acute care: each MCO episode ended in the year, what keeps it out of the index
    episodes, and what followed.
    Rule, French-like (domain decision 11, after the RH30 of DGOS and ATIH; "like" until its annex is
    at hand): index = an adult of known residence who went home alive, not palliative, not birth, not
    a repeated treatment, one night at least [A]; readmission = a new acute episode of one night at
    least, whatever the motive and the hospital, from day 1 to day 30 (7). Day 0 is the same
    episode; an episode that began before the discharge is none.
    Rule, CMS-like (hospital-wide readmission, codes ours [A]): index = left alive without transfer,
    no medical cancer treatment, psychiatry nor rehabilitation; readmission = the next episode of a
    night at least, if it begins within 30 days and is not planned.
    Both need 30 days of follow-up after discharge: NULL where the data end before, said in the
    exclusion. Death within 30 days competes: readmit_or_death_30 counts either.
    Source: indicators of readmission of DGOS and ATIH; CMS hospital-wide readmission.
    Anchor: year of discharge. Grain: one row an acute episode.
#}
{{ config(
    materialized='yearly',
    unique_key=['person_id', 'episode_id'],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 1, 'reads_referentials': true}
) }}

with episode as (
    select *
    from {{ ref('hospital_episode') }}
    where field = 'mco' and year between {{ openchronic.build_year() }} and {{ openchronic.build_year(1) }}
),

-- The last day on which somebody left hospital: a readmission after it could not be seen.
data_end as (
    select max(discharge_date) as last_day
    from {{ ref('hospital_stay') }}
    where
        field = 'mco'
        and year between {{ openchronic.build_year() }} and {{ openchronic.build_year(1) }}
        and not is_other_year
        and not is_generated
),

following as (
    select
        ended.episode_id,
        min(later.entry_date) as next_entry_date
    from episode as ended
    inner join episode as later
        on ended.person_id = later.person_id
        and later.entry_date > ended.discharge_date
        and later.is_full_stay
    where ended.year = {{ openchronic.build_year() }} and not later.is_service_only
    group by ended.episode_id
),

-- Several episodes may begin on that day: the first by identifier speaks for it, planned only if all are.
next_one as (
    select
        following.episode_id,
        following.next_entry_date,
        min(later.episode_id) as next_episode_id,
        bool_and(coalesce(later.is_planned, false)) as is_next_planned
    from following
    inner join episode as ended on following.episode_id = ended.episode_id
    inner join episode as later
        on ended.person_id = later.person_id
        and following.next_entry_date = later.entry_date
        and later.is_full_stay
        and not later.is_service_only
    group by following.episode_id, following.next_entry_date
),

judged as (
    select
        ended.*,
        next_one.next_episode_id,
        next_one.next_entry_date,
        next_one.is_next_planned,
        {{ openchronic.days_between('ended.discharge_date', 'next_one.next_entry_date') }} as days_to_next,
        {{ openchronic.days_between('ended.discharge_date', 'death.death_date') }} as days_to_death,
        {{ openchronic.days_between('ended.discharge_date', 'data_end.last_day') }} as days_followed,
        substr(ended.last_ghm_code, 1, 2) as major_category
    from episode as ended
    cross join data_end
    left join next_one on ended.episode_id = next_one.episode_id
    left join {{ ref('int_death') }} as death on ended.person_id = death.person_id
    where ended.year = {{ openchronic.build_year() }}
),

excluded as (
    select
        *,
        case
            when is_service_only then 'service_for_other_hospital'
            when is_after_death then 'after_death'
            when age_years is null then 'age_unknown'
            when age_years < 18 then 'minor'
            when coalesce(residence_department_pmsi, '99') in ('99', '00') then 'residence_unknown'
            when is_death then 'death'
            when exit_mode in ('7', '0') then 'transfer_out'
            when coalesce(exit_mode, '') <> '8' then 'not_home'
            when is_palliative then 'palliative'
            when major_category in ('14', '15') then 'birth'
            when planned_rule in ('session', 'repeated_treatment') then 'repeated_treatment'
            when substr(last_main_diagnosis, 1, 4) = 'Z513' then 'repeated_treatment'
            when not is_full_stay then 'day_case'
            when days_followed < 30 then 'follow_up_short'
        end as exclusion_code,
        case
            when is_service_only then 'service_for_other_hospital'
            when is_after_death then 'after_death'
            when is_death then 'death'
            when exit_mode in ('7', '0') then 'transfer_out'
            when exit_mode is null then 'exit_unknown'
            when
                planned_rule in ('session', 'repeated_treatment')
                or (
                    substr(last_main_diagnosis, 1, 1) = 'C'
                    and coalesce(substr(last_ghm_code, 3, 1), 'M') <> 'C'
                )
                then 'cancer_treatment'
            when major_category = '19' or substr(last_main_diagnosis, 1, 1) = 'F' then 'psychiatric'
            when substr(last_main_diagnosis, 1, 3) = 'Z50' then 'rehabilitation'
            when not is_full_stay then 'day_case'
            when days_followed < 30 then 'follow_up_short'
        end as cms_exclusion_code
    from judged
),

ranked as (
    select
        *,
        row_number() over (
            partition by person_id, case when exclusion_code is null then 1 else 0 end
            order by discharge_date asc, entry_date asc, episode_id asc
        ) as place_in_year
    from excluded
),

final as (
    select
        person_id,
        episode_id,
        year,
        last_stay_id as stay_id,
        exit_finess as finess,
        residence_department_pmsi,
        age_years,
        sex,
        entry_date,
        discharge_date,
        night_count,
        last_main_diagnosis as main_diagnosis,
        last_ghm_code as ghm_code,
        exclusion_code,
        exclusion_code is null as is_index,
        exclusion_code is null and place_in_year = 1 as is_first_index_of_year,
        next_episode_id,
        next_entry_date,
        days_to_next,
        is_next_planned,
        case
            when exclusion_code is null
                then cast(case when days_to_next between 1 and 7 then 1 else 0 end as integer)
        end as readmission_7d_rh30_like,
        case
            when exclusion_code is null
                then cast(case when days_to_next between 1 and 30 then 1 else 0 end as integer)
        end as readmission_30d_rh30_like,
        case
            when exclusion_code is null
                then cast(case when days_to_death between 0 and 30 then 1 else 0 end as integer)
        end as death_30,
        case
            when exclusion_code is null then cast(
                case
                    when days_to_next between 1 and 30 or days_to_death between 0 and 30 then 1 else 0
                end as integer
            )
        end as readmit_or_death_30,
        cms_exclusion_code,
        cms_exclusion_code is null as is_cms_index,
        case
            when cms_exclusion_code is null then cast(
                case when days_to_next between 1 and 30 and not is_next_planned then 1 else 0 end
                as integer
            )
        end as unplanned_readmission_30d_cms_like
    from ranked
)

select * from final
