{#
    Quantiles of the units of a measure, for the indicators that are quantiles.
    Rule: of n units counted, the smallest value that at least n x q of them do not exceed; its 95 %
    interval by the ranks around it (normal law of the rank), NULL where the ranks fall outside. Told
    for the country (sexes together and apart), regions and departments, all ages together; only
    indicators whose denominator is the units. Units of equal value are counted together first.
    Source: indicators 4.2 (medians, 90th percentile); interval, order statistics [A].
    Grain: one row an indicator, condition, place and sex.
#}
{{ config(
    materialized='yearly',
    unique_key=['indicator_id', 'condition', 'geo_level', 'geo_code', 'sex'],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

with asked as (
    select indicator.indicator_id, indicator.measure, indicator.quantile, told.condition
    from {{ ref('ref_indicator') }} as indicator
    inner join {{ ref('ref_indicator_condition') }} as told
        on indicator.indicator_id = told.indicator_id
    where indicator.kind = 'quantile'
),

measured as (
{%- for family in openchronic.measure_families() %}
    select person_id, measure, num
    from {{ ref('measure_' ~ family) }}
    where
        year = {{ openchronic.build_year() }}
        and excl_code is null
        and condition = 'all'
        and measure in (select asked.measure from asked)
    {%- if not loop.last %}
    union all
    {% endif %}
{%- endfor %}
),

told as (
    select measured.measure, 'all' as condition, measured.person_id, measured.num
    from measured
    where measured.measure in (select asked.measure from asked where asked.condition = 'all')

    union all

    select measured.measure, asked.condition, measured.person_id, measured.num
    from measured
    inner join (select distinct measure, condition from asked where condition <> 'all') as asked
        on measured.measure = asked.measure
    inner join {{ ref('int_indicator_condition') }} as held
        on measured.person_id = held.person_id
        and asked.condition = held.condition
        and held.year = {{ openchronic.build_year() }}
),

valued as (
    select
        told.measure, told.condition, person.department, person.region, person.sex, told.num,
        count(*) as units
    from told
    inner join {{ ref('int_indicator_person') }} as person
        on told.person_id = person.person_id
        and person.year = {{ openchronic.build_year() }}
    group by told.measure, told.condition, person.department, person.region, person.sex, told.num
),

level as (
    select 'country' as geo_level, 'all' as sex_kind
    union all
    select 'country' as geo_level, 'own' as sex_kind
    union all
    select 'region' as geo_level, 'all' as sex_kind
    union all
    select 'department' as geo_level, 'all' as sex_kind
),

placed as (
    select
        valued.measure,
        valued.condition,
        level.geo_level,
        {{ openchronic.geo_code('level.geo_level', 'valued.region', 'valued.department') }} as geo_code,
        case when level.sex_kind = 'all' then 'all' else valued.sex end as sex,
        valued.num,
        cast(sum(valued.units) as bigint) as units
    from valued
    cross join level
    group by 1, 2, 3, 4, 5, 6
),

ranked as (
    select
        *,
        sum(units) over (
            partition by measure, condition, geo_level, geo_code, sex
            order by num
            rows between unbounded preceding and current row
        ) as rank_to,
        sum(units) over (partition by measure, condition, geo_level, geo_code, sex) as n
    from placed
),

sought as (
    select
        asked.indicator_id,
        ranked.condition,
        ranked.geo_level,
        ranked.geo_code,
        ranked.sex,
        ranked.num,
        ranked.rank_to,
        ranked.n,
        greatest(1, cast(ceil(ranked.n * asked.quantile) as bigint)) as rank_sought,
        cast(floor(
            ranked.n * asked.quantile
            - 1.959964 * sqrt(ranked.n * asked.quantile * (1 - asked.quantile))
        ) as bigint) as rank_low,
        cast(ceil(
            ranked.n * asked.quantile
            + 1.959964 * sqrt(ranked.n * asked.quantile * (1 - asked.quantile))
        ) as bigint) + 1 as rank_high
    from ranked
    inner join asked
        on ranked.measure = asked.measure
        and ranked.condition = asked.condition
),

found as (
    select
        indicator_id, condition, geo_level, geo_code, sex,
        cast(max(n) as bigint) as unit_count,
        min(case when rank_to >= rank_sought then num end) as value,
        min(case when rank_low >= 1 and rank_high <= n and rank_to >= rank_low then num end) as ci_low,
        min(case when rank_low >= 1 and rank_high <= n and rank_to >= rank_high then num end) as ci_high
    from sought
    group by indicator_id, condition, geo_level, geo_code, sex
),

final as (
    select
        found.indicator_id,
        cast({{ openchronic.build_year() }} as integer) as year,
        found.condition,
        found.geo_level,
        found.geo_code,
        found.sex,
        found.unit_count,
        rolled.person_count,
        rolled.excluded_count,
        cast(found.value as double) as value,
        cast(found.ci_low as double) as ci_low,
        cast(found.ci_high as double) as ci_high
    from found
    inner join (select distinct indicator_id, measure from asked) as named
        on found.indicator_id = named.indicator_id
    left join {{ ref('int_indicator_rollup') }} as rolled
        on named.measure = rolled.measure
        and found.condition = rolled.condition
        and found.geo_level = rolled.geo_level
        and found.geo_code = rolled.geo_code
        and found.sex = rolled.sex
        and rolled.age_group = 'all'
        and rolled.year = {{ openchronic.build_year() }}
)

select * from final
