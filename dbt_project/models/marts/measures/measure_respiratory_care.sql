{#
    Care of people treated for asthma or chronic obstructive pulmonary disease: drugs, measure of
    lung function, vaccines, exacerbations that lead to hospital.
    Rule: target = people of six years or more [A] with the pathology top_ABPCOIr_ind, or with drugs
    of obstructive airways (R03) on three days of the year. Boxes are counted, not doses. Controller
    ratio: inhaled corticosteroids, alone or with a bronchodilator (R03BA, R03AK), at least half of
    all boxes of R03; reliever without controller: three boxes of short-acting bronchodilator or
    more, and no inhaled corticosteroid; both among people with a box of R03 in the year. Not
    counted, the first reason of: not observed all year (not_fully_observed), more than 90 days in
    hospital (long_stay), palliative care in the year (palliative), a year that is not all delivered
    (no_follow_up). Lung function within two years and influenza vaccine (October of the year before
    to January) need the year before, pneumococcal vaccine within five years the four before
    (no_look_back). No one is counted where no procedure, or no class of drugs, is delivered
    (not_delivered).
    Exacerbations: acute stays with the main diagnosis J44.0 or J44.1, or J96.0 beside a J44, entered
    in the year, over the years of life observed, among the target of 40 years or more; not counted
    where no stay of the year is delivered (no_follow_up). A stay that goes on after 31 December is
    counted once the year after is delivered.
    Source: indicators 4.5. Codes: ref_measure_code. Anchor: year of care. Grain: one row a person
    and measure.
#}
{{ config(
    materialized='yearly',
    unique_key=['person_id', 'measure', 'condition', 'unit_id'],
    meta={'kind': 'yearly', 'look_back': 4, 'look_ahead': 1, 'reads_referentials': true}
) }}

with care as (
    select
        person_id,
        list_name,
        care_date,
        quantity,
        care_date >= {{ openchronic.year_start() }} as is_this_year
    from {{ ref('int_listed_care') }}
    where
        year between {{ openchronic.build_year(-4) }} and {{ openchronic.build_year() }}
        and care_date between {{ openchronic.year_start(-4) }} and {{ openchronic.year_end() }}
        and list_name in (
            'obstructive_airway', 'controller', 'inhaled_corticoid', 'short_acting_agonist',
            'spirometry', 'influenza_vaccine', 'pneumococcal_vaccine'
        )
),

received as (
    select
        person_id,
        sum(case when list_name = 'obstructive_airway' and is_this_year then 1 else 0 end) as airway_days,
        sum(case when list_name = 'obstructive_airway' and is_this_year then quantity else 0 end) as airway_boxes,
        sum(case when list_name = 'controller' and is_this_year then quantity else 0 end) as controller_boxes,
        sum(case when list_name = 'inhaled_corticoid' and is_this_year then quantity else 0 end) as corticoid_boxes,
        sum(case when list_name = 'short_acting_agonist' and is_this_year then quantity else 0 end) as reliever_boxes,
        bool_or(list_name = 'spirometry' and care_date >= {{ openchronic.year_start(-1) }}) as has_spirometry,
        bool_or(
            list_name = 'influenza_vaccine'
            and care_date between make_date({{ openchronic.build_year(-1) }}, 10, 1)
            and make_date({{ openchronic.build_year() }}, 1, 31)
        ) as has_influenza_vaccine,
        bool_or(list_name = 'pneumococcal_vaccine') as has_pneumococcal_vaccine
    from care
    group by person_id
),

treated as (
    select person_id
    from {{ ref('person_pathology') }}
    where
        year = {{ openchronic.build_year() }}
        and carto_version = '{{ var("multimorbidity_version") }}'
        and top = 'top_ABPCOIr_ind'

    union

    select person_id from received where airway_days >= 3
),

hospital as (
    {{ openchronic.hospital_days_of_year() }}
),

palliative as (
    {{ openchronic.palliative_people() }}
),

listed as (
    select list_name, code
    from {{ ref('ref_measure_code') }}
    where system = 'CIM10' and list_name in ('copd_exacerbation', 'respiratory_failure', 'copd')
),

stay as (
    select person_id, stay_id, year, main_diagnosis
    from {{ ref('hospital_stay') }}
    where
        year between {{ openchronic.build_year() }} and {{ openchronic.build_year(1) }}
        and entry_date between {{ openchronic.year_start() }} and {{ openchronic.year_end() }}
        and field = 'mco'
        and is_used_for_stays
        and is_used_for_persons
        and not is_session
        and person_id is not null
),

failing as (
    select stay.person_id, stay.stay_id, stay.year
    from stay
    inner join listed
        on listed.list_name = 'respiratory_failure'
        and substr(stay.main_diagnosis, 1, length(listed.code)) = listed.code
),

exacerbation as (
    select stay.person_id, stay.stay_id
    from stay
    inner join listed
        on listed.list_name = 'copd_exacerbation'
        and substr(stay.main_diagnosis, 1, length(listed.code)) = listed.code

    union

    select failing.person_id, failing.stay_id
    from failing
    inner join {{ ref('stay_diagnosis') }} as diagnosis
        on failing.stay_id = diagnosis.stay_id and failing.year = diagnosis.year
    inner join listed
        on listed.list_name = 'copd'
        and substr(diagnosis.diagnosis_code, 1, length(listed.code)) = listed.code
    where diagnosis.year between {{ openchronic.build_year() }} and {{ openchronic.build_year(1) }}
),

exacerbated as (
    select person_id, count(*) as stay_count
    from exacerbation
    group by person_id
),

delivered as (
    select
        max(case when year = {{ openchronic.build_year() }} and has_claims_to_end then 1 else 0 end) as has_year,
        max(case when year = {{ openchronic.build_year() }} and has_stays then 1 else 0 end) as has_stays,
        max(case when year = {{ openchronic.build_year() }} and has_procedures then 1 else 0 end) as has_procedures,
        max(case when year = {{ openchronic.build_year() }} and has_drug_classes then 1 else 0 end) as has_drug_classes,
        max(case when year = {{ openchronic.build_year(-1) }} and has_claims then 1 else 0 end) as has_year_before,
        sum(case when year < {{ openchronic.build_year() }} and has_claims then 1 else 0 end) as years_before
    from {{ ref('int_delivered_year') }}
    where year between {{ openchronic.build_year(-4) }} and {{ openchronic.build_year() }}
),

judged as (
    select
        person.person_id,
        person.age_years,
        person.observed_days,
        coalesce(received.airway_boxes, 0) as airway_boxes,
        received.controller_boxes,
        received.corticoid_boxes,
        received.reliever_boxes,
        received.has_spirometry,
        received.has_influenza_vaccine,
        received.has_pneumococcal_vaccine,
        coalesce(exacerbated.stay_count, 0) as exacerbations,
        delivered.has_procedures,
        delivered.has_drug_classes,
        delivered.has_year_before,
        delivered.years_before,
        case
            when not coalesce(person.is_fully_observed, false) then 'not_fully_observed'
            when hospital.hospital_days > 90 then 'long_stay'
            when palliative.person_id is not null then 'palliative'
            when coalesce(delivered.has_year, 0) = 0 then 'no_follow_up'
        end as excluded,
        case
            when coalesce(delivered.has_stays, 0) = 0 then 'no_follow_up'
            when coalesce(person.observed_days, 0) = 0 then 'not_observed'
        end as excl_exacerbation
    from {{ ref('person_year') }} as person
    inner join treated on person.person_id = treated.person_id
    cross join delivered
    left join received on person.person_id = received.person_id
    left join hospital on person.person_id = hospital.person_id
    left join palliative on person.person_id = palliative.person_id
    left join exacerbated on person.person_id = exacerbated.person_id
    where person.year = {{ openchronic.build_year() }} and person.age_years >= 6
),

decided as (
    select
        *,
        coalesce(
            excluded,
            case
                when coalesce(has_year_before, 0) = 0 then 'no_look_back'
                when coalesce(has_procedures, 0) = 0 then 'not_delivered'
            end
        ) as excl_spirometry,
        coalesce(
            excluded,
            case
                when coalesce(has_year_before, 0) = 0 then 'no_look_back'
                when coalesce(has_drug_classes, 0) = 0 then 'not_delivered'
            end
        ) as excl_influenza,
        coalesce(
            excluded,
            case
                when coalesce(years_before, 0) < 4 then 'no_look_back'
                when coalesce(has_drug_classes, 0) = 0 then 'not_delivered'
            end
        ) as excl_pneumococcal
    from judged
),

final as (
    {{- openchronic.measure_rows('decided', [
        {
            'measure': 're_controller_ratio', 'where': 'airway_boxes > 0',
            'num': 'controller_boxes * 2 >= airway_boxes', 'excl': 'excluded',
        },
        {
            'measure': 're_reliever_without_controller', 'where': 'airway_boxes > 0',
            'num': 'reliever_boxes >= 3 and corticoid_boxes = 0', 'excl': 'excluded',
        },
        {'measure': 're_spirometry_2y', 'num': 'has_spirometry', 'excl': 'excl_spirometry'},
        {'measure': 're_influenza_vaccine', 'num': 'has_influenza_vaccine', 'excl': 'excl_influenza'},
        {'measure': 're_pneumococcal_vaccine_5y', 'num': 'has_pneumococcal_vaccine', 'excl': 'excl_pneumococcal'},
        {
            'measure': 're_copd_exacerbation', 'where': 'age_years >= 40', 'value': 'exacerbations',
            'den': 'cast(observed_days as double) / 365.25', 'excl': 'excl_exacerbation',
        },
    ]) }}
)

select * from final
