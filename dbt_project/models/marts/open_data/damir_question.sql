{#
    The questions that users ask of Open DAMIR, as points to be compared: one a region and year.
    Rule: `x` and `y` of damir_density; the weight is the insured people; the development index is
    that of the user's file, the newest edition not after the year (else the oldest), of the region
    itself where given, else the mean of its departments weighted by inhabitants. A point that cannot
    be placed stays, with `absent_reason`: that of damir_density, no_index, or no_value (nothing to
    divide by). Questions: gp_density_visits (and its variants _standardised, by age and sex, and
    _reached, by the density where residents are seen), specialist_density_overrun,
    city_emergency (public emergency rooms are in the PMSI, hardly here), development_spend.
    Source: indicators 3.6. Anchor: year of care. Grain: one row a question, region and year.
#}
{{ config(
    materialized='yearly',
    unique_key=['question', 'region'],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

{%- set questions = [
    ('gp_density_visits', 'gp_density', 'gp_visits_per_insured'),
    ('gp_density_visits_standardised', 'gp_density', 'gp_visits_per_insured_standardised'),
    ('gp_density_visits_reached', 'gp_density_reached', 'gp_visits_per_insured'),
    ('specialist_density_overrun', 'specialist_density', 'specialist_overrun_rate'),
    ('city_emergency', 'gp_visits_per_insured', 'emergency_visits_per_insured'),
    ('development_spend', 'development_index', 'spend_per_insured'),
] -%}

with index_ranked as (
    select
        case when lower(trim(area_level)) = 'region' then 'region' else 'department' end as area_level,
        upper(trim(area_code)) as area_code,
        index_value,
        row_number() over (
            partition by lower(trim(area_level)), upper(trim(area_code))
            order by
                case when coalesce(index_year, 0) <= {{ openchronic.build_year() }} then 0 else 1 end,
                case
                    when coalesce(index_year, 0) <= {{ openchronic.build_year() }}
                        then -coalesce(index_year, 0)
                    else index_year
                end,
                source_file asc,
                source_line asc
        ) as place
    from {{ ref('stg_open__development_index') }}
    where
        index_value is not null
        and lower(trim(area_level)) in ('region', 'région', 'departement', 'département')
),

inhabitants as (
    select
        place_code as department,
        region,
        sum(case when denominator_type = 'resident_population' then population end) as residents,
        sum(case when denominator_type = 'insured_population' then population end) as insured
    from {{ ref('int_indicator_population') }}
    where
        year = {{ openchronic.build_year() }}
        and denominator_type in ('resident_population', 'insured_population')
        and condition = 'all'
        and place_level = 'department'
    group by place_code, region
),

inhabitants_of_region as (
    select region, sum(coalesce(residents, insured)) as inhabitants
    from inhabitants
    group by region
),

told_index as (
    select 5 as region, index_value, cast(1 as decimal(18, 2)) as weight, 1 as preference
    from index_ranked
    where place = 1 and area_level = 'region' and area_code in ('5', '05')

    union all

    -- An INSEE region alone in its region of Open DAMIR needs no weight.
    select
        {{ openchronic.damir_region('ref_region.region') }} as region,
        index_ranked.index_value,
        cast(
            case
                when ref_region.region in ('01', '02', '03', '04', '06', '93', '94')
                    then inhabitants_of_region.inhabitants
                else 1
            end as decimal(18, 2)
        ) as weight,
        2 as preference
    from index_ranked
    inner join {{ ref('ref_region') }} as ref_region on index_ranked.area_code = ref_region.region
    left join inhabitants_of_region on ref_region.region = inhabitants_of_region.region
    where index_ranked.place = 1 and index_ranked.area_level = 'region'

    union all

    select
        {{ openchronic.damir_region('ref_department.region') }} as region,
        index_ranked.index_value,
        cast(coalesce(inhabitants.residents, inhabitants.insured) as decimal(18, 2)) as weight,
        3 as preference
    from index_ranked
    inner join {{ ref('ref_department') }} as ref_department
        on index_ranked.area_code = ref_department.department
    left join inhabitants on ref_department.department = inhabitants.department
    where index_ranked.place = 1 and index_ranked.area_level = 'department'
),

development as (
    select
        region,
        preference,
        cast(sum(cast(index_value as decimal(18, 6)) * weight) as double)
        / cast(sum(weight) as double) as development_index
    from told_index
    where weight > 0
    group by region, preference
),

development_ranked as (
    select
        region,
        development_index,
        row_number() over (partition by region order by preference asc) as place
    from development
),

known as (
    select density.*, development_ranked.development_index
    from {{ ref('damir_density') }} as density
    left join development_ranked
        on density.region = development_ranked.region and development_ranked.place = 1
    where density.year = {{ openchronic.build_year() }}
),

asked as (
    {%- for question, x, y in questions %}
    select
        '{{ question }}' as question,
        region,
        {{ x }} as x,
        {{ y }} as y,
        cast(insured_count as double) as weight,
        case
            {%- if x == 'development_index' %}
            when absent_reason in ('no_damir', 'no_population', 'no_insured_population')
                then absent_reason
            when development_index is null then 'no_index'
            {%- elif x == 'gp_visits_per_insured' %}
            when absent_reason in ('no_damir', 'no_population', 'no_insured_population')
                then absent_reason
            {%- elif x == 'specialist_density' %}
            when absent_reason in ('no_damir', 'no_population', 'no_insured_population')
                then absent_reason
            when specialist_density is null then 'no_professionals'
            {%- else %}
            when absent_reason is not null then absent_reason
            {%- endif %}
            when {{ x }} is null or {{ y }} is null then 'no_value'
        end as absent_reason
    from known
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor %}
),

final as (
    select
        question,
        cast({{ openchronic.build_year() }} as integer) as year,
        region,
        cast(case when absent_reason is null then x end as double) as x,
        cast(case when absent_reason is null then y end as double) as y,
        cast(case when absent_reason is null then weight end as double) as weight,
        absent_reason
    from asked
)

select * from final
