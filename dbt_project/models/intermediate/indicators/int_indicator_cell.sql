{#
    The measures of all families, summed by cell: what every indicator is made from.
    Rule: rows of measure_<family> grouped by measure, condition, place, sex and age; for the
    conditions that the catalogue asks for, each person counts under each condition that they have.
    Places are departments of residence, the user's territories, and establishments. Sums are exact
    to twelve decimals, so that they depend on no order and coarser cells are sums of finer ones.
    Source: indicators 4.0. Grain: one row a measure, condition, place, sex and age group.
#}
{{ config(
    materialized='yearly',
    unique_key=[
        'measure', 'condition', 'place_level', 'place_kind', 'place_code', 'sex', 'age_group',
    ],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

with told_by_condition as (
    select distinct measure, condition
    from {{ ref('ref_indicator_condition') }}
    where condition <> 'all'
),

cell as (
    {{ openchronic.measured_cells() }}
),

final as (
    select
        measure,
        cast({{ openchronic.build_year() }} as integer) as year,
        condition,
        place_level,
        place_kind,
        place_code,
        region,
        sex,
        age_group,
        unit_count,
        excluded_count,
        person_count,
        num,
        den,
        num_squares,
        den_squares,
        num_den
    from cell
)

select * from final
