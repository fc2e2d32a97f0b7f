{# Fails on an episode that begins before the one before it, of the same person and number, ends. #}
{% test no_overlapping_episodes(model) %}
with ordered as (
    select
        person_id,
        ald_num,
        start_date,
        lag(is_open) over (partition by person_id, ald_num order by start_date) as was_open,
        lag(greatest(end_date, start_date)) over (
            partition by person_id, ald_num order by start_date
        ) as reach_before
    from {{ model }}
)

select person_id, ald_num, start_date
from ordered
where was_open or start_date <= reach_before
{% endtest %}
