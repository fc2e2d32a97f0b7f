{# Fails on each year whose counts, summed, are not the number of rows of another model in it. #}
{% test same_people_as(model, count_column, other) %}
with counted as (
    select year as year_of_row, sum({{ count_column }}) as n from {{ model }} group by year
),

listed as (
    select year as year_of_row, count(*) as n from {{ other }} group by year
)

select coalesce(counted.year_of_row, listed.year_of_row) as year_of_row
from counted
full outer join listed on counted.year_of_row = listed.year_of_row
where
    coalesce(counted.year_of_row, listed.year_of_row) in ({{ openchronic.years_written(model) }})
    and coalesce(counted.n, 0) <> coalesce(listed.n, 0)
{% endtest %}
