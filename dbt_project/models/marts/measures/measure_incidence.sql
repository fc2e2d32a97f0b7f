{#
    Who enters an ALD in the year, as rows of the contract of indicators.
    Rule: `ald_incidence`, the first episode ever known of a number ('ald_01' to 'ald_32'), or of any
    of them ('ald'), begins in the year, the person being alive and its scheme's ALD being known
    (ald_year: doubtful years of the self-employed count), among consumers of the year and over
    theirs; `ald_incidence_population`, the same among everybody, for residents and insured people:
    the denominator is counted elsewhere (`den` is NULL). An entry that cannot be told from an old ALD is excluded, with the
    reason of `incidence_status`: scheme_unknown, coverage_unknown, before_coverage. Unresolved
    numbers (99) are neither counted nor excluded: whether the same ALD was known is not known.
    `ald_entry_at_risk`: the first of any number among consumers who never had one, over the
    person-years (days / 365.25) from 1 January or birth to the entry, death or 31 December. Excluded,
    in this order: scheme_unknown, coverage_unknown, before_coverage (their past ALD are not known),
    not_observed (no day of the year).
    Source: indicators 1.5 and 4.1, domain decisions 5 to 7. Anchor: year.
    Grain: one row a person, measure and condition.
#}
{{ config(
    materialized='yearly',
    unique_key=['person_id', 'measure', 'condition', 'unit_id'],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

with first_of_number as (
    select person_id, ald_num, min(start_date) as first_start_date
    from {{ ref('ald_episode') }}
    where ald_num between 1 and 32 and start_date <= {{ openchronic.year_end() }}
    group by person_id, ald_num
),

first_of_any as (
    select person_id, min(first_start_date) as first_start_date
    from first_of_number
    group by person_id
),

-- Alive on the day: ald_year holds nobody who died before.
begun as (
    select
        held.person_id,
        held.ald_num,
        held.start_date,
        coalesce(held.is_incident, false) as is_incident,
        held.incidence_status
    from {{ ref('ald_year') }} as held
    inner join first_of_number
        on held.person_id = first_of_number.person_id
        and held.ald_num = first_of_number.ald_num
        and held.start_date = first_of_number.first_start_date
    where
        held.year = {{ openchronic.build_year() }}
        and held.start_date >= {{ openchronic.year_start() }}
),

begun_at_all as (
    select
        begun.person_id,
        min(begun.start_date) as start_date,
        max(case when begun.is_incident then 1 else 0 end) = 1 as is_incident,
        min(begun.incidence_status) as incidence_status
    from begun
    inner join first_of_any
        on begun.person_id = first_of_any.person_id
        and begun.start_date = first_of_any.first_start_date
    group by begun.person_id
),

entered as (
    select
        person_id,
        {{ openchronic.ald_condition('ald_num') }} as condition,
        is_incident,
        incidence_status
    from begun

    union all

    select person_id, 'ald' as condition, is_incident, incidence_status
    from begun_at_all
),

entry as (
    select
        entered.person_id,
        entered.condition,
        person_year.is_consumer,
        case when entered.is_incident then 1 else 0 end as num,
        case when not entered.is_incident then 0 end as den,
        case when not entered.is_incident then entered.incidence_status end as excl_code
    from entered
    inner join {{ ref('person_year') }} as person_year
        on entered.person_id = person_year.person_id
        and person_year.year = {{ openchronic.build_year() }}
),

free_of_ald as (
    select
        person_year.person_id,
        begun_at_all.person_id is not null as has_entered,
        case
            when begun_at_all.person_id is null then person_year.observed_days
            -- A month of birth stands for its first day: an entry is never before the first day.
            else greatest(
                person_year.observed_days - {{ openchronic.days_between(
                    'begun_at_all.start_date',
                    'coalesce(person_year.death_date, ' ~ openchronic.year_end() ~ ')'
                ) }},
                1
            )
        end as days,
        person_year.observed_days,
        {{ openchronic.incidence_status('person_year.scheme', 'coverage') }} as incidence_status
    from {{ ref('person_year') }} as person_year
    left join first_of_any on person_year.person_id = first_of_any.person_id
    left join begun_at_all on person_year.person_id = begun_at_all.person_id
    left join {{ ref('ref_scheme') }} as coverage
        on left(person_year.scheme, 2) = coverage.scheme_group
    where
        person_year.year = {{ openchronic.build_year() }}
        and person_year.is_consumer
        and (
            first_of_any.first_start_date is null
            or first_of_any.first_start_date >= {{ openchronic.year_start() }}
        )
),

judged as (
    select
        *,
        case
            when incidence_status not in ('established', 'doubtful') then incidence_status
            when observed_days = 0 then 'not_observed'
        end as excl_code
    from free_of_ald
),

at_risk as (
    select
        person_id,
        'ald_entry_at_risk' as measure,
        'all' as condition,
        case when excl_code is null and has_entered then 1 else 0 end as num,
        case
            when excl_code is null then cast(days as double) / cast(365.25 as double) else 0
        end as den,
        excl_code
    from judged
),

counted as (
    select person_id, 'ald_incidence' as measure, condition, num, den, excl_code
    from entry
    where is_consumer

    union all

    select person_id, 'ald_incidence_population' as measure, condition, num, den, excl_code
    from entry

    union all

    select person_id, measure, condition, num, den, excl_code from at_risk
),

final as (
    select
        person_id,
        cast({{ openchronic.build_year() }} as integer) as year,
        measure,
        condition,
        '' as unit_id,
        cast(null as {{ dbt.type_string() }}) as finess,
        cast(num as double) as num,
        cast(den as double) as den,
        excl_code
    from counted
)

select * from final
