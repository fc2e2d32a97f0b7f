{#
    The populations that rates are measured against, by the cells of int_indicator_cell.
    Rule: consumers of the year and the years over which they are observed are counted on the base,
    for everybody and by condition; residents (1 January) and insured people (31 December) come from
    the files that the user supplies for the year, where there are any. Of an insured file, all
    schemes together (TOUS) where given, else their sum; of rows with and without sex or age in one
    department, those with. A class of age within a five-year group falls into it, any other into
    'unknown': it counts in totals and not by age.
    Source: domain decision 6. Grain: one row a denominator, condition, place, sex and age group.
#}
{{ config(
    materialized='yearly',
    unique_key=[
        'denominator_type', 'condition', 'place_level', 'place_kind', 'place_code', 'sex', 'age_group',
    ],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

with consumer as (
    select person_id, department, region, sex, age_group, observed_years
    from {{ ref('int_indicator_person') }}
    where year = {{ openchronic.build_year() }} and is_consumer
),

told_by_condition as (
    select distinct asked.condition
    from {{ ref('ref_indicator_condition') }} as asked
    inner join {{ ref('ref_indicator_denominator') }} as denominator
        on asked.indicator_id = denominator.indicator_id
    where asked.condition <> 'all' and denominator.denominator_type in ('consumers', 'consumer_years')
),

placed as (
    select
        'all' as condition,
        'department' as place_level,
        '' as place_kind,
        department as place_code,
        region,
        sex,
        age_group,
        count(*) as people,
        {{ openchronic.exact_sum('observed_years') }} as years
    from consumer
    group by department, region, sex, age_group

    union all

    select
        held.condition,
        'department' as place_level,
        '' as place_kind,
        consumer.department as place_code,
        consumer.region,
        consumer.sex,
        consumer.age_group,
        count(*) as people,
        {{ openchronic.exact_sum('consumer.observed_years') }} as years
    from consumer
    inner join {{ ref('int_indicator_condition') }} as held
        on consumer.person_id = held.person_id
        and held.year = {{ openchronic.build_year() }}
    inner join told_by_condition as asked on held.condition = asked.condition
    group by
        held.condition, consumer.department, consumer.region, consumer.sex, consumer.age_group

    union all

    select
        'all' as condition,
        'territory' as place_level,
        place.territory_kind as place_kind,
        place.territory_code as place_code,
        '' as region,
        consumer.sex,
        consumer.age_group,
        count(*) as people,
        {{ openchronic.exact_sum('consumer.observed_years') }} as years
    from consumer
    inner join {{ ref('int_indicator_place') }} as place
        on consumer.person_id = place.person_id
        and place.year = {{ openchronic.build_year() }}
    group by place.territory_kind, place.territory_code, consumer.sex, consumer.age_group
),

counted as (
    select
        'consumers' as denominator_type, condition, place_level, place_kind, place_code, region, sex,
        age_group, cast(people as decimal(38, 12)) as population
    from placed
    union all
    select
        'consumer_years' as denominator_type, condition, place_level, place_kind, place_code, region,
        sex, age_group, years as population
    from placed
),

supplied as (
    select
        'resident_population' as denominator_type,
        upper(trim(department)) as department,
        sex,
        age_from,
        age_to,
        population,
        cast(1 as integer) as is_read
    from {{ ref('stg_open__resident_population') }}
    where population_year = {{ openchronic.build_year() }} and population >= 0

    union all

    select
        'insured_population' as denominator_type,
        upper(trim(department)) as department,
        sex,
        age_from,
        age_to,
        insured_count as population,
        case
            when upper(trim(scheme)) = 'TOUS' then 1
            when max(case when upper(trim(scheme)) = 'TOUS' then 1 else 0 end)
                over (partition by upper(trim(department))) = 1 then 0
            else 1
        end as is_read
    from {{ ref('stg_open__insured_population') }}
    where population_year = {{ openchronic.build_year() }} and insured_count >= 0
),

-- Totals beside their parts are read once: as their parts.
parted as (
    select
        *,
        max(case when sex is not null then 1 else 0 end)
            over (partition by denominator_type, department) as has_sexes,
        max(case when age_from is not null then 1 else 0 end)
            over (partition by denominator_type, department) as has_ages
    from supplied
    where is_read = 1
),

resident as (
    select
        parted.denominator_type,
        'all' as condition,
        'department' as place_level,
        '' as place_kind,
        ref_department.department as place_code,
        ref_department.region,
        coalesce(cast(parted.sex as {{ dbt.type_string() }}), 'unknown') as sex,
        case
            when parted.age_from >= 95 then '95+'
            when parted.age_to < parted.age_from - parted.age_from % 5 + 5
                then {{ openchronic.age_group('parted.age_from') }}
            else 'unknown'
        end as age_group,
        parted.population
    from parted
    inner join {{ ref('ref_department') }} as ref_department
        on parted.department = ref_department.department
    where
        (parted.sex is not null or parted.has_sexes = 0)
        and (parted.age_from is not null or parted.has_ages = 0)
),

final as (
    select
        denominator_type,
        cast({{ openchronic.build_year() }} as integer) as year,
        condition,
        place_level,
        place_kind,
        place_code,
        region,
        sex,
        age_group,
        population
    from counted

    union all

    select
        denominator_type,
        cast({{ openchronic.build_year() }} as integer) as year,
        condition,
        place_level,
        place_kind,
        place_code,
        region,
        sex,
        age_group,
        cast(sum(population) as decimal(38, 12)) as population
    from resident
    group by
        denominator_type, condition, place_level, place_kind, place_code, region, sex, age_group
)

select * from final
