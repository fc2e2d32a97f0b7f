{#
    The cells of measures brought together: from departments to regions and the country, sexes and
    ages apart and together, as far as each level is told.
    Rule: the country and regions by five-year age, broad band and all ages; departments by band and
    all; the user's territories all ages together; establishments in one. Each step sums the one
    before it, so that coarser rows are sums of finer ones.
    Source: indicators 4.0. Grain: one row a measure, condition, place, sex and age.
#}
{{ config(
    materialized='yearly',
    unique_key=[
        'measure', 'condition', 'geo_level', 'geo_code', 'sex', 'age_group',
    ],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

{%- set key = 'measure, condition, geo_level, geo_code, sex, age_group' %}
{%- set sums %}unit_count, excluded_count, person_count, num, den, num_squares, den_squares, num_den
{%- endset %}

with cell as (
    select * from {{ ref('int_indicator_cell') }} where year = {{ openchronic.build_year() }}
),

of_region as (
    select
        measure, condition, region, sex, age_group,
        {{ openchronic.cell_sums_again() }}
    from cell
    where place_level = 'department'
    group by measure, condition, region, sex, age_group
),

of_country as (
    select
        measure, condition, sex, age_group,
        {{ openchronic.cell_sums_again() }}
    from of_region
    group by measure, condition, sex, age_group
),

of_band as (
    select
        measure, condition, place_code, sex, {{ openchronic.age_band('age_group') }} as age_group,
        {{ openchronic.cell_sums_again() }}
    from cell
    where place_level = 'department'
    group by measure, condition, place_code, sex, {{ openchronic.age_band('age_group') }}
),

by_sex as (
    select measure, condition, 'country' as geo_level, 'FR' as geo_code, sex, age_group, {{ sums }}
    from of_country

    union all

    select measure, condition, 'region' as geo_level, region as geo_code, sex, age_group, {{ sums }}
    from of_region

    union all

    select
        measure, condition, 'department' as geo_level, place_code as geo_code, sex, age_group, {{ sums }}
    from of_band

    union all

    select
        measure, condition, concat('territory:', place_kind) as geo_level, place_code as geo_code, sex,
        'all' as age_group,
        {{ openchronic.cell_sums_again() }}
    from cell
    where place_level = 'territory'
    group by measure, condition, place_kind, place_code, sex
),

by_age as (
    select {{ key }}, {{ sums }} from by_sex

    union all

    -- An unknown age is told once, with the groups.
    select
        measure, condition, geo_level, geo_code, sex, {{ openchronic.age_band('age_group') }} as age_group,
        {{ openchronic.cell_sums_again() }}
    from by_sex
    where geo_level in ('country', 'region') and age_group <> 'unknown'
    group by
        measure, condition, geo_level, geo_code, sex, {{ openchronic.age_band('age_group') }}

    union all

    select
        measure, condition, geo_level, geo_code, sex, 'all' as age_group,
        {{ openchronic.cell_sums_again() }}
    from by_sex
    where geo_level in ('country', 'region', 'department')
    group by measure, condition, geo_level, geo_code, sex
),

told as (
    select {{ key }}, {{ sums }} from by_age

    union all

    select
        measure, condition, geo_level, geo_code, 'all' as sex, age_group,
        {{ openchronic.cell_sums_again() }}
    from by_age
    group by measure, condition, geo_level, geo_code, age_group

    union all

    select
        measure, condition, 'establishment' as geo_level, place_code as geo_code, 'all' as sex,
        'all' as age_group, {{ sums }}
    from cell
    where place_level = 'establishment'
),

final as (
    select
        measure,
        cast({{ openchronic.build_year() }} as integer) as year,
        condition,
        geo_level,
        geo_code,
        sex,
        age_group,
        {{ sums }}
    from told
)

select * from final
