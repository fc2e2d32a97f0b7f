{#
    Mortality: death rates of the consumers of the year, and deaths within 30, 90 and 365 days of the
    discharge of an index stay, a person and measure.
    Rule: `death_rate`: consumers of the year, deaths of the year over person-years observed.
    `death_<days>d_after_stay` and `death_<days>d_after_<disease>`: the person's first acute stay of the
    year, of all or of the disease (int_index_stay), followed by death within so many days of discharge,
    deaths in hospital included. Only where the deaths of the person's scheme are ascertained in every
    year from discharge to the last day (domain decision 7): elsewhere excluded, never alive.
    Exclusions, in order: not_observed (no day of the year), after_death, no_follow_up (data end
    before), death_not_ascertained. `finess`: the hospital of entry.
    Source: domain decision 7, indicators of survival. Anchor: year of discharge, or of the death.
    Grain: one row a person and measure.
#}
{{ config(
    materialized='yearly',
    unique_key=['person_id', 'measure', 'condition', 'unit_id'],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

with person as (
    select
        person.person_id,
        cast(person.observed_days as double) / 365.25 as person_years,
        person.death_date >= {{ openchronic.year_start() }} as is_dead,
        case
            when person.observed_days = 0 then 'not_observed'
            when not coalesce(coverage.is_death_ascertained, false) then 'death_not_ascertained'
        end as excl
    from {{ ref('person_year') }} as person
    left join {{ ref('scheme_coverage') }} as coverage
        on coalesce(person.scheme, 'unknown') = coverage.scheme
        and coverage.year = {{ openchronic.build_year() }}
    where person.year = {{ openchronic.build_year() }} and person.is_consumer
),

index_stay as (
    select
        stay.person_id,
        concat(
            'death_', cast(term.days as {{ dbt.type_string() }}), 'd_after_',
            case when stay.condition = 'all' then 'stay' else stay.condition end
        ) as measure,
        stay.episode_id,
        stay.finess,
        coalesce(stay.days_to_death <= term.days, false) as is_dead,
        case
            when stay.is_after_death then 'after_death'
            when coalesce(stay.days_followed, -1) < term.days then 'no_follow_up'
            when coalesce(stay.days_death_known, -1) < term.days then 'death_not_ascertained'
        end as excl
    from {{ ref('int_index_stay') }} as stay
    cross join (
        select 30 as days
        union all
        select 90 as days
        union all
        select 365 as days
    ) as term
    where
        stay.year = {{ openchronic.build_year() }}
        and (stay.condition = 'all' or term.days <> 90)
),

final as (
    {{ openchronic.measure_rows('person', [
        {
            'measure': 'death_rate', 'value': 'case when is_dead then 1 else 0 end',
            'den': 'person_years', 'excl': 'excl',
        },
    ]) }}

    union all

    select
        person_id,
        cast({{ openchronic.build_year() }} as integer) as year,
        cast(measure as {{ dbt.type_string() }}) as measure,
        cast('all' as {{ dbt.type_string() }}) as condition,
        cast(episode_id as {{ dbt.type_string() }}) as unit_id,
        cast(finess as {{ dbt.type_string() }}) as finess,
        cast(case when excl is null and is_dead then 1 else 0 end as double) as num,
        cast(case when excl is null then 1 else 0 end as double) as den,
        cast(excl as {{ dbt.type_string() }}) as excl_code
    from index_stay
)

select * from final
