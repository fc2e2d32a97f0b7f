{#
    Fails where crude numerators and units of departments do not add up to those of their region, of
    regions to the country, or of sexes to both together.
#}
{% test cells_of_indicators_add_up(model) %}
{%- set key = 'year, indicator_id, condition, denominator_type' %}
with crude as (
    select {{ key }}, geo_level, sex, age_group, numerator, unit_count
    from {{ model }}
    where std_method = 'none' and kind <> 'quantile' and numerator is not null
),

told as (
    select
        {{ key }}, age_group,
        sum(case when geo_level = 'country' and sex = 'all' then numerator else 0 end) as country,
        sum(case when geo_level = 'country' and sex <> 'all' then numerator else 0 end) as sexes,
        sum(case when geo_level = 'region' and sex = 'all' then numerator else 0 end) as regions,
        sum(case when geo_level = 'department' and sex = 'all' then numerator else 0 end) as departments,
        sum(case when geo_level = 'country' and sex = 'all' then unit_count else 0 end) as country_units,
        sum(case when geo_level = 'region' and sex = 'all' then unit_count else 0 end) as region_units,
        sum(case when geo_level = 'department' and sex = 'all' then unit_count else 0 end)
            as department_units
    from crude
    where age_group = 'all'
    group by {{ key }}, age_group
)

select *
from told
where
    abs(country - sexes) > 1e-9 * abs(country) + 1e-6
    or abs(country - regions) > 1e-9 * abs(country) + 1e-6
    or abs(country - departments) > 1e-9 * abs(country) + 1e-6
    or country_units <> region_units
    or country_units <> department_units
{% endtest %}
