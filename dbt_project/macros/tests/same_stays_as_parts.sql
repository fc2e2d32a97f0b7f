{#
    Fails when, in a year that this build writes, the stays of a field are not as many as the
    distinct stays of its raw parts (weeks, sub-sequences, sequences).
#}
{% test same_stays_as_parts(model, field, source_table, finess, number) %}
with raw_stays as (
    select year_of_row, count(*) as n
    from (
        select distinct _table_year as year_of_row, {{ finess }} as finess, {{ number }} as stay_number
        from {{ source('snds', source_table) }}
    ) as listed
    group by year_of_row
),

stays as (
    select year as year_of_row, count(*) as n
    from {{ model }}
    where field = '{{ field }}'
    group by year
)

select coalesce(raw_stays.year_of_row, stays.year_of_row) as year_of_row
from raw_stays
full outer join stays on raw_stays.year_of_row = stays.year_of_row
where
    coalesce(raw_stays.n, 0) <> coalesce(stays.n, 0)
    and coalesce(raw_stays.year_of_row, stays.year_of_row) in ({{ openchronic.years_written(model) }})
{% endtest %}
