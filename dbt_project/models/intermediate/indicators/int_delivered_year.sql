{#
    What deliveries hold of a year of care: what tells a person without care from a year that is not
    there.
    Rule: care of a year comes in the flux months from February of the year to the January after
    (its own flux), stragglers later. A year of which only stragglers came is not delivered. Care is
    known to the end of the last flux month that brought some, stays to the last discharge. A table
    that brought nothing all year (biology, procedures, classes of drugs) is not delivered: nobody
    had none.
    Source: docs/decisions/0009 for the two calendars. Anchor: year of care. Grain: one row a year
    of which something is there.
#}
{{ config(
    materialized='yearly',
    unique_key=['year'],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

with claim as (
    select
        min(known_at) as first_flux_month,
        max(known_at) as last_flux_month,
        max(case when event_type = 'biology' then 1 else 0 end) as biology,
        max(case when event_type = 'procedure' then 1 else 0 end) as procedures
    from {{ ref('care_event') }}
    where year = {{ openchronic.build_year() }} and care_date is not null
),

drug as (
    select count(*) as lines
    from (
        select atc_class
        from {{ ref('drug_dispensing') }}
        where year = {{ openchronic.build_year() }} and atc_class is not null
        limit 1
    ) as classed
),

stay as (
    select
        max(case when field = 'mco' and not is_other_year and not is_generated then discharge_date end)
            as last_discharge_date,
        coalesce(max(case when field = 'ssr' then 1 else 0 end), 0) = 1 as has_rehabilitation
    from {{ ref('hospital_stay') }}
    where year = {{ openchronic.build_year() }}
),

final as (
    select
        cast({{ openchronic.build_year() }} as integer) as year,
        claim.first_flux_month,
        last_day(claim.last_flux_month) as claims_to,
        coalesce(
            claim.first_flux_month <= make_date({{ openchronic.build_year() }} + 1, 1, 31), false
        ) as has_claims,
        coalesce(
            claim.first_flux_month <= make_date({{ openchronic.build_year() }} + 1, 1, 31)
            and last_day(claim.last_flux_month) >= {{ openchronic.year_end() }},
            false
        ) as has_claims_to_end,
        coalesce(claim.biology = 1, false) as has_biology,
        coalesce(claim.procedures = 1, false) as has_procedures,
        drug.lines > 0 as has_drug_classes,
        stay.last_discharge_date as stays_to,
        stay.last_discharge_date is not null as has_stays,
        stay.has_rehabilitation
    from claim
    cross join drug
    cross join stay
    where
        claim.first_flux_month is not null
        or stay.last_discharge_date is not null
        or stay.has_rehabilitation
)

select * from final
