{#
    Why units are not counted in a measure, in the country.
    Rule: units of measure_<family> by their excl_code ('counted' where there is none): what the
    cards show beside the value. Source: indicators 4.0.
    Grain: one row a measure, year, condition of the rows and reason.
#}
{{ config(
    materialized='yearly',
    unique_key=['measure', 'condition', 'exclusion_code'],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

with measured as (
{%- for family in openchronic.measure_families() %}
    select
        '{{ family }}' as family,
        measure,
        condition,
        coalesce(excl_code, 'counted') as exclusion_code,
        count(*) as unit_count,
        count(distinct person_id) as person_count
    from {{ ref('measure_' ~ family) }}
    where year = {{ openchronic.build_year() }}
    group by measure, condition, coalesce(excl_code, 'counted')
    {%- if not loop.last %}
    union all
    {% endif %}
{%- endfor %}
),

final as (
    select
        family,
        measure,
        cast({{ openchronic.build_year() }} as integer) as year,
        condition,
        exclusion_code,
        cast(unit_count as bigint) as unit_count,
        cast(person_count as bigint) as person_count,
        {{ openchronic.population_scope() }} as population_scope
    from measured
)

select * from final
