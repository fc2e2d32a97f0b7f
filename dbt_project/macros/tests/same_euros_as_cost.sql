{#
    Fails on each item and scope of a year that this build writes whose euros are not, to the cent,
    those of `cost`.
#}
{% test same_euros_as_cost(model) %}
with cells as (
    select
        year, item, valuation_scope, sum(reimbursed) as reimbursed, sum(out_of_pocket) as out_of_pocket
    from {{ model }}
    group by year, item, valuation_scope
),

whole as (
    select
        year, item, valuation_scope, sum(reimbursed) as reimbursed, sum(out_of_pocket) as out_of_pocket
    from {{ ref('cost') }}
    group by year, item, valuation_scope
)

select coalesce(cells.year, whole.year) as year_of_row
from cells
full outer join whole
    on cells.year = whole.year
    and cells.item = whole.item
    and cells.valuation_scope = whole.valuation_scope
where
    coalesce(cells.year, whole.year) in ({{ openchronic.years_written(model) }})
    and (
        cells.reimbursed is distinct from whole.reimbursed
        or cells.out_of_pocket is distinct from whole.out_of_pocket
    )
{% endtest %}
