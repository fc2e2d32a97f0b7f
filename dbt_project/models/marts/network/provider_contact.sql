{#
    Whom each person met in the year: the pairs of a person and a provider from which networks of
    providers are made.
    Rule: doctors of int_doctor_contact who are known, a visit for each day; hospitals (FINESS) of
    acute stays that count as stays and for persons, sessions left out, a visit for each stay. Who
    met many providers is kept: the cap on them belongs to the analysis (docs/network.md).
    Source: indicators of provider networks. Anchor: contact date, discharge.
    Grain: one row a person and provider.
#}
{{ config(
    materialized='yearly',
    unique_key=['person_id', 'provider_type', 'provider_id'],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

with doctor as (
    select
        person_id,
        'doctor' as provider_type,
        doctor_id as provider_id,
        bool_or(is_general_practitioner) as is_general_practitioner,
        count(*) as visits,
        min(contact_date) as first_date,
        max(contact_date) as last_date
    from {{ ref('int_doctor_contact') }}
    where year = {{ openchronic.build_year() }} and doctor_id is not null
    group by person_id, doctor_id
),

hospital as (
    select
        person_id,
        'hospital' as provider_type,
        finess as provider_id,
        cast(null as boolean) as is_general_practitioner,
        count(*) as visits,
        min(entry_date) as first_date,
        max(entry_date) as last_date
    from {{ ref('hospital_stay') }}
    where
        year = {{ openchronic.build_year() }}
        and field = 'mco'
        and is_used_for_stays
        and is_used_for_persons
        and not coalesce(is_session, false)
        and person_id is not null
        and finess is not null
    group by person_id, finess
),

met as (
    select * from doctor
    union all
    select * from hospital
),

final as (
    select
        person_id,
        cast({{ openchronic.build_year() }} as integer) as year,
        provider_type,
        provider_id,
        is_general_practitioner,
        cast(visits as integer) as visit_count,
        first_date,
        last_date
    from met
)

select * from final
