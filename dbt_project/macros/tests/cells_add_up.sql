{#
    Fails when the cells of a year, for any number and definition, do not add up to its consumers:
    each person is in one cell, whatever is not known of them.
#}
{% test cells_add_up(model) %}
with cells as (
    select year, definition, ald_num, sum(denominator) as n
    from {{ model }}
    group by year, definition, ald_num
),

consumers as (
    select year, count(*) as n from {{ ref('int_consumer') }} group by year
)

select cells.year, cells.definition, cells.ald_num
from consumers
left join cells on consumers.year = cells.year
where cells.n is null or cells.n <> consumers.n
{% endtest %}
