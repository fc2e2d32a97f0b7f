{#
    Every indicator of a year: value, interval and what they are made from, by geography, sex, age and
    condition, crude and standardised.
    Rule: cells are summed from places to regions and the country, sexes and ages. Crude values: a
    proportion with Wilson's interval, a rate with Byar's, a mean with the normal law, a ratio of sums
    with its linearised variance (both from 200 units on), a quantile with its order statistics. A
    denominator that is a population counted or supplied is taken as it is; the people of a panel
    stand for `weight` people each. Standardised: directly on the European population of 2013 with
    Dobson's interval, age by sex with half the weight for each sex where both are together, absent
    under 10 events or where more than 1 % of the weight has no denominator; indirectly, as the
    observed over the expected at the country's rates, with Byar's interval. The main denominator is
    broken down by age; the others are told all ages together. What cannot be said is a row without a
    value, with its reason. Source: indicators 4.0, 4.1, 4.2.
    Grain: one row an indicator, condition, place, sex, age, denominator and standard.
#}
{{ config(
    materialized='yearly',
    unique_key=[
        'indicator_id', 'condition', 'geo_level', 'geo_code', 'sex', 'age_group', 'denominator_type',
        'std_method',
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

level as (
    {{ openchronic.geo_levels() }}
),

cell as (
    select * from {{ ref('int_indicator_cell') }} where year = {{ openchronic.build_year() }}
),

-- A measure without any row was not examined: it is absent, not zero.
measure_seen as (
    select distinct measure from cell
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
    inner join (select distinct measure, condition from cell) as own
        on indicator.measure = own.measure
    where indicator.is_of_own_condition and indicator.kind <> 'quantile'
),

rolled as (
    select
        cell.measure,
        cell.condition,
        {{ openchronic.geo_level_name('level.geo_level', 'cell.place_kind') }} as geo_level,
        {{ openchronic.geo_code('level.geo_level', 'cell.region', 'cell.place_code') }} as geo_code,
        case when level.sex_kind = 'all' then 'all' else cell.sex end as sex,
        {{ openchronic.age_told('level.age_kind', 'cell.age_group') }} as age_group,
        {{ openchronic.cell_sums_again() }}
    from cell
    inner join level on cell.place_level = level.place_level
    where {{ openchronic.is_told('level', 'cell.age_group') }}
    group by 1, 2, 3, 4, 5, 6
),

population as (
    select * from {{ ref('int_indicator_population') }} where year = {{ openchronic.build_year() }}
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

crude as (
    select
        {{ key }},
        'none' as std_method,
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
),

quantile as (
    select
        quantile.indicator_id,
        quantile.condition,
        quantile.geo_level,
        quantile.geo_code,
        quantile.sex,
        'all' as age_group,
        'eligible' as denominator_type,
        'none' as std_method,
        quantile.unit_count,
        rolled.person_count,
        rolled.excluded_count,
        cast(null as double) as numerator,
        cast(quantile.unit_count as double) as denominator,
        cast(null as double) as expected,
        quantile.value,
        quantile.ci_low,
        quantile.ci_high,
        'order_statistics' as ci_method,
        cast(null as {{ dbt.type_string() }}) as absence_reason
    from {{ ref('int_indicator_quantile') }} as quantile
    inner join indicator on quantile.indicator_id = indicator.indicator_id
    left join rolled
        on indicator.measure = rolled.measure
        and quantile.condition = rolled.condition
        and quantile.geo_level = rolled.geo_level
        and quantile.geo_code = rolled.geo_code
        and quantile.sex = rolled.sex
        and rolled.age_group = 'all'
    where quantile.year = {{ openchronic.build_year() }}
),

-- Strata of standardisation: five-year age by sex, at each place.
place_level as (
    select distinct place_level, geo_level
    from level
    where geo_level <> 'establishment'
),

standardised as (
    select * from indicator where is_direct or is_indirect
),

stratum_counted as (
    select
        told.indicator_id,
        told.condition,
        {{ openchronic.geo_level_name('place_level.geo_level', 'cell.place_kind') }} as geo_level,
        {{ openchronic.geo_code('place_level.geo_level', 'cell.region', 'cell.place_code') }}
            as geo_code,
        cell.sex,
        cell.age_group,
        {{ openchronic.cell_sums_again() }}
    from cell
    inner join place_level on cell.place_level = place_level.place_level
    inner join told
        on cell.measure = told.measure
        and cell.condition = told.condition
    where told.indicator_id in (select standardised.indicator_id from standardised)
    group by 1, 2, 3, 4, 5, 6
),

stratum_population as (
    select
        population.denominator_type,
        population.condition,
        {{ openchronic.geo_level_name('place_level.geo_level', 'population.place_kind') }} as geo_level,
        {{ openchronic.geo_code('place_level.geo_level', 'population.region', 'population.place_code') }}
            as geo_code,
        population.sex,
        population.age_group,
        cast(sum(population.population) as double) as population
    from population
    inner join place_level on population.place_level = place_level.place_level
    group by 1, 2, 3, 4, 5, 6
),

stratum as (
    select
        counted.indicator_id, counted.condition, counted.geo_level, counted.geo_code, counted.sex,
        counted.age_group, 'eligible' as denominator_type,
        counted.unit_count, counted.person_count, counted.excluded_count,
        cast(counted.num as double) as o,
        cast(counted.den as double) as n,
        cast(counted.num_squares as double) as squares
    from stratum_counted as counted
    inner join standardised on counted.indicator_id = standardised.indicator_id
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
    inner join stratum_population as people
        on standardised.denominator_type = people.denominator_type
        and case when standardised.is_of_own_condition then 'all' else told.condition end
            = people.condition
    left join stratum_counted as counted
        on told.indicator_id = counted.indicator_id
        and told.condition = counted.condition
        and people.geo_level = counted.geo_level
        and people.geo_code = counted.geo_code
        and people.sex = counted.sex
        and people.age_group = counted.age_group
),

-- The country's rate of each stratum; where it has no denominator, nobody has that stratum.
weighted as (
    select
        stratum.*,
        standardised.kind,
        standardised.is_direct,
        standardised.is_indirect,
        cast(standard.weight as double) as weight,
        max(case when stratum.geo_level = 'country' and stratum.n > 0 then 1 else 0 end)
            over of_stratum as is_in_country,
        max(case when stratum.geo_level = 'country' and stratum.n > 0 then stratum.o / stratum.n end)
            over of_stratum as country_rate
    from stratum
    inner join standardised
        on stratum.indicator_id = standardised.indicator_id
        and stratum.denominator_type = standardised.denominator_type
    inner join {{ ref('ref_standard_population') }} as standard
        on stratum.age_group = standard.age_group
        and standard.standard = 'esp2013'
    where
        stratum.sex in ('1', '2')
        and (standardised.age_from is null or coalesce(standard.age_to, 200) >= standardised.age_from)
        and (standardised.age_to is null or standard.age_from <= standardised.age_to)
    window of_stratum as (
        partition by
            stratum.indicator_id, stratum.condition, stratum.denominator_type, stratum.sex,
            stratum.age_group
    )
),

-- The weight that the country's strata have in all, by sex and together.
whole as (
    select
        indicator_id, condition, denominator_type, sex,
        sum(case when geo_level = 'country' and is_in_country = 1 then weight else 0 end) as weight
    from weighted
    group by indicator_id, condition, denominator_type, sex
),

target as (
    select indicator_id, condition, denominator_type, sex, sex as sex_told, weight from whole
    union all
    select
        indicator_id, condition, denominator_type, sex, 'all' as sex_told,
        sum(weight) over (partition by indicator_id, condition, denominator_type) as weight
    from whole
),

summed as (
    select
        weighted.indicator_id,
        weighted.condition,
        weighted.geo_level,
        weighted.geo_code,
        target.sex_told as sex,
        weighted.denominator_type,
        max(weighted.kind) as kind,
        max(case when weighted.is_direct then 1 else 0 end) as is_direct,
        max(case when weighted.is_indirect then 1 else 0 end) as is_indirect,
        max(target.weight) as whole_weight,
        cast(sum(weighted.unit_count) as bigint) as unit_count,
        cast(sum(weighted.person_count) as bigint) as person_count,
        cast(sum(weighted.excluded_count) as bigint) as excluded_count,
        {{ openchronic.exact_double('weighted.o') }} as o,
        {{ openchronic.exact_double('weighted.n') }} as n,
        {{ openchronic.exact_double('case when weighted.n > 0 then weighted.weight else 0 end') }} as weight,
        {{ openchronic.exact_double(
            'case when weighted.n > 0 then weighted.weight * weighted.o / weighted.n else 0 end'
        ) }} as weighted_rate,
        {{ openchronic.exact_double(
            "case when weighted.n > 0 and weighted.kind <> 'mean'"
            ~ ' then weighted.weight * weighted.weight * weighted.o / weighted.n / weighted.n'
            ~ ' when weighted.n > 1 then weighted.weight * weighted.weight * greatest('
            ~ 'weighted.squares - weighted.o * weighted.o / weighted.n, 0)'
            ~ ' / (weighted.n - 1) / weighted.n else 0 end'
        ) }} as weighted_variance,
        max(case when weighted.n > 0 and weighted.n <= 1 then 1 else 0 end) as has_single_unit,
        {{ openchronic.exact_double(
            'case when weighted.is_in_country = 1 then weighted.n * weighted.country_rate else 0 end'
        ) }} as expected
    from weighted
    inner join target
        on weighted.indicator_id = target.indicator_id
        and weighted.condition = target.condition
        and weighted.denominator_type = target.denominator_type
        and weighted.sex = target.sex
    where weighted.is_in_country = 1
    group by
        weighted.indicator_id, weighted.condition, weighted.geo_level, weighted.geo_code,
        target.sex_told, weighted.denominator_type
),

rated as (
    select
        *,
        weighted_rate / weight as rate,
        weighted_variance / (weight * weight) as variance,
        case
            when o < 10 and kind <> 'mean' then 'fewer_than_10_events'
            when weight < 0.99 * whole_weight then 'stratum_without_denominator'
        end as direct_absence
    from summed
    where weight > 0
),

direct as (
    select
        indicator_id, condition, geo_level, geo_code, sex, 'all' as age_group, denominator_type,
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
    where is_direct = 1
),

indirect as (
    select
        indicator_id, condition, geo_level, geo_code, sex, 'all' as age_group, denominator_type,
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
    where is_indirect = 1
),

told_rows as (
    select * from crude
    union all
    select * from quantile
    union all
    select * from direct
    union all
    select * from indirect
),

-- An indicator of which nothing was said says why.
silent as (
    select
        asked.indicator_id,
        case when asked.is_of_own_condition then 'own' else 'all' end as condition,
        'country' as geo_level,
        'FR' as geo_code,
        'all' as sex,
        'all' as age_group,
        asked.denominator_type,
        'none' as std_method,
        cast(0 as bigint) as unit_count,
        cast(0 as bigint) as person_count,
        cast(0 as bigint) as excluded_count,
        cast(null as double) as numerator,
        cast(null as double) as denominator,
        cast(null as double) as expected,
        cast(null as double) as value,
        cast(null as double) as ci_low,
        cast(null as double) as ci_high,
        cast(null as {{ dbt.type_string() }}) as ci_method,
        case
            when
                asked.year_from > {{ openchronic.build_year() }}
                or asked.year_to < {{ openchronic.build_year() }}
                then 'not_defined_in_year'
            when
                asked.denominator_type in ('resident_population', 'insured_population')
                and supplied.denominator_type is null
                then 'population_file_missing'
            else 'no_unit_examined'
        end as absence_reason
    from (
        select indicator.*, denominator.denominator_type
        from {{ ref('ref_indicator') }} as indicator
        inner join {{ ref('ref_indicator_denominator') }} as denominator
            on indicator.indicator_id = denominator.indicator_id
    ) as asked
    left join (select distinct denominator_type from population) as supplied
        on asked.denominator_type = supplied.denominator_type
    left join (
        select distinct indicator_id, denominator_type
        from told_rows
        where geo_level = 'country' and absence_reason is distinct from 'no_inhabitants'
    ) as said
        on asked.indicator_id = said.indicator_id
        and asked.denominator_type = said.denominator_type
    where said.indicator_id is null
),

kept as (
    select told_rows.*
    from told_rows
    left join (select distinct indicator_id, denominator_type from silent) as silent
        on told_rows.indicator_id = silent.indicator_id
        and told_rows.denominator_type = silent.denominator_type
    where silent.indicator_id is null
    union all
    select * from silent
),

final as (
    select
        indicator_id,
        cast({{ openchronic.build_year() }} as integer) as year,
        condition,
        geo_level,
        geo_code,
        sex,
        age_group,
        denominator_type,
        std_method,
        cast(unit_count as bigint) as unit_count,
        cast(person_count as bigint) as person_count,
        cast(excluded_count as bigint) as excluded_count,
        numerator,
        denominator,
        expected,
        value,
        ci_low,
        ci_high,
        ci_method,
        absence_reason
    from kept
)

select * from final
