{#
    Fails when, in a year that this build writes, what is attributed to diseases, to none and to
    nobody is not, to the cent, what `cost` reimburses, for each version, item and scope.
#}
{% test spend_adds_up(model) %}
with attributed as (
    select year, carto_version, item, valuation_scope, sum(spend_attributed_reimbursed) as amount
    from {{ model }}
    group by year, carto_version, item, valuation_scope
),

whole as (
    select
        cost.year,
        version.carto_version,
        cost.item,
        cost.valuation_scope,
        sum(cost.reimbursed + coalesce(cost.complement, 0)) as amount
    from {{ ref('cost') }} as cost
    cross join (
        select distinct carto_version from {{ ref('ref_pathology') }} where is_published
    ) as version
    group by cost.year, version.carto_version, cost.item, cost.valuation_scope
)

select coalesce(attributed.year, whole.year) as year_of_row
from attributed
full outer join whole
    on attributed.year = whole.year
    and attributed.carto_version = whole.carto_version
    and attributed.item = whole.item
    and attributed.valuation_scope = whole.valuation_scope
where
    coalesce(attributed.year, whole.year) in ({{ openchronic.years_written(model) }})
    and (attributed.amount is null or whole.amount is null or attributed.amount <> whole.amount)
{% endtest %}
