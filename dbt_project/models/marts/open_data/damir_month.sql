{#
    Reimbursements of Open DAMIR by month of care, region, exemption, nature, age and sex.
    Rule: patient share = spend - reimbursed - supplements, from raw measures; supplements are kept
    by type of reimbursement (the documentation leaves doubt on which complements repeat an act).
    What the producer filtered (FLT_*) is beside, as a cross-check: `spend_gap`. Placeholders are
    NULL. Source: domain decision 10. Anchor: year of care. Grain: one row a combination.
#}
{{ config(
    materialized='yearly',
    unique_key=[
        'care_month', 'flux_month', 'region', 'exemption_code', 'prestation_code',
        'insurance_nature', 'reimbursement_type', 'age_code', 'sex_code',
    ],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': false}
) }}

{%- set cell -%}
    care_month, flux_month, region, exemption_code, prestation_code, insurance_nature,
        reimbursement_type, age_code, sex_code
{%- endset %}

with final as (
    select
        cast({{ openchronic.build_year() }} as integer) as year,
        {{ cell }},
        cast(count(*) as bigint) as line_count,
        cast(sum(spend_amount) as decimal(18, 2)) as spend_amount,
        cast(sum(counted_base_amount) as decimal(18, 2)) as base_amount,
        cast(sum(basic_reimbursed_amount) as decimal(18, 2)) as reimbursed_amount,
        cast(sum(supplement_amount) as decimal(18, 2)) as supplement_amount,
        cast(
            coalesce(sum(spend_amount), 0) - coalesce(sum(basic_reimbursed_amount), 0)
            - coalesce(sum(supplement_amount), 0) as decimal(18, 2)
        ) as patient_amount,
        cast(sum(counted_overrun_amount) as decimal(18, 2)) as overrun_amount,
        cast(sum(counted_act_count) as decimal(18, 2)) as act_count,
        cast(sum(counted_quantity) as decimal(18, 2)) as quantity,
        cast(
            coalesce(sum(spend_amount), 0) - coalesce(sum(filtered_paid_amount), 0)
            as decimal(18, 2)
        ) as spend_gap
    from {{ ref('int_damir_line') }}
    where year = {{ openchronic.build_year() }}
    group by {{ cell }}
)

select * from final
