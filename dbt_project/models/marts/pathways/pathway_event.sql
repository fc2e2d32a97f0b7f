{#
    What a person meets around the index event of a pathway, from 24 months before to 36 after: the
    event log of pathways.
    Rule: one row a day and activity. Stays of more than a session by field (MCO, PSY, SSR, HAD),
    from entry to discharge; emergency visits (ED); care used for persons: a general practitioner
    (specialties 1, 22, 23), a specialist (any other doctor who sees patients: imaging, biology,
    pathology, dentists and midwives are left out [A]), a nurse (24), a drug in town (PHARM). DEAD is the day of death. The
    index stay is an event of its own case (`is_index`).
    Source: indicators of pathways; nomenclatures IR_SPE_V, IR_ACT_V. Grain: one row a person,
    pathway, day and activity.
#}
{{ config(
    materialized='history',
    unique_key=['person_id', 'pathway', 'start_date', 'activity'],
    meta={'kind': 'history', 'look_back': 'all', 'look_ahead': 'all', 'reads_referentials': true}
) }}

with index_person as (
    select distinct person_id from {{ ref('int_pathway_index') }}
),

care as (
    select
        person_id,
        care_date as start_date,
        care_date as end_date,
        case
            when event_type = 'drug' then 'PHARM'
            when performer_specialty in (1, 22, 23) then 'GP'
            when performer_activity = 24 then 'NURSE'
            when performer_specialty between 2 and 5
                or performer_specialty between 7 and 17
                or performer_specialty between 31 and 35
                or performer_specialty between 41 and 49
                or performer_specialty between 70 and 85 and performer_specialty <> 72
                or performer_specialty = 20 then 'SPE'
        end as activity
    from {{ ref('care_event') }}
    where
        event_type in ('claim', 'drug')
        and is_used_for_care
        and is_used_for_persons
        and care_date is not null
        and person_id in (select index_person.person_id from index_person)
),

stay as (
    select
        person_id,
        entry_date as start_date,
        discharge_date as end_date,
        upper(field) as activity
    from {{ ref('hospital_stay') }}
    where
        entry_date <= discharge_date
        and is_used_for_stays
        and is_used_for_persons
        and person_id in (select index_person.person_id from index_person)
),

emergency as (
    select
        person_id,
        visit_date as start_date,
        visit_date as end_date,
        'ED' as activity
    from {{ ref('emergency_visit') }}
    where
        visit_date is not null
        and is_counted
        and is_used_for_persons
        and person_id in (select index_person.person_id from index_person)
),

death as (
    select distinct
        person_id,
        death_date as start_date,
        death_date as end_date,
        'DEAD' as activity
    from {{ ref('int_pathway_index') }}
    where death_date is not null
),

met as (
    select
        person_id,
        start_date,
        activity,
        max(end_date) as end_date
    from (
        select * from care
        where activity is not null
        union all
        select * from stay
        union all
        select * from emergency
        union all
        select * from death
    ) as listed
    group by person_id, start_date, activity
),

final as (
    select
        met.person_id,
        case_index.pathway,
        case_index.index_date,
        case_index.reference_date,
        case_index.is_incident,
        met.activity,
        met.start_date,
        met.end_date,
        cast({{ openchronic.days_between('case_index.index_date', 'met.start_date') }} as integer)
            as days_since_index,
        cast(
            {{ openchronic.days_between('case_index.reference_date', 'met.start_date') }} as integer
        ) as days_since_reference,
        case_index.index_event_id is not null
            and met.activity = 'MCO'
            and met.start_date = case_index.index_date as is_index
    from met
    inner join {{ ref('int_pathway_index') }} as case_index
        on met.person_id = case_index.person_id
    where
        -- A stay that began before the first month may last into it.
        {{ openchronic.month_number('met.end_date') }}
        - {{ openchronic.month_number('case_index.index_date') }}
        >= -{{ openchronic.pathway_parameter('months_before') }}
        and {{ openchronic.month_number('met.start_date') }}
        - {{ openchronic.month_number('case_index.index_date') }}
        <= {{ openchronic.pathway_parameter('months_after') }}
)

select * from final
