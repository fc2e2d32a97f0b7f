{#
    Fails when, in a year that this build writes, the dispensings are not as many as the events of
    drugs that they come from, or do not count the same boxes: no join may multiply or lose one.
#}
{% test same_rows_as_events(model) %}
with events as (
    select year, count(*) as n, coalesce(sum(net_quantity), 0) as boxes
    from {{ ref('care_event') }}
    where event_type in ('drug', 'hospital_drug')
    group by year
),

dispensings as (
    select year, count(*) as n, coalesce(sum(box_count), 0) as boxes
    from {{ model }}
    group by year
)

select coalesce(events.year, dispensings.year) as year_of_row
from events
full outer join dispensings on events.year = dispensings.year
where
    coalesce(events.year, dispensings.year) in ({{ openchronic.years_written(model) }})
    and (
        coalesce(events.n, 0) <> coalesce(dispensings.n, 0)
        or coalesce(events.boxes, 0) <> coalesce(dispensings.boxes, 0)
    )
{% endtest %}
