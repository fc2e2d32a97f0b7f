{#
    Use of the emergency room: visits and their users among the consumers of the year; visits that no
    admission follows, those that were not severe, those before which no general practitioner was
    seen.
    Rule: visits counted of emergency_visit, of a person on a day. Severity is told by what was billed
    beside the fee (list acute_emergency, dated): in clinics of 2018 to 2021, consultations for CCMU 3
    to 5 [A]; in public hospitals since 2022, the supplement SU3 of visits of another fee than ATU.
    Elsewhere it is not told. A general practitioner was seen before if a contact is from 7 days
    before to the day itself; visits too near the first day of the data are left out.
    Source: indicators 4.9; arrêté of 27 December 2021 (fees and supplements of 2022).
    Anchor: day of the visit. Grain: one row a person and measure, or a visit and measure.
#}
{{ config(
    materialized='yearly',
    unique_key=['person_id', 'measure', 'condition', 'unit_id'],
    meta={'kind': 'yearly', 'look_back': 1, 'look_ahead': 0, 'reads_referentials': true}
) }}

with person as (
    select person_id, is_consumer
    from {{ ref('person_year') }}
    where year = {{ openchronic.build_year() }}
),

visit as (
    select
        visit.person_id,
        visit.visit_id,
        visit.visit_date,
        visit.source,
        visit.finess,
        visit.code,
        visit.is_admitted,
        person.is_consumer
    from {{ ref('emergency_visit') }} as visit
    inner join person on visit.person_id = person.person_id
    where
        visit.year = {{ openchronic.build_year() }}
        and visit.is_counted
        and visit.is_used_for_persons
        and visit.visit_date is not null
),

severity_code as (
    select code_system, code
    from {{ ref('ref_contact_code') }}
    where
        list_name = 'acute_emergency'
        and {{ openchronic.build_year() }}
        between coalesce(first_year, 0) and coalesce(last_year, 9999)
),

-- Years in which each source bills what tells the severity.
told as (
    select
        max(case when code_system = 'PRS_NAT_REF' then 1 else 0 end) as by_claims,
        max(case when code_system = 'ACT_COD' then 1 else 0 end) as by_acts
    from severity_code
),

severe_day as (
    select distinct event.person_id, event.care_date
    from {{ ref('care_event') }} as event
    inner join severity_code
        on severity_code.code_system = 'PRS_NAT_REF'
        and event.prestation_code = cast(severity_code.code as bigint)
    where
        event.year = {{ openchronic.build_year() }}
        and event.event_type = 'claim'
        and event.is_used_for_care
        and event.person_id is not null
),

severe_act as (
    select distinct
        concat_ws(
            '-', 'outpatient', cast({{ openchronic.build_year() }} as {{ dbt.type_string() }}), act.finess,
            act.sequence_number
        ) as visit_id
    from (
        {%- for model in ('stg_mco__fbstc', 'stg_mco__fcstc') %}
        select finess, sequence_number, upper(trim(act_code)) as act_code
        from {{ ref(model) }}
        where table_year = {{ openchronic.build_year() }}
        {{- '\n        union all' if not loop.last }}
        {%- endfor %}
    ) as act
    inner join severity_code
        on severity_code.code_system = 'ACT_COD' and act.act_code = severity_code.code
),

gp_contact as (
    select person_id, contact_date
    from {{ ref('int_doctor_contact') }}
    where
        year between {{ openchronic.build_year(-1) }} and {{ openchronic.build_year() }}
        and is_general_practitioner
),

data_start as (
    select min(contact_date) as first_day from gp_contact
),

seen_before as (
    select distinct visit.visit_id
    from visit
    inner join gp_contact
        on visit.person_id = gp_contact.person_id
        and gp_contact.contact_date <= visit.visit_date
        and gp_contact.contact_date >= {{ openchronic.add_days('visit.visit_date', '-7') }}
),

measured as (
    select
        person_id,
        'ed_visit_rate' as measure,
        '' as unit_id,
        cast(null as {{ dbt.type_string() }}) as finess,
        count(*) as num,
        cast(null as bigint) as den,
        cast(null as {{ dbt.type_string() }}) as excl_code
    from visit
    where is_consumer
    group by person_id

    union all

    select distinct
        person_id,
        'ed_user' as measure,
        '' as unit_id,
        cast(null as {{ dbt.type_string() }}) as finess,
        1 as num,
        cast(null as bigint) as den,
        cast(null as {{ dbt.type_string() }}) as excl_code
    from visit
    where is_consumer

    union all

    select
        person_id,
        'ed_not_admitted' as measure,
        visit_id as unit_id,
        finess,
        case when is_admitted then 0 else 1 end as num,
        1 as den,
        cast(null as {{ dbt.type_string() }}) as excl_code
    from visit

    union all

    select
        visit.person_id,
        'ed_low_acuity' as measure,
        visit.visit_id as unit_id,
        visit.finess,
        case
            when visit.source = 'claim' and severe_day.person_id is not null then 0
            when visit.source = 'outpatient' and severe_act.visit_id is not null then 0
            else 1
        end as num,
        1 as den,
        case
            when visit.source = 'claim' and told.by_claims = 1 then null
            when visit.source = 'outpatient' and told.by_acts = 1 and visit.code <> 'ATU' then null
            else 'severity_not_told'
        end as excl_code
    from visit
    cross join told
    left join severe_day
        on visit.person_id = severe_day.person_id and visit.visit_date = severe_day.care_date
    left join severe_act on visit.visit_id = severe_act.visit_id
    where not visit.is_admitted

    union all

    select
        visit.person_id,
        'ed_without_gp' as measure,
        visit.visit_id as unit_id,
        visit.finess,
        case when seen_before.visit_id is null then 1 else 0 end as num,
        1 as den,
        case
            when
                data_start.first_day is null
                or {{ openchronic.add_days('visit.visit_date', '-7') }} < data_start.first_day
                then 'no_look_back'
        end as excl_code
    from visit
    cross join data_start
    left join seen_before on visit.visit_id = seen_before.visit_id
),

final as (
    select
        person_id,
        cast({{ openchronic.build_year() }} as integer) as year,
        measure,
        'all' as condition,
        unit_id,
        finess,
        cast(case when excl_code is null then num else 0 end as double) as num,
        cast(case when excl_code is null then den else 0 end as double) as den,
        excl_code
    from measured
)

select * from final
