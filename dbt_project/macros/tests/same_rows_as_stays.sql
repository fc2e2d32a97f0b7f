{# Fails on each stay of a condition that the model has not, or has several times, in a year. #}
{% test same_rows_as_stays(model, of_where, mart_where='1 = 1') %}
with expected as (
    select year as year_of_row, stay_id from {{ ref('hospital_stay') }} where {{ of_where }}
),

found as (
    select year as year_of_row, stay_id, count(*) as n
    from {{ model }}
    where {{ mart_where }}
    group by year, stay_id
)

select coalesce(expected.stay_id, found.stay_id) as stay_id
from expected
full outer join found
    on expected.year_of_row = found.year_of_row and expected.stay_id = found.stay_id
where
    coalesce(expected.year_of_row, found.year_of_row) in ({{ openchronic.years_written(model) }})
    and (expected.stay_id is null or found.stay_id is null or found.n <> 1)
{% endtest %}
