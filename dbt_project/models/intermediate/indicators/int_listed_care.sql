{#
    Care that a list of ref_measure_code names, a day at a time: what measures of follow-up count.
    Rule: a professional is told by the specialty of the line (SPE), of any nature or of those of
    the list that `nature_list` names, by its activity (ACT), or, where no activity is told, by a
    nature that only that profession bills (PRS_NAT); biology (NABM) and procedures (CCAM) by
    their whole code, in town, in a stay, or in an outpatient visit of a public hospital; drugs by
    the longest class of their presentation (ATC prefixes, less the excluded). What a public
    hospital does during a stay shows only by its procedures: its biology is in no table. A
    procedure of a stay without a day is told at its entry. Quantities are boxes of drugs, else
    acts, regularisations netted. Only what the quality rules keep for care and for people.
    Source: indicators 4.4 and 4.5. Anchor: day of care. Grain: one row a person, list and day.
#}
{{ config(
    materialized='yearly',
    unique_key=['person_id', 'list_name', 'care_date'],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

with listed as (
    select
        list_name,
        system,
        code,
        nature_list,
        case when system in ('SPE', 'ACT', 'PRS_NAT') then cast(code as bigint) end as number
    from {{ ref('ref_measure_code') }}
    where not is_excluded
),

event as (
    select
        person_id,
        care_date,
        event_type,
        code,
        prestation_code,
        performer_specialty,
        performer_activity,
        net_quantity
    from {{ ref('care_event') }}
    where
        year = {{ openchronic.build_year() }}
        and event_type in ('claim', 'procedure', 'biology')
        and is_used_for_care
        and is_used_for_persons
        and person_id is not null
        and care_date is not null
),

claim as (
    select event.person_id, event.care_date, listed.list_name, event.net_quantity as quantity
    from event
    inner join listed on listed.system = 'SPE' and event.performer_specialty = listed.number
    left join listed as nature
        on nature.system = 'PRS_NAT'
        and listed.nature_list = nature.list_name
        and event.prestation_code = nature.number
    where event.event_type = 'claim' and (listed.nature_list is null or nature.number is not null)

    union all

    select event.person_id, event.care_date, listed.list_name, event.net_quantity as quantity
    from event
    inner join listed on listed.system = 'ACT' and event.performer_activity = listed.number
    where event.event_type = 'claim'

    union all

    select event.person_id, event.care_date, listed.list_name, event.net_quantity as quantity
    from event
    inner join listed on listed.system = 'PRS_NAT' and event.prestation_code = listed.number
    where
        event.event_type = 'claim'
        and coalesce(event.performer_activity, 0) in (0, 99)
        and listed.list_name not in (
            select nature_list from listed where nature_list is not null
        )
),

detail as (
    select event.person_id, event.care_date, listed.list_name, event.net_quantity as quantity
    from event
    inner join listed
        on listed.system = case event.event_type when 'biology' then 'NABM' else 'CCAM' end
        and event.code = listed.code
    where event.event_type in ('procedure', 'biology')
),

drug_class as (
    {{ openchronic.listed_drug_classes() }}
),

drug as (
    select
        dispensed.person_id,
        dispensed.dispensing_date as care_date,
        drug_class.list_name,
        dispensed.box_count as quantity
    from {{ ref('drug_dispensing') }} as dispensed
    inner join drug_class on dispensed.atc_class = drug_class.atc_class
    where dispensed.year = {{ openchronic.build_year() }} and dispensed.is_used_for_exposure
),

inpatient as (
    select
        act.person_id,
        coalesce(act.procedure_date, act.entry_date) as care_date,
        listed.list_name,
        cast(coalesce(act.quantity, 1) as decimal(18, 2)) as quantity
    from {{ ref('stay_procedure') }} as act
    inner join listed on listed.system = 'CCAM' and act.procedure_code = listed.code
    where act.year = {{ openchronic.build_year() }} and act.is_used_for_stays and act.is_used_for_care
),

-- Codes of an outpatient visit, with the days from its beginning.
outpatient_code as (
    select
        finess,
        sequence_number,
        'SPE' as system,
        regexp_replace(trim(performer_specialty), '^0+', '') as code,
        days_from_entry
    from {{ ref('stg_mco__fcstc') }}
    where table_year = {{ openchronic.build_year() }}

    union all

    select
        finess,
        sequence_number,
        'CCAM' as system,
        substr(upper(trim(ccam_code)), 1, 7) as code,
        days_from_entry
    from {{ ref('stg_mco__fmstc') }}
    where table_year = {{ openchronic.build_year() }}

    union all

    select
        finess,
        sequence_number,
        'NABM' as system,
        lpad(trim(nabm_code), 4, '0') as code,
        days_from_entry
    from {{ ref('stg_mco__flstc') }}
    where table_year = {{ openchronic.build_year() }}
),

outpatient as (
    select
        visit.person_id,
        {{ openchronic.add_days('visit.entry_date', 'coalesce(told.days_from_entry, 0)') }} as care_date,
        told.list_name,
        cast(1 as decimal(18, 2)) as quantity
    from (
        select distinct
            outpatient_code.finess,
            outpatient_code.sequence_number,
            cast(outpatient_code.days_from_entry as integer) as days_from_entry,
            listed.list_name
        from outpatient_code
        inner join listed
            on outpatient_code.system = listed.system
            and outpatient_code.code = listed.code
            and listed.nature_list is null
    ) as told
    inner join {{ ref('int_outpatient_visit') }} as visit
        on told.finess = visit.finess and told.sequence_number = visit.sequence_number
    where
        visit.year = {{ openchronic.build_year() }}
        and visit.copy_number = 1
        and visit.is_used_for_care
        and visit.is_used_for_persons
),

care as (
    select * from claim
    union all
    select * from detail
    union all
    select * from drug
    union all
    select * from inpatient
    union all
    select * from outpatient
),

final as (
    select
        person_id,
        cast({{ openchronic.build_year() }} as integer) as year,
        list_name,
        care_date,
        cast(sum(quantity) as decimal(18, 2)) as quantity
    from care
    where person_id is not null and care_date is not null
    group by person_id, list_name, care_date
)

select * from final
