{#
    Potentially avoidable hospitalisations: acute stays that good care in town may prevent, a stay and
    measure.
    Rule: acute stays ended in the year, of a night at least, of people of 20 and over (age reached
    in the year), whose main diagnosis is of a listed disease (seed ref_avoidable_stay_code, a
    versioned adaptation of OECD and AHRQ lists [A]); entered by transfer, services for another
    hospital and CMD 14 and 15 left out. Acute bronchitis and lung oedema count with their chronic
    disease among the stay's diagnoses. Angina: no operation nor procedure by vessels (third letter
    of the GHM C or K) [A]. Amputation of a diabetic: a listed operation and diabetes anywhere in the
    stay, unless the main diagnosis is an injury. The composites count a stay once;
    `avoidable_all_any_length` takes stays without a night too. The denominator is a population
    counted elsewhere: only stays that count are rows. `finess`: the hospital of the stay.
    Source: OECD, AHRQ [K]. Anchor: year of discharge. Grain: one row a stay and measure.
#}
{{ config(
    materialized='yearly',
    unique_key=['person_id', 'measure', 'condition', 'unit_id'],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

with person as (
    select person_id
    from {{ ref('person_year') }}
    where year = {{ openchronic.build_year() }} and age_years >= 20
),

stay as (
    select
        stay_id,
        person_id,
        finess,
        replace(upper(trim(main_diagnosis)), '.', '') as main_diagnosis,
        coalesce(substr(ghm_code, 3, 1) in ('C', 'K'), false) as has_procedure,
        is_full_stay
    from {{ ref('hospital_stay') }}
    where
        year = {{ openchronic.build_year() }}
        and field = 'mco'
        and is_used_for_stays
        and is_used_for_persons
        and not is_session
        and not is_service_for_other_hospital
        and coalesce(entry_mode, '') not in ('7', '0')
        and coalesce(substr(ghm_code, 1, 2), '') not in ('14', '15')
        and person_id in (select person_id from person)
),

listed as (
    select condition, composite, role, system, code_prefix
    from {{ ref('ref_avoidable_stay_code') }}
),

-- Each code once, however many stays have it.
main_code as (
    select known.main_diagnosis, listed.condition, listed.role
    from (select distinct main_diagnosis from stay) as known
    inner join listed
        on listed.role in ('main', 'main_if_associated', 'main_excluded')
        and substr(known.main_diagnosis, 1, length(listed.code_prefix)) = listed.code_prefix
),

diagnosis as (
    select stay_id, diagnosis_code
    from {{ ref('stay_diagnosis') }}
    where year = {{ openchronic.build_year() }} and field = 'mco'
),

associated_code as (
    select known.diagnosis_code, listed.condition
    from (select distinct diagnosis_code from diagnosis) as known
    inner join listed
        on listed.role = 'associated'
        and substr(known.diagnosis_code, 1, length(listed.code_prefix)) = listed.code_prefix
),

associated as (
    select distinct diagnosis.stay_id, associated_code.condition
    from diagnosis
    inner join associated_code on diagnosis.diagnosis_code = associated_code.diagnosis_code
),

operated as (
    select distinct stay_procedure.stay_id, listed.condition
    from {{ ref('stay_procedure') }} as stay_procedure
    inner join listed
        on listed.role = 'procedure' and stay_procedure.procedure_code = listed.code_prefix
    where
        stay_procedure.year = {{ openchronic.build_year() }}
        and stay_procedure.field = 'mco'
        -- Activity 4 is the anaesthesia of an operation, not another one.
        and coalesce(stay_procedure.activity_code, '') <> '4'
),

-- By its main diagnosis, where the disease asks for nothing else or the stay has it.
by_diagnosis as (
    select distinct stay.stay_id, main_code.condition
    from stay
    inner join main_code on stay.main_diagnosis = main_code.main_diagnosis
    left join associated
        on stay.stay_id = associated.stay_id and main_code.condition = associated.condition
    where
        main_code.role = 'main'
        or (main_code.role = 'main_if_associated' and associated.stay_id is not null)
),

by_operation as (
    select stay.stay_id, operated.condition
    from stay
    inner join operated on stay.stay_id = operated.stay_id
    inner join associated
        on stay.stay_id = associated.stay_id and operated.condition = associated.condition
    left join main_code
        on stay.main_diagnosis = main_code.main_diagnosis
        and operated.condition = main_code.condition
        and main_code.role = 'main_excluded'
    where main_code.condition is null
),

composite as (
    select distinct condition, composite from listed
),

avoidable as (
    select
        stay.stay_id,
        stay.person_id,
        stay.finess,
        stay.is_full_stay,
        composite.condition as disease,
        composite.composite
    from (
        select stay_id, condition from by_diagnosis
        union
        select stay_id, condition from by_operation
    ) as found
    inner join stay on found.stay_id = stay.stay_id
    inner join composite on found.condition = composite.condition
    where not (found.condition = 'angina' and stay.has_procedure)
),

measured as (
    select stay_id, person_id, finess, concat('avoidable_', disease) as measure
    from avoidable
    where is_full_stay

    union

    select stay_id, person_id, finess, concat('avoidable_', composite) as measure
    from avoidable
    where is_full_stay

    union

    select stay_id, person_id, finess, 'avoidable_diabetes' as measure
    from avoidable
    where is_full_stay and substr(disease, 1, 9) = 'diabetes_'

    union

    select stay_id, person_id, finess, 'avoidable_all' as measure
    from avoidable
    where is_full_stay

    union

    select stay_id, person_id, finess, 'avoidable_all_any_length' as measure
    from avoidable
),

final as (
    select
        person_id,
        cast({{ openchronic.build_year() }} as integer) as year,
        measure,
        'all' as condition,
        stay_id as unit_id,
        finess,
        cast(1 as double) as num,
        cast(null as double) as den,
        cast(null as {{ dbt.type_string() }}) as excl_code
    from measured
)

select * from final
