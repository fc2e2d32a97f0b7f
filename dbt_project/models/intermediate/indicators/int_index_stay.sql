{#
    The index stay after which a person's death is looked for: the first acute episode of the year, of
    all and of each disease of ref_index_condition.
    Rule: acute episodes of a night at least, ended in the year, of people of 18 and over (age reached
    in the year), services for another hospital left out; the disease is that of the main diagnosis of
    the episode's first stay; the first is by discharge, episodes after a known death last. Time runs
    from discharge: a death in hospital is at day 0. `days_followed`: days from discharge to the last
    discharge delivered, of the year and the next; `days_death_known`: days to the end of the years in
    which the deaths of the person's scheme are ascertained, NULL where they are not in the year of
    discharge (domain decision 7, scheme_coverage).
    Anchor: year of discharge. Grain: one row a person and condition.
#}
{{ config(
    materialized='yearly',
    unique_key=['person_id', 'condition'],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 1, 'reads_referentials': true}
) }}

with ascertained as (
    select
        scheme,
        bool_or(year = {{ openchronic.build_year() }} and is_death_ascertained) as in_year,
        bool_or(year = {{ openchronic.build_year(1) }} and is_death_ascertained) as in_next_year
    from {{ ref('scheme_coverage') }}
    where year between {{ openchronic.build_year() }} and {{ openchronic.build_year(1) }}
    group by scheme
),

person as (
    select
        person_year.person_id,
        case
            when ascertained.in_year and ascertained.in_next_year then {{ openchronic.year_end(1) }}
            when ascertained.in_year then {{ openchronic.year_end() }}
        end as known_until
    from {{ ref('person_year') }} as person_year
    left join ascertained on coalesce(person_year.scheme, 'unknown') = ascertained.scheme
    where person_year.year = {{ openchronic.build_year() }} and person_year.age_years >= 18
),

-- What follows the last discharge delivered cannot be seen.
data_end as (
    select max(stays_to) as last_day
    from {{ ref('int_delivered_year') }}
    where year between {{ openchronic.build_year() }} and {{ openchronic.build_year(1) }}
),

episode as (
    select
        told.person_id,
        told.episode_id,
        told.entry_finess,
        told.entry_date,
        told.discharge_date,
        replace(upper(trim(told.first_main_diagnosis)), '.', '') as main_diagnosis,
        told.is_after_death,
        person.known_until
    from {{ ref('hospital_episode') }} as told
    inner join person on told.person_id = person.person_id
    where
        told.year = {{ openchronic.build_year() }}
        and told.field = 'mco'
        and told.is_full_stay
        and not told.is_service_only
        and told.discharge_date is not null
),

of_condition as (
    select *, 'all' as condition from episode

    union all

    select episode.*, listed.condition
    from episode
    inner join {{ ref('ref_index_condition') }} as listed
        on substr(episode.main_diagnosis, 1, length(listed.cim10_prefix)) = listed.cim10_prefix
),

ranked as (
    select
        *,
        row_number() over (
            partition by person_id, condition
            order by
                case when is_after_death then 1 else 0 end asc,
                discharge_date asc, entry_date asc, episode_id asc
        ) as place
    from of_condition
),

final as (
    select
        ranked.person_id,
        cast({{ openchronic.build_year() }} as integer) as year,
        ranked.condition,
        ranked.episode_id,
        ranked.entry_finess as finess,
        ranked.discharge_date,
        ranked.is_after_death,
        {{ openchronic.days_between('ranked.discharge_date', 'data_end.last_day') }} as days_followed,
        {{ openchronic.days_between('ranked.discharge_date', 'ranked.known_until') }}
            as days_death_known,
        -- A certificate may be dated a day before the discharge that it explains.
        greatest({{ openchronic.days_between('ranked.discharge_date', 'death.death_date') }}, 0)
            as days_to_death_or_zero,
        death.death_date is not null as is_dead
    from ranked
    cross join data_end
    left join {{ ref('int_death') }} as death on ranked.person_id = death.person_id
    where ranked.place = 1
)

select
    person_id,
    year,
    condition,
    episode_id,
    finess,
    discharge_date,
    is_after_death,
    days_followed,
    days_death_known,
    case when is_dead then days_to_death_or_zero end as days_to_death
from final
