{#
    Everything that happened to a person in a year, one row an event: care that counts as care
    (visits, drugs, procedures, biology, devices, transport…), hospital stays, emergency visits,
    start and end of long-term conditions, death.
    Rule: claims are told by what they were (the performer and the nature, as the spend items tell);
    a claim that has details is told by its details and not again. Only what the quality rules keep
    for people (docs/quality-rules.md): care_event and hospital_stay hold the rest. An event is known
    from `known_at`: the flux month of claims, the insertion of an ALD; stays and visits of the PMSI
    and deaths are known from the end of January after their year, when the annual tables come [A].
    Euros are those of claims; public stays carry theirs in `cost`. Ties of a day: `day_rank`, then
    the identifier. Source: indicators 5.1. Anchor: start of the event. Grain: one row an event.
#}
{{ config(
    materialized='yearly',
    unique_key=['person_id', 'start_date', 'day_rank', 'event_id'],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

{%- set string = dbt.type_string() -%}
{%- set no_euros -%}
        cast(null as decimal(18, 2)) as spent,
        cast(null as decimal(18, 2)) as reimbursed,
        cast(null as {{ string }}) as exemption,
{%- endset %}

with detailed as (
    select distinct claim_id
    from {{ ref('care_event') }}
    where
        year = {{ openchronic.build_year() }}
        and event_type <> 'claim'
        and is_used_for_care
        and person_id is not null
),

care as (
    select
        event.event_id,
        case
            when event.event_type <> 'claim' then event.event_type
            when event.performer = 'gp' then 'visit_gp'
            when event.performer = 'specialist' then 'visit_specialist'
            when event.performer = 'dentist' then 'visit_dentist'
            when event.performer = 'midwife' then 'visit_midwife'
            when event.performer = 'nurse' then 'visit_nurse'
            when event.performer = 'physiotherapist' then 'visit_physiotherapist'
            when event.performer = 'paramedical' then 'visit_other_paramedical'
            when event.prestation_code between 3500 and 3599 then 'device'
            when event.prestation_code between 4203 and 4229 then 'transport'
            when event.prestation_code between 6011 and 6264 then 'daily_allowance'
            else 'other_care'
        end as event_type,
        coalesce(event.code_system, 'prestation') as code_system,
        coalesce(event.code, cast(event.prestation_code as {{ string }})) as code,
        event.person_id,
        event.care_date as start_date,
        case when event.care_end_date > event.care_date then event.care_end_date end as end_date,
        event.performer_id as provider_id,
        event.performing_finess as finess,
        event.paid_amount as spent,
        cast(event.reimbursed_amount + event.complement_reimbursed_amount as decimal(18, 2))
            as reimbursed,
        {{ openchronic.exemption_group('event.exemption_code') }} as exemption,
        event.known_at,
        'care_event' as source
    from (
        select
            *,
            {{ openchronic.performer_group('performer_specialty', 'performer_activity') }}
                as performer
        from {{ ref('care_event') }}
        where
            year = {{ openchronic.build_year() }}
            and is_used_for_care
            and is_used_for_persons
            and person_id is not null
            and care_date is not null
    ) as event
    left join detailed on event.claim_id = detailed.claim_id
    where event.event_type <> 'claim' or detailed.claim_id is null
),

stay as (
    select
        stay_id as event_id,
        concat(field, '_stay') as event_type,
        'ghm' as code_system,
        group_code as code,
        person_id,
        entry_date as start_date,
        discharge_date as end_date,
        cast(null as {{ string }}) as provider_id,
        finess,
        {{ no_euros }}
        make_date({{ openchronic.build_year() }} + 1, 1, 31) as known_at,
        'hospital_stay' as source
    from {{ ref('hospital_stay') }}
    where
        year = {{ openchronic.build_year() }}
        and is_used_for_persons
        and person_id is not null
        and entry_date is not null
),

emergency as (
    select
        visit_id as event_id,
        'emergency_visit' as event_type,
        'emergency' as code_system,
        code,
        person_id,
        visit_date as start_date,
        cast(null as date) as end_date,
        cast(null as {{ string }}) as provider_id,
        finess,
        {{ no_euros }}
        make_date({{ openchronic.build_year() }} + 1, 1, 31) as known_at,
        'emergency_visit' as source
    from {{ ref('emergency_visit') }}
    where
        year = {{ openchronic.build_year() }}
        and is_counted
        and is_used_for_persons
        and person_id is not null
        and visit_date is not null
),

condition as (
    select
        concat_ws('-', edge.event_type, cast(ald_num as {{ string }}), cast(start_date as {{ string }}))
            as event_id,
        edge.event_type,
        'ald' as code_system,
        cast(ald_num as {{ string }}) as code,
        person_id,
        case edge.event_type when 'ald_start' then start_date else end_date end as start_date,
        cast(null as date) as end_date,
        cast(null as {{ string }}) as provider_id,
        cast(null as {{ string }}) as finess,
        {{ no_euros }}
        known_since as known_at,
        'ald_episode' as source
    from {{ ref('ald_episode') }}
    cross join (
        select 'ald_start' as event_type union all select 'ald_end' as event_type
    ) as edge
    where
        (
            edge.event_type = 'ald_start'
            and year(start_date) = {{ openchronic.build_year() }}
        )
        or (
            edge.event_type = 'ald_end'
            and not is_open
            and year(end_date) = {{ openchronic.build_year() }}
        )
),

death as (
    select
        'death' as event_id,
        'death' as event_type,
        cast(null as {{ string }}) as code_system,
        cast(null as {{ string }}) as code,
        person_id,
        death_date as start_date,
        cast(null as date) as end_date,
        cast(null as {{ string }}) as provider_id,
        cast(null as {{ string }}) as finess,
        {{ no_euros }}
        make_date({{ openchronic.build_year() }} + 1, 1, 31) as known_at,
        'death' as source
    from {{ ref('int_death') }}
    where year(death_date) = {{ openchronic.build_year() }}
),

every_event as (
    select * from care
    union all
    select * from stay
    union all
    select * from emergency
    union all
    select * from condition
    union all
    select * from death
),

final as (
    select
        person_id,
        cast({{ openchronic.build_year() }} as integer) as year,
        start_date,
        end_date,
        cast(
            case
                when event_type = 'ald_start' then 1
                when event_type like 'visit%' then 2
                when event_type = 'emergency_visit' then 4
                when event_type like '%stay' then 5
                when event_type = 'ald_end' then 8
                when event_type = 'death' then 9
                else 3
            end as integer
        ) as day_rank,
        event_id,
        event_type,
        code_system,
        code,
        provider_id,
        finess,
        spent,
        reimbursed,
        exemption,
        known_at,
        source
    from every_event
)

select * from final
