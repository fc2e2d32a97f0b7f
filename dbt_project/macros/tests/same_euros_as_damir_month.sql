{#
    Fails on each month of care, of a year that this build writes, whose euros are not those of
    `damir_month`.
#}
{% test same_euros_as_damir_month(model) %}
with cells as (
    select year, care_month, sum(spend_amount) as spend, sum(patient_amount) as patient
    from {{ model }}
    group by year, care_month
),

whole as (
    select year, care_month, coalesce(sum(spend_amount), 0) as spend, sum(patient_amount) as patient
    from {{ ref('damir_month') }}
    group by year, care_month
)

select coalesce(cells.year, whole.year) as year_of_row
from cells
full outer join whole
    on cells.year = whole.year and cells.care_month is not distinct from whole.care_month
where
    coalesce(cells.year, whole.year) in ({{ openchronic.years_written(model) }})
    and (cells.spend is distinct from whole.spend or cells.patient is distinct from whole.patient)
{% endtest %}
