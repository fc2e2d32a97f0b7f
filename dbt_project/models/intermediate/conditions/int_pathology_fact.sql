{#
    What each person shows in a year of what the algorithms count, before any algorithm: a fact is
    a set of code lists in a source (ALD, stay, psychiatry, drug, act, group of stays), in some
    positions, with or without another list in the same stay (seed ref_pathology_fact, written from
    the declarative files by openchronic_assets.codelists.seeds).
    Rule: codes are reduced first, each distinct code once against the prefixes; then one pass over
    the sources counts, for each person and fact, the different dates (a stay of sessions counts its
    sessions). Stays are those used for persons; an ALD is one that is in force at least one day of
    the year, whatever its age; doubles of a day count once. Source: indicators 2.3, decision 14.
    Anchor: year of the evidence. Grain: one row a person and fact.
#}
{{ config(
    materialized='yearly',
    unique_key=['person_id', 'fact'],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

with stay as (
    select
        stay_id,
        person_id,
        field,
        discharge_date,
        upper(trim(ghm_code)) as ghm_code,
        greatest(session_count, 1) as session_count,
        is_used_for_stays
    from {{ ref('hospital_stay') }}
    where
        year = {{ openchronic.build_year() }}
        and person_id is not null
        and is_used_for_persons
        and field in ('mco', 'psy')
),

drug as (
    select person_id, event_id, dispensing_date, coalesce(atc_code, atc_class) as code, is_large_pack
    from {{ ref('drug_dispensing') }}
    where
        year = {{ openchronic.build_year() }}
        and person_id is not null
        and dispensing_date is not null
        and coalesce(atc_code, atc_class) is not null
        and coalesce(box_count, 1) > 0
),

ald as (
    select
        person_id,
        exemption_nature,
        chain_code,
        start_date,
        coalesce(cim10_last, '') as code,
        case when ald_num between 1 and 32 then ald_num else 0 end as ald_number
    from {{ ref('int_ald_chain') }}
    where
        start_date <= {{ openchronic.year_end() }}
        and (is_open or end_date >= {{ openchronic.year_start() }})
),

act as (
    select person_id, stay_id as reference, coalesce(procedure_date, discharge_date) as act_date, procedure_code as code
    from {{ ref('stay_procedure') }}
    where year = {{ openchronic.build_year() }} and person_id is not null and field = 'mco'

    union all

    select person_id, event_id as reference, care_date as act_date, upper(trim(code)) as code
    from {{ ref('care_event') }}
    where
        year = {{ openchronic.build_year() }}
        and event_type = 'procedure'
        and code_system = 'ccam'
        and person_id is not null
        and care_date is not null
        and coalesce(net_quantity, 1) > 0
),

code_seen as (
    select distinct
        case field when 'mco' then 'stay' else 'psychiatry' end as source,
        'CIM10' as system,
        diagnosis_code as code
    from {{ ref('stay_diagnosis') }}
    where year = {{ openchronic.build_year() }} and field in ('mco', 'psy')

    union all

    select distinct 'group' as source, 'GHM' as system, ghm_code as code
    from stay
    where ghm_code is not null

    union all

    select distinct 'drug' as source, 'ATC' as system, code from drug

    union all

    select distinct 'act' as source, 'CCAM' as system, code from act

    union all

    select distinct 'ald' as source, 'CIM10' as system, code from ald
),

-- Every code is cut at every length, so that prefixes are found by equality.
cut as (
    select code_seen.system, code_seen.code, left(code_seen.code, width.n) as code_prefix
    from (select distinct system, code from code_seen) as code_seen
    inner join (
        {%- for n in range(1, 9) %}
        select {{ n }} as n{{ '\n        union all' if not loop.last }}
        {%- endfor %}
    ) as width on length(code_seen.code) >= width.n
),

member as (
    select cut.system, cut.code, listed.list_name
    from cut
    inner join {{ ref('ref_code_list') }} as listed
        on cut.system = listed.system and cut.code_prefix = listed.code_prefix
    group by cut.system, cut.code, listed.list_name
    having max(case when listed.is_excluded then 1 else 0 end) = 0
),

-- What is left over holds every code seen that none of its lists holds, no code ('') included.
claimed as (
    select distinct fact.fact, member.code
    from {{ ref('ref_pathology_fact') }} as fact
    inner join member on fact.list_name = member.list_name
    where fact.is_outside
),

code_fact as (
    select distinct
        fact.fact,
        fact.part,
        fact.source,
        coalesce(fact.role, '') as role,
        code_seen.code,
        cast(null as {{ dbt.type_string() }}) as ald_numbers,
        fact.is_whole_stay,
        fact.has_beside,
        fact.has_absent
    from {{ ref('ref_pathology_fact') }} as fact
    inner join member on fact.list_name = member.list_name
    inner join code_seen
        on member.system = code_seen.system
        and member.code = code_seen.code
        and fact.source = code_seen.source
    where not fact.is_outside

    union all

    select
        fact.fact,
        fact.part,
        fact.source,
        coalesce(fact.role, '') as role,
        code_seen.code,
        fact.ald_numbers,
        fact.is_whole_stay,
        fact.has_beside,
        fact.has_absent
    from (
        select distinct
            fact, part, source, role, ald_numbers, is_whole_stay, has_beside, has_absent
        from {{ ref('ref_pathology_fact') }}
        where is_outside
    ) as fact
    inner join code_seen on fact.source = code_seen.source
    left join claimed on fact.fact = claimed.fact and code_seen.code = claimed.code
    where claimed.code is null
),

coded as (
    select
        case stay.field when 'mco' then 'stay' else 'psychiatry' end as source,
        diagnosis.role,
        diagnosis.diagnosis_code as code,
        stay.person_id,
        stay.stay_id as reference,
        stay.discharge_date as evidence_date,
        cast(1 as bigint) as weight,
        false as is_large_pack,
        cast(null as integer) as ald_number,
        stay.is_used_for_stays
    from {{ ref('stay_diagnosis') }} as diagnosis
    inner join stay on diagnosis.stay_id = stay.stay_id
    where diagnosis.year = {{ openchronic.build_year() }}

    union all

    select
        'group' as source,
        '' as role,
        ghm_code as code,
        person_id,
        stay_id as reference,
        discharge_date as evidence_date,
        cast(session_count as bigint) as weight,
        false as is_large_pack,
        cast(null as integer) as ald_number,
        is_used_for_stays
    from stay
    where ghm_code is not null

    union all

    select
        'drug' as source,
        '' as role,
        code,
        person_id,
        cast(event_id as {{ dbt.type_string() }}) as reference,
        dispensing_date as evidence_date,
        cast(1 as bigint) as weight,
        coalesce(is_large_pack, false) as is_large_pack,
        cast(null as integer) as ald_number,
        false as is_used_for_stays
    from drug

    union all

    select
        'act' as source,
        '' as role,
        code,
        person_id,
        cast(reference as {{ dbt.type_string() }}) as reference,
        act_date as evidence_date,
        cast(1 as bigint) as weight,
        false as is_large_pack,
        cast(null as integer) as ald_number,
        false as is_used_for_stays
    from act

    union all

    select
        'ald' as source,
        '' as role,
        code,
        person_id,
        concat(cast(exemption_nature as {{ dbt.type_string() }}), '/', chain_code) as reference,
        start_date as evidence_date,
        cast(1 as bigint) as weight,
        false as is_large_pack,
        ald_number,
        false as is_used_for_stays
    from ald
),

part as (
    select
        coded.person_id,
        coded.reference,
        coded.evidence_date,
        coded.weight,
        coded.is_large_pack,
        code_fact.fact,
        code_fact.part,
        code_fact.has_beside,
        code_fact.has_absent
    from coded
    inner join code_fact
        on coded.source = code_fact.source
        and coded.role = code_fact.role
        and coded.code = code_fact.code
    where
        (
            code_fact.ald_numbers is null
            or code_fact.ald_numbers
            like concat('%+', cast(coded.ald_number as {{ dbt.type_string() }}), '+%')
        )
        and (not code_fact.is_whole_stay or coded.is_used_for_stays)
),

shown as (
    select person_id, fact, reference, evidence_date, weight, is_large_pack
    from part
    where not has_beside and not has_absent

    union all

    -- Within one stay: the codes asked for, those asked beside them, none of those that forbid it.
    select
        person_id,
        fact,
        reference,
        max(evidence_date) as evidence_date,
        max(weight) as weight,
        false as is_large_pack
    from part
    where has_beside or has_absent
    group by person_id, fact, reference
    having
        max(case when part = 'main' then 1 else 0 end) = 1
        and max(case when part = 'beside' or not has_beside then 1 else 0 end) = 1
        and max(case when part = 'absent' then 1 else 0 end) = 0
),

dated as (
    select
        person_id,
        fact,
        evidence_date,
        max(weight) as weight,
        max(case when is_large_pack then 1 else 0 end) as large_pack,
        min(reference) as reference
    from shown
    group by person_id, fact, evidence_date
),

final as (
    select
        person_id,
        cast({{ openchronic.build_year() }} as integer) as year,
        fact,
        cast(sum(weight) as bigint) as date_count,
        min(evidence_date) as first_date,
        max(evidence_date) as last_date,
        max(large_pack) = 1 as has_large_pack,
        coalesce(min_by(reference, evidence_date), min(reference)) as first_reference,
        coalesce(max_by(reference, evidence_date), max(reference)) as last_reference
    from dated
    group by person_id, fact
)

select * from final
