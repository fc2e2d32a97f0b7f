{# Fails on a period that begins before the one before it, of the same person, class and rule, ends. #}
{% test no_overlapping_exposures(model) %}
with ordered as (
    select
        person_id,
        exposure_rule,
        atc_class,
        start_date,
        lag(coalesce(end_date, date '9999-12-31')) over (
            partition by person_id, exposure_rule, atc_class order by start_date
        ) as end_before
    from {{ model }}
)

select person_id, exposure_rule, atc_class, start_date
from ordered
where start_date <= end_before
{% endtest %}
