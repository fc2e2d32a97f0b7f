{#
    On-call care in town (permanence des soins): care by a doctor at night, on Saturday afternoon, on
    Sunday or a holiday, as its surcharges tell.
    Rule: a person, a day and a doctor with a surcharge of the lists on_call_regulated (the call went
    through the regulation of the SAMU) or on_call_unregulated, not taken back. Lines for information
    and those of public hospitals are not counted; surcharges are supplements, which care leaves out
    elsewhere. Day-time surcharges of urgency (MUT, MCU, MRT) are not on-call care.
    Source: nomenclature IR_NAT_V; which natures count is ours [A]. Anchor: care date.
    Grain: one row a person and measure.
#}
{{ config(
    materialized='yearly',
    unique_key=['person_id', 'measure', 'condition', 'unit_id'],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

with surcharge as (
    select
        cast(code as bigint) as code,
        max(case when list_name = 'on_call_regulated' then 1 else 0 end) as is_regulated,
        max(case when list_name = 'on_call_deep_night' then 1 else 0 end) as is_deep_night
    from {{ ref('ref_contact_code') }}
    where list_name in ('on_call_regulated', 'on_call_unregulated', 'on_call_deep_night')
    group by code
),

act as (
    select
        event.person_id,
        max(surcharge.is_regulated) as is_regulated,
        max(surcharge.is_deep_night) as is_deep_night
    from {{ ref('care_event') }} as event
    inner join surcharge on event.prestation_code = surcharge.code
    where
        event.year = {{ openchronic.build_year() }}
        and event.event_type = 'claim'
        and event.person_id is not null
        and event.care_date is not null
        and event.net_quantity > 0
        and event.is_used_for_persons
        and not event.is_information_line
        and not event.is_public_t2a
    group by event.person_id, event.care_date, event.performer_id
),

by_person as (
    select
        act.person_id,
        count(*) as acts,
        sum(act.is_regulated) as regulated,
        sum(act.is_deep_night) as deep_night
    from act
    inner join {{ ref('person_year') }} as person on act.person_id = person.person_id
    where person.year = {{ openchronic.build_year() }} and person.is_consumer
    group by act.person_id
),

measured as (
    select person_id, 'on_call_rate' as measure, acts as num, cast(null as bigint) as den from by_person
    union all
    select person_id, 'on_call_user' as measure, 1 as num, cast(null as bigint) as den from by_person
    union all
    select person_id, 'on_call_regulated_share' as measure, regulated as num, acts as den from by_person
    union all
    select person_id, 'on_call_deep_night_share' as measure, deep_night as num, acts as den
    from by_person
),

final as (
    select
        person_id,
        cast({{ openchronic.build_year() }} as integer) as year,
        measure,
        'all' as condition,
        '' as unit_id,
        cast(null as {{ dbt.type_string() }}) as finess,
        cast(num as double) as num,
        cast(den as double) as den,
        cast(null as {{ dbt.type_string() }}) as excl_code
    from measured
)

select * from final
