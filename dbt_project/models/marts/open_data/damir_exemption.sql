{#
    Co-payment by exemption regime in Open DAMIR: who is left with what, month by month.
    Rule: raw measures (domain decision 10), so patient = spend - reimbursed - supplements and
    co-payment = base - reimbursed. Regime from EXO_MTF: `ald_related` (42, 44, 46), `ald_unrelated`
    (41, 43, 45), `maternity` (55), `none` (0, 47, missing), `other`, `unknown`. Nature family: the
    item of ref_cost_item by the rules of `cost`; Open DAMIR does not tell the kind of establishment,
    so private rehabilitation and psychiatry stay with the other private stays. A line that repeats
    an act is a supplement and follows its own codes. The year is that of care, else of flux;
    `follow_up_months`: months of flux received after the month of care, the last of the care year
    being the newest line of it. Rates are NULL where their base is not positive.
    Source: indicators 3.6 Q1, domain decisions 5 and 10.
    Grain: one row a month of care, region, regime, nature family, age and sex.
#}
{{ config(
    materialized='yearly',
    unique_key=['care_month', 'region', 'exemption', 'item', 'age_code', 'sex_code'],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': false}
) }}

{%- set codes = [
    'prestation_code', 'performer_specialty', 'performer_activity', 'public_private_sector',
] -%}
{%- set cell = ['care_month', 'region', 'exemption', 'item', 'age_code', 'sex_code'] -%}

with line as (
    select *
    from {{ ref('int_damir_line') }}
    where year = {{ openchronic.build_year() }}
),

combination as (
    select distinct {{ codes | join(', ') }} from line
),

grouped as (
    select
        *,
        {{ openchronic.performer_group('performer_specialty', 'performer_activity') }} as performer,
        {{ openchronic.establishment_sector('public_private_sector') }} as sector
    from combination
),

ranked as (
    select
        {%- for code in codes %}
        grouped.{{ code }},
        {%- endfor %}
        rule.item,
        row_number() over (
            partition by
                {%- for code in codes %}
                grouped.{{ code }}{{ ',' if not loop.last }}
                {%- endfor %}
            order by rule.priority asc, rule.rule_id asc
        ) as place
    from grouped
    inner join {{ ref('ref_cost_item_rule') }} as rule
        on coalesce(grouped.prestation_code, 0) between rule.first_prestation and rule.last_prestation
        and (rule.performer is null or rule.performer = grouped.performer)
        and (rule.establishment is null or rule.establishment = grouped.sector)
),

last_flux as (
    select max(flux_month) as flux_month from line
),

told as (
    select
        line.care_month,
        line.region,
        case
            when line.exemption_code = 55 then 'maternity'
            else {{ openchronic.exemption_group('line.exemption_code') }}
        end as exemption,
        coalesce(ranked.item, 'other_city') as item,
        line.age_code,
        line.sex_code,
        (year(last_flux.flux_month) - year(line.care_month)) * 12
        + month(last_flux.flux_month) - month(line.care_month) as follow_up_months,
        line.spend_amount,
        line.counted_base_amount,
        line.basic_reimbursed_amount,
        line.supplement_amount,
        line.counted_overrun_amount,
        line.counted_act_count,
        line.counted_quantity
    from line
    cross join last_flux
    left join ranked
        on ranked.place = 1
        {%- for code in codes %}
        and line.{{ code }} is not distinct from ranked.{{ code }}
        {%- endfor %}
),

summed as (
    select
        {{ cell | join(', ') }},
        follow_up_months,
        count(*) as line_count,
        sum(coalesce(spend_amount, 0)) as spend,
        sum(coalesce(counted_base_amount, 0)) as base,
        sum(coalesce(basic_reimbursed_amount, 0)) as reimbursed,
        sum(coalesce(supplement_amount, 0)) as supplement,
        sum(coalesce(counted_overrun_amount, 0)) as overrun,
        sum(coalesce(counted_act_count, 0)) as acts,
        sum(coalesce(counted_quantity, 0)) as quantity
    from told
    group by {{ cell | join(', ') }}, follow_up_months
),

final as (
    select
        cast({{ openchronic.build_year() }} as integer) as year,
        {{ cell | join(', ') }},
        cast(follow_up_months as integer) as follow_up_months,
        cast(line_count as bigint) as line_count,
        cast(spend as decimal(18, 2)) as spend_amount,
        cast(base as decimal(18, 2)) as base_amount,
        cast(reimbursed as decimal(18, 2)) as reimbursed_amount,
        cast(supplement as decimal(18, 2)) as supplement_amount,
        cast(spend - reimbursed - supplement as decimal(18, 2)) as patient_amount,
        cast(base - reimbursed as decimal(18, 2)) as copayment_amount,
        cast(overrun as decimal(18, 2)) as overrun_amount,
        cast(acts as decimal(18, 2)) as act_count,
        cast(quantity as decimal(18, 2)) as quantity,
        {{ openchronic.rate_of('(reimbursed + supplement)', 'spend') }} as coverage_rate,
        {{ openchronic.rate_of('reimbursed', 'base') }} as statutory_rate
    from summed
)

select * from final
