{#
    What deliveries hold of a year of care: what tells a person without care from a year that is not
    there.
    Rule: care of a year comes in the flux months from February of the year to the January after
    (its own flux), stragglers later. A year of which only stragglers came is not delivered. Care is
    known to the end of the last flux month that brought some, stays to the last discharge.
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
        max(known_at) as last_flux_month
    from {{ ref('care_event') }}
    where year = {{ openchronic.build_year() }} and care_date is not null
),

stay as (
    select max(discharge_date) as last_discharge_date
    from {{ ref('hospital_stay') }}
    where
        year = {{ openchronic.build_year() }}
        and field = 'mco'
        and not is_other_year
        and not is_generated
),

final as (
    select
        cast({{ openchronic.build_year() }} as integer) as year,
        claim.first_flux_month,
        last_day(claim.last_flux_month) as claims_to,
        coalesce(
            claim.first_flux_month <= make_date({{ openchronic.build_year() }} + 1, 1, 31), false
        ) as has_claims,
        coalesce(last_day(claim.last_flux_month) >= {{ openchronic.year_end() }}, false)
            as has_claims_to_end,
        stay.last_discharge_date as stays_to,
        stay.last_discharge_date is not null as has_stays
    from claim
    cross join stay
    where claim.first_flux_month is not null or stay.last_discharge_date is not null
)

select * from final
