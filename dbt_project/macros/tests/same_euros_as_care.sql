{#
    Fails when, in a year that this build writes, the euros of a scope are not, to the cent, those of
    the care, stays and visits that spending uses: no join may multiply or lose one.
#}
{% test same_euros_as_care(model) %}
with care as (
    select
        year as year_of_row,
        'DCIR' as valuation_scope,
        count(*) as line_count,
        sum(coalesce(paid_amount, 0)) as spent,
        sum(coalesce(base_amount, 0) + coalesce(complement_base_amount, 0)) as base,
        sum(coalesce(reimbursed_amount, 0)) as reimbursed,
        sum(coalesce(complement_reimbursed_amount, 0)) as complement
    from {{ ref('care_event') }}
    where event_type = 'claim' and is_used_for_spending
    group by year

    union all

    select
        year as year_of_row,
        valuation_method as valuation_scope,
        count(*) as line_count,
        0 as spent,
        0 as base,
        sum(coalesce(total_amount, daily_tariff_amount, 0)) as reimbursed,
        0 as complement
    from {{ ref('hospital_stay') }}
    where
        valuation_method in ('VALO', 'TJP')
        and case when field = 'mco' then is_used_for_spending else is_used_for_stays end
    group by year, valuation_method

    union all

    select
        year as year_of_row,
        'VALOACE' as valuation_scope,
        count(*) as line_count,
        0 as spent,
        sum(coalesce(base_amount, 0)) as base,
        sum(coalesce(reimbursed_amount, 0)) as reimbursed,
        0 as complement
    from {{ ref('int_outpatient_visit') }}
    where is_used_for_spending
    group by year
),

cost as (
    select
        year as year_of_row,
        valuation_scope,
        sum(line_count) as line_count,
        sum(coalesce(spent, 0)) as spent,
        sum(coalesce(base, 0)) as base,
        sum(reimbursed) as reimbursed,
        sum(coalesce(complement, 0)) as complement
    from {{ model }}
    group by year, valuation_scope
)

select coalesce(care.year_of_row, cost.year_of_row) as year_of_row
from care
full outer join cost
    on care.year_of_row = cost.year_of_row and care.valuation_scope = cost.valuation_scope
where
    coalesce(care.year_of_row, cost.year_of_row) in ({{ openchronic.years_written(model) }})
    and (
        care.year_of_row is null
        or cost.year_of_row is null
        or care.line_count <> cost.line_count
        or care.spent <> cost.spent
        or care.base <> cost.base
        or care.reimbursed <> cost.reimbursed
        or care.complement <> cost.complement
    )
{% endtest %}
