{#
    Care of prevention, and what takes people out of a screening: each person, list of
    ref_prevention_code and day on which a code of the list was billed or done.
    Rule: natures of prestation, CCAM procedures and biology of care_event; CCAM procedures of
    outpatient visits of public hospitals (T_MCOaaFMSTC) and of stays; drugs by class. Only what is
    used for people and care, and has a day. Source: seed ref_prevention_code, code by code.
    Anchor: care date. Grain: one row a person, list and day.
#}
{{ config(
    materialized='yearly',
    unique_key=['person_id', 'list_name', 'care_date'],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

-- Natures are compared as numbers: a text made of each line's number would cost more than the scan.
with nature as (
    select list_name, cast(code as integer) as prestation_code
    from {{ ref('ref_prevention_code') }}
    where system = 'PRS_NAT'
),

act as (
    select list_name, lower(system) as code_system, code
    from {{ ref('ref_prevention_code') }}
    where system in ('CCAM', 'NABM')
),

drug as (
    select distinct
        listed.list_name,
        known.atc_class
    from {{ ref('int_drug_reference') }} as known
    inner join {{ ref('ref_prevention_code') }} as listed
        on listed.system = 'ATC'
        and substr(known.atc_class, 1, length(listed.code)) = listed.code
),

found as (
    select
        event.person_id,
        nature.list_name,
        event.care_date
    from {{ ref('care_event') }} as event
    inner join nature on event.prestation_code = nature.prestation_code
    where
        event.year = {{ openchronic.build_year() }}
        and event.event_type = 'claim'
        and event.is_used_for_care
        and event.is_used_for_persons

    union all

    select
        event.person_id,
        act.list_name,
        event.care_date
    from {{ ref('care_event') }} as event
    inner join act on event.code_system = act.code_system and event.code = act.code
    where
        event.year = {{ openchronic.build_year() }}
        and event.event_type in ('procedure', 'biology')
        and event.is_used_for_care
        and event.is_used_for_persons

    union all

    select
        dispensing.person_id,
        drug.list_name,
        dispensing.dispensing_date as care_date
    from {{ ref('drug_dispensing') }} as dispensing
    inner join drug on dispensing.atc_class = drug.atc_class
    where
        dispensing.year = {{ openchronic.build_year() }}
        and dispensing.is_used_for_exposure
        and dispensing.box_count > 0

    union all

    select
        done.person_id,
        act.list_name,
        coalesce(done.procedure_date, done.entry_date) as care_date
    from {{ ref('stay_procedure') }} as done
    inner join act on act.code_system = 'ccam' and done.procedure_code = act.code
    where
        done.year = {{ openchronic.build_year() }}
        and done.is_used_for_stays
        and coalesce(done.activity_code, '1') <> '4'

    union all

    select
        visit.person_id,
        act.list_name,
        {{ openchronic.add_days('visit.entry_date', 'coalesce(done.days_from_entry, 0)') }} as care_date
    from {{ ref('stg_mco__fmstc') }} as done
    inner join act
        on act.code_system = 'ccam' and substr(upper(trim(done.ccam_code)), 1, 7) = act.code
    inner join {{ ref('int_outpatient_visit') }} as visit
        on done.finess = visit.finess
        and done.sequence_number = visit.sequence_number
        and visit.year = {{ openchronic.build_year() }}
        and visit.copy_number = 1
    where
        done.table_year = {{ openchronic.build_year() }}
        and coalesce(trim(done.activity_code), '1') <> '4'
        and visit.is_used_for_persons
        and visit.is_used_for_care
),

final as (
    select distinct
        person_id,
        cast({{ openchronic.build_year() }} as integer) as year,
        list_name,
        care_date
    from found
    where person_id is not null and care_date is not null
)

select * from final
