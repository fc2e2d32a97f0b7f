{#
    Standardised values of the indicators that ask for them, all ages together.
    Rule: strata are five-year ages by sex at each place, within the ages of the indicator, unknown
    sexes and ages left out. Directly: on the European population of 2013, both sexes with the same
    weights where they are together, Dobson's interval (a mean: the normal law); absent under 10
    events, or where more than 1 % of the weight of the country's strata has no denominator.
    Indirectly: observed over what the country's rates expect, Byar's interval.
    Source: indicators 4.1. Grain: one row an indicator, condition, place, sex, denominator and method.
#}
{{ config(
    materialized='yearly',
    unique_key=[
        'indicator_id', 'condition', 'geo_level', 'geo_code', 'sex', 'denominator_type', 'std_method',
    ],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

with standardised as (
    select
        indicator.*,
        denominator.denominator_type,
        denominator.is_main
    from {{ ref('ref_indicator') }} as indicator
    inner join {{ ref('ref_indicator_denominator') }} as denominator
        on indicator.indicator_id = denominator.indicator_id
    where
        (indicator.is_direct or indicator.is_indirect)
        and (indicator.year_from is null or indicator.year_from <= {{ openchronic.build_year() }})
        and (indicator.year_to is null or indicator.year_to >= {{ openchronic.build_year() }})
),

population_weight as (
    select coalesce(max(weight), 1) as weight
    from {{ ref('int_indicator_person') }}
    where year = {{ openchronic.build_year() }}
),

cell as (
    select *
    from {{ ref('int_indicator_cell') }}
    where
        year = {{ openchronic.build_year() }}
        and measure in (select standardised.measure from standardised)
        and place_level in ('department', 'territory')
        and sex in ('1', '2')
        and age_group <> 'unknown'
),

-- What was examined at all.
country as (
    select distinct measure, condition
    from {{ ref('int_indicator_rollup') }}
    where year = {{ openchronic.build_year() }} and geo_level = 'country'
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
    inner join country as own
        on indicator.measure = own.measure
    where indicator.is_of_own_condition and indicator.kind <> 'quantile'
),

of_region as (
    select
        measure, condition, region, sex, age_group,
        {{ openchronic.cell_sums_again() }}
    from cell
    where place_level = 'department'
    group by measure, condition, region, sex, age_group
),

counted as (
    select
        measure, condition,
        {{ openchronic.geo_level_name('place_level', 'place_kind') }} as geo_level,
        place_code as geo_code, sex, age_group,
        unit_count, person_count, excluded_count, num, den, num_squares
    from cell

    union all

    select
        measure, condition, 'region' as geo_level, region as geo_code, sex, age_group,
        unit_count, person_count, excluded_count, num, den, num_squares
    from of_region

    union all

    select
        measure, condition, 'country' as geo_level, 'FR' as geo_code, sex, age_group,
        cast(sum(unit_count) as bigint) as unit_count,
        cast(sum(person_count) as bigint) as person_count,
        cast(sum(excluded_count) as bigint) as excluded_count,
        cast(sum(num) as decimal(38, 12)) as num,
        cast(sum(den) as decimal(38, 12)) as den,
        cast(sum(num_squares) as decimal(38, 12)) as num_squares
    from of_region
    group by measure, condition, sex, age_group
),

place_level as (
    select 'department' as place_level, 'country' as geo_level
    union all
    select 'department' as place_level, 'region' as geo_level
    union all
    select 'department' as place_level, 'department' as geo_level
    union all
    select 'territory' as place_level, 'territory' as geo_level
),

people as (
    select
        population.denominator_type,
        population.condition,
        {{ openchronic.geo_level_name('place_level.geo_level', 'population.place_kind') }} as geo_level,
        {{ openchronic.geo_code('place_level.geo_level', 'population.region', 'population.place_code') }}
            as geo_code,
        population.sex,
        population.age_group,
        cast(sum(population.population) as double) as population
    from {{ ref('int_indicator_population') }} as population
    inner join place_level on population.place_level = place_level.place_level
    where
        population.year = {{ openchronic.build_year() }}
        and population.sex in ('1', '2')
        and population.age_group <> 'unknown'
    group by 1, 2, 3, 4, 5, 6
),

stratum as (
    select
        standardised.indicator_id, counted.condition, counted.geo_level, counted.geo_code, counted.sex,
        counted.age_group, 'eligible' as denominator_type,
        counted.unit_count, counted.person_count, counted.excluded_count,
        cast(counted.num as double) as o,
        cast(counted.den as double) as n,
        cast(counted.num_squares as double) as squares
    from standardised
    inner join told on standardised.indicator_id = told.indicator_id
    inner join counted
        on told.measure = counted.measure
        and told.condition = counted.condition
    where standardised.denominator_type = 'eligible'

    union all

    select
        standardised.indicator_id, told.condition, people.geo_level, people.geo_code, people.sex,
        people.age_group, standardised.denominator_type,
        coalesce(counted.unit_count, 0) as unit_count,
        coalesce(counted.person_count, 0) as person_count,
        coalesce(counted.excluded_count, 0) as excluded_count,
        coalesce(cast(counted.num as double), 0) as o,
        people.population / case
            when standardised.denominator_type in ('resident_population', 'insured_population')
                then population_weight.weight
            else 1
        end as n,
        cast(null as double) as squares
    from standardised
    inner join told on standardised.indicator_id = told.indicator_id
    inner join measure_seen on told.measure = measure_seen.measure
    cross join population_weight
    inner join people
        on standardised.denominator_type = people.denominator_type
        and case when standardised.is_of_own_condition then 'all' else told.condition end
            = people.condition
    left join counted
        on told.measure = counted.measure
        and told.condition = counted.condition
        and people.geo_level = counted.geo_level
        and people.geo_code = counted.geo_code
        and people.sex = counted.sex
        and people.age_group = counted.age_group
),

-- The country's strata, where somebody has them: their weight and their rate.
of_country as (
    select
        stratum.indicator_id, stratum.condition, stratum.denominator_type, stratum.sex,
        stratum.age_group,
        cast(standard.weight as double) as weight,
        stratum.o / stratum.n as rate
    from stratum
    inner join standardised
        on stratum.indicator_id = standardised.indicator_id
        and stratum.denominator_type = standardised.denominator_type
    inner join {{ ref('ref_standard_population') }} as standard
        on stratum.age_group = standard.age_group
        and standard.standard = 'esp2013'
    where
        stratum.geo_level = 'country'
        and stratum.n > 0
        and (standardised.age_from is null or coalesce(standard.age_to, 200) >= standardised.age_from)
        and (standardised.age_to is null or standard.age_from <= standardised.age_to)
),

whole as (
    select indicator_id, condition, denominator_type, sex, sum(weight) as weight
    from of_country
    group by indicator_id, condition, denominator_type, sex
),

-- A mean's variance within a stratum comes from the squares; a count's is the count.
of_sex as (
    select
        stratum.indicator_id,
        stratum.condition,
        stratum.geo_level,
        stratum.geo_code,
        stratum.sex,
        stratum.denominator_type,
        cast(sum(stratum.unit_count) as bigint) as unit_count,
        cast(sum(stratum.person_count) as bigint) as person_count,
        cast(sum(stratum.excluded_count) as bigint) as excluded_count,
        {{ openchronic.exact_part('stratum.o') }} as o,
        {{ openchronic.exact_part('stratum.n') }} as n,
        {{ openchronic.exact_part('case when stratum.n > 0 then country.weight else 0 end') }} as weight,
        {{ openchronic.exact_part(
            'case when stratum.n > 0 then country.weight * stratum.o / stratum.n else 0 end'
        ) }} as weighted_rate,
        {{ openchronic.exact_part(
            'case when stratum.n > 0 and stratum.squares is null or stratum.n > 0 and '
            ~ "standardised.kind <> 'mean'"
            ~ ' then country.weight * country.weight * stratum.o / stratum.n / stratum.n'
            ~ ' when stratum.n > 1 then country.weight * country.weight * greatest('
            ~ 'stratum.squares - stratum.o * stratum.o / stratum.n, 0)'
            ~ ' / (stratum.n - 1) / stratum.n else 0 end'
        ) }} as weighted_variance,
        max(case when stratum.n > 0 and stratum.n <= 1 then 1 else 0 end) as has_single_unit,
        {{ openchronic.exact_part('stratum.n * country.rate') }} as expected
    from stratum
    inner join standardised
        on stratum.indicator_id = standardised.indicator_id
        and stratum.denominator_type = standardised.denominator_type
    inner join of_country as country
        on stratum.indicator_id = country.indicator_id
        and stratum.condition = country.condition
        and stratum.denominator_type = country.denominator_type
        and stratum.sex = country.sex
        and stratum.age_group = country.age_group
    group by
        stratum.indicator_id, stratum.condition, stratum.geo_level, stratum.geo_code, stratum.sex,
        stratum.denominator_type
),

summed as (
    select of_sex.*, cast(whole.weight as double) as whole_weight
    from of_sex
    inner join whole
        on of_sex.indicator_id = whole.indicator_id
        and of_sex.condition = whole.condition
        and of_sex.denominator_type = whole.denominator_type
        and of_sex.sex = whole.sex

    union all

    select
        together.*,
        both_sexes.weight as whole_weight
    from (
        select
            indicator_id, condition, geo_level, geo_code, 'all' as sex, denominator_type,
            cast(sum(unit_count) as bigint) as unit_count,
            cast(sum(person_count) as bigint) as person_count,
            cast(sum(excluded_count) as bigint) as excluded_count,
            cast(sum(o) as decimal(38, 18)) as o,
            cast(sum(n) as decimal(38, 18)) as n,
            cast(sum(weight) as decimal(38, 18)) as weight,
            cast(sum(weighted_rate) as decimal(38, 18)) as weighted_rate,
            cast(sum(weighted_variance) as decimal(38, 18)) as weighted_variance,
            max(has_single_unit) as has_single_unit,
            cast(sum(expected) as decimal(38, 18)) as expected
        from of_sex
        group by indicator_id, condition, geo_level, geo_code, denominator_type
    ) as together
    inner join (
        select indicator_id, condition, denominator_type, cast(sum(weight) as double) as weight
        from whole
        group by indicator_id, condition, denominator_type
    ) as both_sexes
        on together.indicator_id = both_sexes.indicator_id
        and together.condition = both_sexes.condition
        and together.denominator_type = both_sexes.denominator_type
),

rated as (
    select
        summed.indicator_id,
        summed.condition,
        summed.geo_level,
        summed.geo_code,
        summed.sex,
        summed.denominator_type,
        summed.unit_count,
        summed.person_count,
        summed.excluded_count,
        summed.has_single_unit,
        cast(summed.o as double) as o,
        cast(summed.n as double) as n,
        cast(summed.expected as double) as expected,
        cast(summed.weighted_rate as double) / cast(summed.weight as double) as rate,
        cast(summed.weighted_variance as double)
        / (cast(summed.weight as double) * cast(summed.weight as double)) as variance,
        standardised.kind,
        standardised.is_direct,
        standardised.is_indirect,
        case
            when summed.o < 10 and standardised.kind <> 'mean' then 'fewer_than_10_events'
            when cast(summed.weight as double) < 0.99 * summed.whole_weight
                then 'stratum_without_denominator'
        end as direct_absence
    from summed
    inner join standardised
        on summed.indicator_id = standardised.indicator_id
        and summed.denominator_type = standardised.denominator_type
    where summed.weight > 0
),

final as (
    select
        indicator_id,
        cast({{ openchronic.build_year() }} as integer) as year,
        condition,
        geo_level,
        geo_code,
        sex,
        denominator_type,
        'direct_esp2013' as std_method,
        unit_count,
        person_count,
        excluded_count,
        o as numerator,
        n as denominator,
        cast(null as double) as expected,
        case when direct_absence is null then rate end as value,
        case
            when direct_absence is not null then null
            when kind = 'mean' and has_single_unit = 1 then null
            when kind = 'mean'
                then {{ openchronic.mean_bound('rate', 'variance', 'unit_count', 'low') }}
            else {{ openchronic.dobson('rate', 'variance', 'o', 'low') }}
        end as ci_low,
        case
            when direct_absence is not null then null
            when kind = 'mean' and has_single_unit = 1 then null
            when kind = 'mean'
                then {{ openchronic.mean_bound('rate', 'variance', 'unit_count', 'high') }}
            else {{ openchronic.dobson('rate', 'variance', 'o', 'high') }}
        end as ci_high,
        case when kind = 'mean' then 'normal' else 'dobson' end as ci_method,
        direct_absence as absence_reason
    from rated
    where is_direct

    union all

    select
        indicator_id,
        cast({{ openchronic.build_year() }} as integer) as year,
        condition,
        geo_level,
        geo_code,
        sex,
        denominator_type,
        'indirect_country' as std_method,
        unit_count,
        person_count,
        excluded_count,
        o as numerator,
        n as denominator,
        expected,
        case when expected > 0 then o / expected end as value,
        case when expected > 0 then {{ openchronic.byar('o', 'low') }} / expected end as ci_low,
        case when expected > 0 then {{ openchronic.byar('o', 'high') }} / expected end as ci_high,
        'byar' as ci_method,
        case when expected > 0 then null else 'nothing_expected' end as absence_reason
    from rated
    where is_indirect
)

select * from final
