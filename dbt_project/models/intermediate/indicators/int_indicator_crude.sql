{#
    The crude value of every indicator of a year, its interval, and what they are made from.
    Rule: a proportion with Wilson's interval, a rate with Byar's, a mean with the normal law, a ratio
    of sums with its linearised variance (both from 200 units on). A denominator that is a population
    counted or supplied is taken as it is; the people of a panel stand for `weight` people each. The
    main denominator is broken down by age; the others are told all ages together. What cannot be said
    is a row without a value, with its reason. Source: indicators 4.0, 4.1, 4.2.
    Grain: one row an indicator, condition, place, sex, age and denominator.
#}
{{ config(
    materialized='yearly',
    unique_key=[
        'indicator_id', 'condition', 'geo_level', 'geo_code', 'sex', 'age_group',
        'denominator_type',
    ],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

{%- set key = 'indicator_id, condition, geo_level, geo_code, sex, age_group, denominator_type' %}

with indicator as (
    select
        indicator.*,
        denominator.denominator_type,
        denominator.is_main
    from {{ ref('ref_indicator') }} as indicator
    inner join {{ ref('ref_indicator_denominator') }} as denominator
        on indicator.indicator_id = denominator.indicator_id
    where
        (indicator.year_from is null or indicator.year_from <= {{ openchronic.build_year() }})
        and (indicator.year_to is null or indicator.year_to >= {{ openchronic.build_year() }})
),

population_weight as (
    select coalesce(max(weight), 1) as weight
    from {{ ref('int_indicator_person') }}
    where year = {{ openchronic.build_year() }}
),

rolled as (
    select * from {{ ref('int_indicator_rollup') }} where year = {{ openchronic.build_year() }}
),

-- What was examined at all: the country has a row of every measure and condition.
country as (
    select distinct measure, condition from rolled where geo_level = 'country'
),

-- A family without any row was not examined: it is absent, not zero. A measure without a case in
-- a family that was examined is a true zero.
measure_seen as (
    select distinct indicator.measure
    from {{ ref('ref_indicator') }} as indicator
    where
        indicator.family in (
            select counted.family
            from {{ ref('ref_indicator') }} as counted
            inner join country on counted.measure = country.measure
        )
),

-- Only the indicators whose value is not found elsewhere: quantiles are.
told as (
    select indicator.indicator_id, indicator.measure, told.condition
    from {{ ref('ref_indicator') }} as indicator
    inner join {{ ref('ref_indicator_condition') }} as told
        on indicator.indicator_id = told.indicator_id
    where indicator.kind <> 'quantile'

    union all

    select indicator.indicator_id, indicator.measure, own.condition
    from {{ ref('ref_indicator') }} as indicator
    inner join (select distinct measure, condition from country) as own
        on indicator.measure = own.measure
    where indicator.is_of_own_condition and indicator.kind <> 'quantile'
),

population as (
    select * from {{ ref('int_indicator_population') }} where year = {{ openchronic.build_year() }}
),

level as (
    {{ openchronic.geo_levels() }}
),

people as (
    select
        population.denominator_type,
        population.condition,
        {{ openchronic.geo_level_name('level.geo_level', 'population.place_kind') }} as geo_level,
        {{ openchronic.geo_code('level.geo_level', 'population.region', 'population.place_code') }}
            as geo_code,
        case when level.sex_kind = 'all' then 'all' else population.sex end as sex,
        {{ openchronic.age_told('level.age_kind', 'population.age_group') }} as age_group,
        cast(sum(population.population) as decimal(38, 12)) as population
    from population
    inner join level on population.place_level = level.place_level
    where {{ openchronic.is_told('level', 'population.age_group') }}
    group by 1, 2, 3, 4, 5, 6
),

-- The rows of an indicator over its own units.
of_units as (
    select
        told.indicator_id,
        told.condition,
        rolled.geo_level,
        rolled.geo_code,
        rolled.sex,
        rolled.age_group,
        'eligible' as denominator_type,
        rolled.unit_count,
        rolled.person_count,
        rolled.excluded_count,
        rolled.num as numerator,
        rolled.den as denominator,
        rolled.num_squares,
        rolled.den_squares,
        rolled.num_den,
        cast(1 as double) as weight
    from indicator
    inner join told on indicator.indicator_id = told.indicator_id
    inner join rolled
        on told.measure = rolled.measure
        and told.condition = rolled.condition
    where
        indicator.denominator_type = 'eligible'
        and (rolled.geo_level <> 'establishment' or indicator.is_by_establishment)
),

-- Over a population, a place without a case has a row too; so has a case without inhabitants.
of_people as (
    select
        indicator.indicator_id,
        told.condition,
        coalesce(people.geo_level, rolled.geo_level) as geo_level,
        coalesce(people.geo_code, rolled.geo_code) as geo_code,
        coalesce(people.sex, rolled.sex) as sex,
        coalesce(people.age_group, rolled.age_group) as age_group,
        indicator.denominator_type,
        people.population,
        rolled.unit_count,
        rolled.person_count,
        rolled.excluded_count,
        rolled.num,
        case
            when indicator.denominator_type in ('resident_population', 'insured_population')
                then population_weight.weight
            else 1
        end as weight
    from indicator
    inner join told on indicator.indicator_id = told.indicator_id
    inner join measure_seen on told.measure = measure_seen.measure
    cross join population_weight
    inner join people
        on indicator.denominator_type = people.denominator_type
        and case when indicator.is_of_own_condition then 'all' else told.condition end
            = people.condition
    left join rolled
        on told.measure = rolled.measure
        and told.condition = rolled.condition
        and people.geo_level = rolled.geo_level
        and people.geo_code = rolled.geo_code
        and people.sex = rolled.sex
        and people.age_group = rolled.age_group
    where indicator.is_main or people.age_group = 'all'

    union all

    select
        indicator.indicator_id,
        told.condition,
        rolled.geo_level,
        rolled.geo_code,
        rolled.sex,
        rolled.age_group,
        indicator.denominator_type,
        cast(null as decimal(38, 12)) as population,
        rolled.unit_count,
        rolled.person_count,
        rolled.excluded_count,
        rolled.num,
        cast(1 as double) as weight
    from indicator
    inner join told on indicator.indicator_id = told.indicator_id
    inner join rolled
        on told.measure = rolled.measure
        and told.condition = rolled.condition
    left join people
        on indicator.denominator_type = people.denominator_type
        and case when indicator.is_of_own_condition then 'all' else told.condition end
            = people.condition
        and rolled.geo_level = people.geo_level
        and rolled.geo_code = people.geo_code
        and rolled.sex = people.sex
        and rolled.age_group = people.age_group
    where
        indicator.denominator_type <> 'eligible'
        and (indicator.is_main or rolled.age_group = 'all')
        and rolled.geo_level <> 'establishment'
        and people.geo_code is null
),

crude_rows as (
    select
        {{ key }}, unit_count, person_count, excluded_count, numerator, denominator, num_squares,
        den_squares, num_den, weight
    from of_units

    union all

    select
        {{ key }}, coalesce(unit_count, 0) as unit_count, coalesce(person_count, 0) as person_count,
        coalesce(excluded_count, 0) as excluded_count, coalesce(num, 0) as numerator,
        population as denominator, cast(null as decimal(38, 12)) as num_squares,
        cast(null as decimal(38, 12)) as den_squares, cast(null as decimal(38, 12)) as num_den, weight
    from of_people
),

-- As doubles, and the denominator on the scale of the people counted.
numbers as (
    select
        crude.indicator_id, crude.condition, crude.geo_level, crude.geo_code, crude.sex,
        crude.age_group, crude.denominator_type,
        crude.unit_count,
        crude.person_count,
        crude.excluded_count,
        cast(crude.numerator as double) as numerator,
        cast(crude.denominator as double) as denominator,
        cast(crude.denominator as double) / crude.weight as n,
        cast(crude.num_squares as double) as num_squares,
        cast(crude.den_squares as double) as den_squares,
        cast(crude.num_den as double) as num_den,
        indicator.kind
    from crude_rows as crude
    inner join {{ ref('ref_indicator') }} as indicator
        on crude.indicator_id = indicator.indicator_id
),

varied as (
    select
        *,
        case when n > 0 then numerator / n end as rate,
        case
            when kind = 'mean' and n > 1
                then greatest(num_squares - numerator * numerator / n, 0) / (n - 1) / n
            when kind = 'ratio' and n > 0 and unit_count > 1
                then greatest(
                    num_squares - 2 * numerator / n * num_den
                    + numerator / n * numerator / n * den_squares, 0
                ) / (n * n) * unit_count / (unit_count - 1)
        end as variance
    from numbers
),

final as (
    select
        {{ key }},
        cast({{ openchronic.build_year() }} as integer) as year,
        unit_count,
        person_count,
        excluded_count,
        numerator,
        denominator,
        cast(null as double) as expected,
        case when kind = 'proportion' and numerator > n then null else rate end as value,
        case
            when n is null or n <= 0 then null
            when kind = 'proportion' and numerator <= n
                then {{ openchronic.wilson('numerator', 'n', 'low') }}
            when kind = 'rate' then {{ openchronic.byar('numerator', 'low') }} / n
            when kind in ('mean', 'ratio')
                then {{ openchronic.mean_bound('rate', 'variance', 'unit_count', 'low') }}
        end as ci_low,
        case
            when n is null or n <= 0 then null
            when kind = 'proportion' and numerator <= n
                then {{ openchronic.wilson('numerator', 'n', 'high') }}
            when kind = 'rate' then {{ openchronic.byar('numerator', 'high') }} / n
            when kind in ('mean', 'ratio')
                then {{ openchronic.mean_bound('rate', 'variance', 'unit_count', 'high') }}
        end as ci_high,
        case kind
            when 'proportion' then 'wilson' when 'rate' then 'byar' when 'mean' then 'normal'
            else 'linearised'
        end as ci_method,
        case
            when n is null or n <= 0
                then case
                    when denominator_type = 'eligible' and excluded_count > 0 then 'all_excluded'
                    when denominator_type = 'eligible' then 'no_unit_examined'
                    else 'no_inhabitants'
                end
            when kind = 'proportion' and numerator > n then 'numerator_above_population'
        end as absence_reason
    from varied
)

select * from final
