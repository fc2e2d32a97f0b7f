{#
    How long each department took to reach half of the country's level of an innovative treatment.
    Rule: a person takes the treatment up on the first day that it is dispensed to them in the data,
    in the department where they live that year. The country's level is the people who took it up by
    the reference date, over the consumers of the reference year; a department has reached half of it
    in the month in which its own takers, over its own consumers of that year, are at least half that
    level. Cumulated takers never fall, so that month is one. Months are counted from the first use in
    the country. Reference date: 31 December of the last year delivered to its end (int_delivered_year).
    NULL, and `reason` says why, the first that holds: no consumer there, no use at all, first use in
    the first six months of the data (it may be older), fewer than twelve months from it to the
    reference date, fewer than ten takers expected at half the level, not reached. All of this is
    ours [A]. Source: families of indicators 4, uptake of innovative treatments.
    Grain: one row a treatment and department.
#}
{{ config(
    materialized='history',
    unique_key=['treatment', 'department'],
    meta={
        'kind': 'history', 'look_back': 'all', 'look_ahead': 'all', 'reads_referentials': true,
        'population_scope': 'consumers'
    }
) }}

with period as (
    select
        min(year) as first_year,
        max(case when has_claims_to_end then year end) as last_year
    from {{ ref('int_delivered_year') }}
    where has_claims
),

population as (
    select
        person_year.department,
        count(*) as n
    from {{ ref('person_year') }} as person_year
    inner join period on person_year.year = period.last_year
    where person_year.is_consumer
    group by person_year.department
),

country as (
    select cast(coalesce(sum(n), 0) as bigint) as n from population
),

first_use as (
    select
        used.person_id,
        used.treatment,
        min(used.first_date) as first_date
    from {{ ref('int_innovation_use') }} as used
    group by used.person_id, used.treatment
),

taken_up as (
    select
        first_use.person_id,
        first_use.treatment,
        first_use.first_date,
        person_year.department
    from first_use
    cross join period
    left join {{ ref('person_year') }} as person_year
        on first_use.person_id = person_year.person_id
        and year(first_use.first_date) = person_year.year
    where first_use.first_date <= make_date(period.last_year, 12, 31)
),

treatment as (
    select
        listed.treatment,
        cast(count(taken_up.person_id) as bigint) as n,
        min(taken_up.first_date) as first_date
    from (select distinct treatment from {{ ref('ref_innovation') }}) as listed
    left join taken_up on listed.treatment = taken_up.treatment
    group by listed.treatment
),

ranked as (
    select
        treatment,
        department,
        first_date,
        row_number() over (
            partition by treatment, department order by first_date asc, person_id asc
        ) as place
    from taken_up
    where department is not null
),

-- In whole numbers, so that half is half: place / population >= n / country / 2.
reached as (
    select
        ranked.treatment,
        ranked.department,
        cast(count(*) as bigint) as n,
        min(
            case when ranked.place * 2 * country.n >= treatment.n * population.n then ranked.first_date end
        ) as reached_date
    from ranked
    inner join treatment on ranked.treatment = treatment.treatment
    cross join country
    left join population on ranked.department = population.department
    group by ranked.treatment, ranked.department
),

placed as (
    select
        treatment.treatment,
        listed.department,
        treatment.first_date,
        make_date(period.last_year, 12, 31) as reference_date,
        (year(treatment.first_date) - period.first_year) * 12 + month(treatment.first_date) - 1
            as months_of_data_before,
        (period.last_year - year(treatment.first_date)) * 12 + 12 - month(treatment.first_date)
            as months_followed,
        treatment.n as country_user_count,
        country.n as country_population,
        coalesce(reached.n, 0) as user_count,
        cast(coalesce(population.n, 0) as bigint) as population,
        reached.reached_date
    from treatment
    cross join {{ ref('ref_department') }} as listed
    cross join period
    cross join country
    left join population on listed.department = population.department
    left join reached
        on treatment.treatment = reached.treatment and listed.department = reached.department
),

judged as (
    select
        *,
        case
            when population = 0 then 'no_consumer'
            when country_user_count = 0 then 'no_use'
            when months_of_data_before < 6 then 'older_than_data'
            when months_followed < 12 then 'too_recent'
            when country_user_count * population < 20 * country_population then 'too_few_expected'
            when reached_date is null then 'not_reached'
        end as reason
    from placed
),

final as (
    select
        treatment,
        department,
        make_date(year(first_date), month(first_date), 1) as first_use_month,
        reference_date,
        cast(country_user_count as bigint) as country_user_count,
        cast(country_population as bigint) as country_population,
        case
            when country_population > 0 then cast(country_user_count as double) / country_population
        end as country_level,
        cast(user_count as bigint) as user_count,
        population,
        case when population > 0 then cast(user_count as double) / population end as level,
        case
            when reason is null then make_date(year(reached_date), month(reached_date), 1)
        end as reached_month,
        case
            when reason is null then cast(
                (year(reached_date) - year(first_date)) * 12 + month(reached_date) - month(first_date)
                as integer
            )
        end as months_to_half,
        reason,
        'consumers' as denominator_type
    from judged
)

select * from final
