{#
    Lines of Open DAMIR with their months decoded and their euros in their place.
    Rule: raw measures only. Spend, base and reimbursed count where the type of reimbursement is 0
    or 1; other types repeat the act, and what they reimburse is a supplement. Month 0 or year 0 are
    placeholders, NULL here. The year is that of care, else the flux year (February to January).
    Source: domain decision 10. Grain: one row of OPEN_DAMIR.
#}
{{ config(materialized='view') }}

with decoded as (
    select
        *,
        cast(floor(flux_month_number / 100) as integer) as flux_calendar_year,
        cast(flux_month_number % 100 as integer) as flux_calendar_month,
        case when care_year_number > 1600 then care_year_number end as care_year,
        case when care_month_number between 1 and 12 then care_month_number end as care_month_known
    from {{ ref('stg_damir__open') }}
),

flagged as (
    select
        *,
        cast(coalesce(
            care_year,
            flux_calendar_year - case when flux_calendar_month = 1 then 1 else 0 end,
            0
        ) as integer) as year,
        {{ openchronic.rule_flag('OPEN_DAMIR', 'supplement') }},
        {{ openchronic.rule_flag('OPEN_DAMIR', 'unknown_care_month') }}
    from decoded
),

final as (
    select
        year,
        case
            when flux_calendar_month between 1 and 12
                then make_date(flux_calendar_year, flux_calendar_month, 1)
        end as flux_month,
        case
            when care_year is not null and care_month_known is not null
                then make_date(cast(care_year as integer), cast(care_month_known as integer), 1)
        end as care_month,
        nullif(residence_region, 99) as region,
        nullif(age_code, 99) as age_code,
        case when sex_code in (1, 2) then sex_code end as sex_code,
        exemption_code,
        prestation_code,
        insurance_nature,
        reimbursement_type,
        performer_specialty,
        performer_activity,
        performer_region,
        public_private_sector,
        paid_amount,
        case when not is_supplement then paid_amount end as spend_amount,
        case when not is_supplement then base_amount end as counted_base_amount,
        case when not is_supplement then reimbursed_amount end as basic_reimbursed_amount,
        case when is_supplement then reimbursed_amount end as supplement_amount,
        case when not is_supplement then overrun_amount end as counted_overrun_amount,
        case when not is_supplement then act_count end as counted_act_count,
        case when not is_supplement then quantity end as counted_quantity,
        filtered_paid_amount,
        filtered_reimbursed_amount,
        filtered_act_count,
        is_supplement,
        is_care_month_unknown,
        {{ openchronic.is_used('OPEN_DAMIR', 'spending') }}
    from flagged
)

select * from final
