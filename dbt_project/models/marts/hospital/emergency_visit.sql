{#
    Visits to the emergency room, whatever tells of them: outpatient visits of public hospitals with
    an emergency fee (T_MCOaaFBSTC or FCSTC), claims of clinics (DCIR), stays entered through the
    emergency room (origin 5).
    Rule: a fee is one of the dated list of the seed ref_emergency_code. One outpatient visit a
    delivered visit, whatever its lines; one claim visit a person and day (a claim of nobody is a
    visit of its own); one visit a stay. No fee is billed when admission follows, so the three add
    up; where they tell of the same person and day, one counts (`is_counted`): the stay, then the
    outpatient visit, then the claim. Source: SNDS schema; Health Data Hub, fiche actes et consultations
    externes; fee of 2022 [K]. Not here: visits of nobody's claim in public hospitals, which the PMSI
    carries. Anchor: day of the visit, the table's year for the PMSI. Grain: one row a visit and source.
#}
{{ config(
    materialized='yearly',
    unique_key=['person_id', 'visit_id'],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

with fee as (
    select
        fees.finess,
        fees.sequence_number,
        min(fees.days_from_entry) as days_from_entry,
        min(fees.act_code) as code
    from (
        {%- for model in ('stg_mco__fbstc', 'stg_mco__fcstc') %}
        select
            finess,
            sequence_number,
            upper(trim(act_code)) as act_code,
            cast(days_from_entry as integer) as days_from_entry
        from {{ ref(model) }}
        where table_year = {{ openchronic.build_year() }}
        {{- '\n        union all' if not loop.last }}
        {%- endfor %}
    ) as fees
    inner join {{ ref('ref_emergency_code') }} as listed
        on listed.code_system = 'ACT_COD'
        and fees.act_code = listed.code
        and {{ openchronic.build_year() }} between listed.first_year and coalesce(listed.last_year, 9999)
    group by fees.finess, fees.sequence_number
),

outpatient as (
    select
        visit.person_id,
        visit.person_status,
        concat_ws(
            '-', 'outpatient', cast(visit.year as {{ dbt.type_string() }}), visit.finess,
            visit.sequence_number,
            case when visit.copy_number > 1 then cast(visit.copy_number as {{ dbt.type_string() }}) end
        ) as visit_id,
        {{ openchronic.add_days('visit.entry_date', 'coalesce(fee.days_from_entry, 0)') }} as visit_date,
        'outpatient' as source,
        visit.finess,
        fee.code,
        cast(null as {{ dbt.type_string() }}) as stay_id,
        visit.is_used_for_care as is_used,
        visit.is_used_for_persons
    from {{ ref('int_outpatient_visit') }} as visit
    inner join fee on visit.finess = fee.finess and visit.sequence_number = fee.sequence_number
    where visit.year = {{ openchronic.build_year() }}
),

claim_line as (
    select
        event.person_id,
        event.person_status,
        event.event_id,
        event.care_date,
        event.performing_finess as finess,
        listed.code,
        event.is_used_for_persons
    from {{ ref('care_event') }} as event
    inner join {{ ref('ref_emergency_code') }} as listed
        on listed.code_system = 'PRS_NAT'
        and cast(event.prestation_code as {{ dbt.type_string() }}) = listed.code
        and event.year between listed.first_year and coalesce(listed.last_year, 9999)
    where
        event.year = {{ openchronic.build_year() }}
        and event.event_type = 'claim'
        and event.is_used_for_care
),

claim as (
    select
        person_id,
        min(person_status) as person_status,
        concat('claim-', min(event_id)) as visit_id,
        care_date as visit_date,
        'claim' as source,
        min(finess) as finess,
        min(code) as code,
        cast(null as {{ dbt.type_string() }}) as stay_id,
        true as is_used,
        bool_and(is_used_for_persons) as is_used_for_persons
    from claim_line
    group by person_id, care_date, case when person_id is null or care_date is null then event_id end
),

admitted as (
    select
        person_id,
        person_status,
        concat('stay-', stay_id) as visit_id,
        entry_date as visit_date,
        'stay' as source,
        finess,
        cast(null as {{ dbt.type_string() }}) as code,
        stay_id,
        is_used_for_stays as is_used,
        is_used_for_persons
    from {{ ref('hospital_stay') }}
    where year = {{ openchronic.build_year() }} and field = 'mco' and is_through_emergency
),

listed as (
    select * from outpatient
    union all
    select * from claim
    union all
    select * from admitted
),

ranked as (
    select
        *,
        row_number() over (
            partition by person_id, visit_date, is_used
            order by
                case source when 'stay' then 1 when 'outpatient' then 2 else 3 end asc, visit_id asc
        ) as place
    from listed
),

final as (
    select
        person_id,
        visit_id,
        cast({{ openchronic.build_year() }} as integer) as year,
        person_status,
        visit_date,
        source,
        finess,
        code,
        stay_id,
        source = 'stay' as is_admitted,
        is_used_for_persons,
        is_used and (person_id is null or visit_date is null or place = 1) as is_counted,
        case
            when not is_used then 'left_out_by_rule'
            when person_id is not null and visit_date is not null and place > 1 then 'same_day'
        end as uncounted_reason
    from ranked
)

select * from final
