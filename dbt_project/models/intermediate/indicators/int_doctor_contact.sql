{#
    Contacts with doctors in town: a person, a day, a doctor.
    Rule: a claim used for care, of a consultation, a home visit or a teleconsultation by a general
    practitioner or another specialist (lists of ref_contact_code); lines of the same doctor and day
    are one contact, a teleconsultation where all of them are. Technical acts alone, imaging,
    laboratories and consultations at public hospitals (which name no doctor) are no contacts. A
    missing performer is one contact a day, of an unknown doctor.
    Source: SNDS nomenclatures IR_NAT_V and IR_SPE_V; which natures count is ours [A].
    Anchor: care date. Grain: one row a person, day and doctor.
#}
{{ config(
    materialized='yearly',
    unique_key=['person_id', 'contact_date', 'doctor_id'],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

with nature as (
    select cast(code as bigint) as code, list_name
    from {{ ref('ref_contact_code') }}
    where list_name in ('consultation', 'home_visit', 'teleconsultation')
),

specialty as (
    select cast(code as bigint) as code, list_name
    from {{ ref('ref_contact_code') }}
    where list_name in ('general_practitioner', 'specialist')
),

final as (
    select
        event.person_id,
        cast({{ openchronic.build_year() }} as integer) as year,
        event.care_date as contact_date,
        event.performer_id as doctor_id,
        bool_or(specialty.list_name = 'general_practitioner') as is_general_practitioner,
        bool_and(nature.list_name = 'teleconsultation') as is_teleconsultation,
        bool_or(event.treating_doctor_id is not null) as names_treating_doctor
    from {{ ref('care_event') }} as event
    inner join nature on event.prestation_code = nature.code
    inner join specialty on event.performer_specialty = specialty.code
    where
        event.year = {{ openchronic.build_year() }}
        and event.event_type = 'claim'
        and event.is_used_for_care
        and event.is_used_for_persons
        and event.person_id is not null
        and event.care_date is not null
    group by event.person_id, event.care_date, event.performer_id
)

select * from final
