{#
    Care after a stroke, before chronic dialysis, and of people with cancer: first treatment, last
    weeks of life.
    Rule, stroke: each acute episode with that main diagnosis (I60 to I64, first or last stay) ended
    in the year, of adults. From the day of discharge: rehabilitation stay entered within 14 days,
    whatever the way out; among those gone home (mode 8), generalist from day 1 to 14; and, where it
    is ischaemic or unspecified (I63, I64), an antithrombotic dispensed within 30 days, an oral
    anticoagulant where I48 is among the diagnoses of a stay of this year or the year before, ended
    by then. Not counted, the first reason of: died there (death_in_hospital), not gone home
    (not_home), palliative (palliative), data that stop before the last day asked about, or no
    rehabilitation delivered (no_follow_up), died by then (early_death), no stays of the
    year before (no_look_back, for I48), no class of drugs delivered (not_delivered).
    Rule, kidney: people whose first chronic dialysis (session, training, or procedure in town) is of
    the year, and none the year before. A nephrologist seen 365 days before or earlier, since two
    years before; an arteriovenous fistula created before; a start that is planned, without an acute
    stay through the emergency room that holds that day or began in the seven days before. Not
    counted: the year or years before are not delivered (no_look_back).
    Rule, cancer: days from the entry of the first acute stay (not a session) with a malignant tumour
    as main or related diagnosis, none the year before, to the first treatment, 180 days later at
    most: an operation (a surgical group with that main diagnosis), a session or stay of chemotherapy
    or radiotherapy, an antineoplastic drug dispensed. Not counted: treated before that stay
    (treated_before), not treated (not_treated), less than 180 days of data (no_follow_up), the year
    before not delivered (no_look_back). People with an active cancer who died in the year:
    emergency room in the last 30 days of life, chemotherapy in the last 14; not counted: the year
    before is needed and not delivered (no_look_back).
    Source: indicators 4.5; Earle 2003 for the end of life. Codes: ref_measure_code. Anchor: year of
    discharge, of first dialysis, of the first stay, of death. Grain: one row an episode and measure,
    or a person and measure.
#}
{{ config(
    materialized='yearly',
    unique_key=['person_id', 'measure', 'condition', 'unit_id'],
    meta={'kind': 'yearly', 'look_back': 2, 'look_ahead': 1, 'reads_referentials': true}
) }}

with listed as (
    select list_name, system, code
    from {{ ref('ref_measure_code') }}
    where system in ('CIM10', 'GHM')
),

person as (
    select person_id, death_date
    from {{ ref('person_year') }}
    where year = {{ openchronic.build_year() }}
),

horizon as (
    {{ openchronic.followed_to() }}
),

delivered as (
    select
        {%- for back in (1, 2) %}
        coalesce(max(case when year = {{ openchronic.build_year(-back) }} and has_claims then 1 else 0 end), 0)
            as has_claims_{{ back }},
        coalesce(max(case when year = {{ openchronic.build_year(-back) }} and has_stays then 1 else 0 end), 0)
            as has_stays_{{ back }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ ref('int_delivered_year') }}
    where year between {{ openchronic.build_year(-2) }} and {{ openchronic.build_year(-1) }}
),

care as (
    select
        person_id,
        list_name,
        care_date
    from {{ ref('int_listed_care') }}
    where
        year between {{ openchronic.build_year(-2) }} and {{ openchronic.build_year(1) }}
        and list_name in (
            'gp_contact', 'antithrombotic', 'anticoagulant', 'chronic_dialysis', 'nephrologist',
            'fistula', 'cancer_drug'
        )
),

-- Acute stays, with the lists of the diagnoses that matter here.
stay as (
    select
        person_id,
        stay_id,
        year,
        entry_date,
        discharge_date,
        is_session,
        is_through_emergency,
        main_diagnosis,
        related_diagnosis,
        ghm_code
    from {{ ref('hospital_stay') }}
    where
        year between {{ openchronic.build_year(-1) }} and {{ openchronic.build_year(1) }}
        and field = 'mco'
        and is_used_for_persons
        and person_id is not null
),

of_list as (
    select distinct
        stay.stay_id,
        stay.year,
        listed.list_name
    from stay
    inner join listed
        on listed.system = 'CIM10'
        and listed.list_name in ('cancer', 'chemotherapy', 'radiotherapy')
        and (
            substr(stay.main_diagnosis, 1, length(listed.code)) = listed.code
            or substr(stay.related_diagnosis, 1, length(listed.code)) = listed.code
        )

    union

    select
        stay.stay_id,
        stay.year,
        listed.list_name
    from stay
    inner join listed
        on listed.system = 'GHM' and substr(stay.ghm_code, 1, length(listed.code)) = listed.code
),

-- Stroke ----------------------------------------------------------------------------------------

stroke as (
    select
        episode.person_id,
        episode.episode_id,
        episode.discharge_date,
        episode.exit_mode,
        episode.exit_finess,
        episode.is_death,
        episode.is_palliative,
        max(case when listed.list_name = 'ischaemic_stroke' then 1 else 0 end) = 1 as is_ischaemic
    from {{ ref('hospital_episode') }} as episode
    inner join listed
        on listed.list_name in ('stroke', 'ischaemic_stroke')
        and (
            substr(episode.first_main_diagnosis, 1, length(listed.code)) = listed.code
            or substr(episode.last_main_diagnosis, 1, length(listed.code)) = listed.code
        )
    inner join person on episode.person_id = person.person_id
    where
        episode.year = {{ openchronic.build_year() }}
        and episode.field = 'mco'
        and episode.age_years >= 18
        and not episode.is_service_only
        and not episode.is_after_death
        and episode.discharge_date is not null
    group by 1, 2, 3, 4, 5, 6, 7
),

fibrillation as (
    select distinct stroke.episode_id
    from stroke
    inner join {{ ref('stay_diagnosis') }} as diagnosis
        on stroke.person_id = diagnosis.person_id
        and diagnosis.discharge_date <= stroke.discharge_date
    inner join listed
        on listed.list_name = 'atrial_fibrillation'
        and substr(diagnosis.diagnosis_code, 1, length(listed.code)) = listed.code
    where
        diagnosis.year between {{ openchronic.build_year(-1) }} and {{ openchronic.build_year() }}
        and diagnosis.is_used_for_stays
),

after_stroke as (
    select
        stroke.episode_id,
        min(case when care.list_name = 'gp_contact' then care.care_date end) as first_gp,
        min(case when care.list_name = 'antithrombotic' then care.care_date end) as first_antithrombotic,
        min(case when care.list_name = 'anticoagulant' then care.care_date end) as first_anticoagulant
    from stroke
    inner join care on stroke.person_id = care.person_id and care.care_date > stroke.discharge_date
    group by stroke.episode_id
),

rehabilitation as (
    select
        stroke.episode_id,
        min(rehabilitated.entry_date) as first_rehabilitation
    from stroke
    inner join {{ ref('hospital_stay') }} as rehabilitated
        on stroke.person_id = rehabilitated.person_id
        and rehabilitated.field = 'ssr'
        and rehabilitated.entry_date >= stroke.discharge_date
        and rehabilitated.is_used_for_persons
    where rehabilitated.year between {{ openchronic.build_year() }} and {{ openchronic.build_year(1) }}
    group by stroke.episode_id
),

stroke_judged as (
    select
        stroke.person_id,
        stroke.episode_id,
        stroke.exit_finess,
        stroke.is_ischaemic,
        fibrillation.episode_id is not null as has_fibrillation,
        {%- for each in ('gp', 'antithrombotic', 'anticoagulant') %}
        {{ openchronic.days_between('stroke.discharge_date', 'after_stroke.first_' ~ each) }} as days_to_{{ each }},
        {%- endfor %}
        {{ openchronic.days_between('stroke.discharge_date', 'rehabilitation.first_rehabilitation') }}
            as days_to_rehabilitation,
        {{ openchronic.days_between('stroke.discharge_date', 'death.death_date') }} as days_to_death,
        {{ openchronic.days_between('stroke.discharge_date', 'horizon.claims_to') }} as claim_days,
        {{ openchronic.days_between('stroke.discharge_date', 'horizon.stays_to') }} as stay_days,
        horizon.has_rehabilitation,
        horizon.has_drug_classes,
        delivered.has_stays_1,
        case
            when stroke.is_death then 'death_in_hospital'
            when stroke.is_palliative then 'palliative'
        end as excluded_alive,
        case
            when stroke.is_death then 'death_in_hospital'
            when coalesce(stroke.exit_mode, '') <> '8' then 'not_home'
            when stroke.is_palliative then 'palliative'
        end as excluded_home
    from stroke
    cross join horizon
    cross join delivered
    left join fibrillation on stroke.episode_id = fibrillation.episode_id
    left join after_stroke on stroke.episode_id = after_stroke.episode_id
    left join rehabilitation on stroke.episode_id = rehabilitation.episode_id
    left join {{ ref('int_death') }} as death on stroke.person_id = death.person_id
),

stroke_decided as (
    select
        *,
        coalesce(
            excluded_home,
            case
                when coalesce(claim_days, -1) < 14 then 'no_follow_up'
                when days_to_death <= 14 then 'early_death'
            end
        ) as excl_gp,
        coalesce(
            excluded_home,
            case
                when coalesce(claim_days, -1) < 30 then 'no_follow_up'
                when days_to_death <= 30 then 'early_death'
                when not has_drug_classes then 'not_delivered'
            end
        ) as excl_antithrombotic,
        coalesce(
            excluded_home,
            case
                when coalesce(claim_days, -1) < 30 then 'no_follow_up'
                when days_to_death <= 30 then 'early_death'
                when has_stays_1 = 0 then 'no_look_back'
                when not has_drug_classes then 'not_delivered'
            end
        ) as excl_anticoagulant,
        coalesce(
            excluded_alive,
            case
                when coalesce(stay_days, -1) < 14 or not has_rehabilitation then 'no_follow_up'
                when days_to_death <= 14 then 'early_death'
            end
        ) as excl_rehabilitation
    from stroke_judged
),

-- Kidney ----------------------------------------------------------------------------------------

dialysed as (
    select person_id, care_date as dialysis_date
    from care
    where list_name = 'chronic_dialysis'

    union

    -- A stay of sessions is told by its first day.
    select stay.person_id, coalesce(stay.entry_date, stay.discharge_date) as dialysis_date
    from stay
    inner join of_list
        on stay.stay_id = of_list.stay_id
        and stay.year = of_list.year
        and of_list.list_name = 'chronic_dialysis'
),

starter as (
    select person.person_id, min(dialysed.dialysis_date) as start_date
    from person
    inner join dialysed on person.person_id = dialysed.person_id
    where dialysed.dialysis_date between {{ openchronic.year_start(-1) }} and {{ openchronic.year_end() }}
    group by person.person_id
    having min(dialysed.dialysis_date) >= {{ openchronic.year_start() }}
),

before_dialysis as (
    select
        starter.person_id,
        bool_or(
            care.list_name = 'nephrologist'
            and care.care_date <= {{ openchronic.add_days('starter.start_date', -365) }}
        ) as has_nephrologist,
        bool_or(care.list_name = 'fistula') as has_fistula
    from starter
    inner join care on starter.person_id = care.person_id
    where care.care_date < starter.start_date and care.care_date >= {{ openchronic.year_start(-2) }}
    group by starter.person_id
),

urgent as (
    select distinct starter.person_id
    from starter
    inner join stay
        on starter.person_id = stay.person_id
        and stay.is_through_emergency
        and not stay.is_session
        and stay.entry_date <= starter.start_date
        and (
            stay.discharge_date >= starter.start_date
            or stay.entry_date >= {{ openchronic.add_days('starter.start_date', -7) }}
        )
),

kidney as (
    select
        starter.person_id,
        before_dialysis.has_nephrologist,
        before_dialysis.has_fistula,
        urgent.person_id is null as is_planned,
        case
            when delivered.has_claims_1 = 0 or delivered.has_stays_1 = 0 or delivered.has_claims_2 = 0
                then 'no_look_back'
        end as excl_two_years,
        case when delivered.has_claims_1 = 0 or delivered.has_stays_1 = 0 then 'no_look_back' end
            as excl_one_year
    from starter
    cross join delivered
    left join before_dialysis on starter.person_id = before_dialysis.person_id
    left join urgent on starter.person_id = urgent.person_id
),

-- Cancer ----------------------------------------------------------------------------------------

cancer_stay as (
    select stay.person_id, stay.entry_date, stay.main_diagnosis, stay.ghm_code, stay.is_session
    from stay
    inner join of_list
        on stay.stay_id = of_list.stay_id and stay.year = of_list.year and of_list.list_name = 'cancer'
    where stay.entry_date is not null
),

new_cancer as (
    select person.person_id, min(cancer_stay.entry_date) as first_date
    from person
    inner join cancer_stay on person.person_id = cancer_stay.person_id
    where
        not cancer_stay.is_session
        and cancer_stay.entry_date between {{ openchronic.year_start(-1) }} and {{ openchronic.year_end() }}
    group by person.person_id
    having min(cancer_stay.entry_date) >= {{ openchronic.year_start() }}
),

treatment as (
    select
        stay.person_id,
        stay.entry_date as treatment_date,
        of_list.list_name = 'chemotherapy' as is_chemotherapy
    from stay
    inner join of_list
        on stay.stay_id = of_list.stay_id
        and stay.year = of_list.year
        and of_list.list_name in ('chemotherapy', 'radiotherapy')

    union all

    select person_id, entry_date as treatment_date, false as is_chemotherapy
    from cancer_stay
    where substr(ghm_code, 3, 1) = 'C' and left(main_diagnosis, 1) = 'C'

    union all

    select person_id, care_date as treatment_date, true as is_chemotherapy
    from care
    where list_name = 'cancer_drug'
),

treated as (
    select
        new_cancer.person_id,
        new_cancer.first_date,
        min(case when treatment.treatment_date >= new_cancer.first_date then treatment.treatment_date end)
            as treatment_date,
        max(case when treatment.treatment_date < new_cancer.first_date then 1 else 0 end) as treated_before
    from new_cancer
    left join treatment
        on new_cancer.person_id = treatment.person_id
        and treatment.treatment_date >= {{ openchronic.add_days('new_cancer.first_date', -365) }}
    group by new_cancer.person_id, new_cancer.first_date
),

waited as (
    select
        treated.person_id,
        {{ openchronic.days_between('treated.first_date', 'treated.treatment_date') }} as day_count,
        case
            when delivered.has_stays_1 = 0 or delivered.has_claims_1 = 0 then 'no_look_back'
            when treated.treated_before = 1 then 'treated_before'
            when
                coalesce({{ openchronic.days_between('treated.first_date', 'horizon.stays_to') }}, -1) < 180
                or coalesce({{ openchronic.days_between('treated.first_date', 'horizon.claims_to') }}, -1) < 180
                then 'no_follow_up'
            when
                coalesce({{ openchronic.days_between('treated.first_date', 'treated.treatment_date') }}, 999) > 180
                then 'not_treated'
        end as excluded
    from treated
    cross join delivered
    cross join horizon
),

dying as (
    select person.person_id, person.death_date
    from person
    inner join {{ ref('person_pathology') }} as pathology
        on person.person_id = pathology.person_id
        and pathology.year = {{ openchronic.build_year() }}
        and pathology.carto_version = '{{ var("multimorbidity_version") }}'
        and pathology.top = 'sup_CanAct_cat'
    where person.death_date between {{ openchronic.year_start() }} and {{ openchronic.year_end() }}
),

last_emergency as (
    select distinct dying.person_id
    from dying
    inner join {{ ref('emergency_visit') }} as visit
        on dying.person_id = visit.person_id
        and visit.visit_date between {{ openchronic.add_days('dying.death_date', -30) }} and dying.death_date
    where
        visit.year between {{ openchronic.build_year(-1) }} and {{ openchronic.build_year() }}
        and visit.is_counted
        and visit.is_used_for_persons
),

last_chemotherapy as (
    select distinct dying.person_id
    from dying
    inner join treatment
        on dying.person_id = treatment.person_id
        and treatment.is_chemotherapy
        and treatment.treatment_date
        between {{ openchronic.add_days('dying.death_date', -14) }} and dying.death_date
),

end_of_life as (
    select
        dying.person_id,
        last_emergency.person_id is not null as has_emergency,
        last_chemotherapy.person_id is not null as has_chemotherapy,
        {%- for days in (30, 14) %}
        case
            when
                {{ openchronic.add_days('dying.death_date', -days) }} < {{ openchronic.year_start() }}
                and (delivered.has_stays_1 = 0 or delivered.has_claims_1 = 0)
                then 'no_look_back'
        end as excl_{{ days }}{{ ',' if not loop.last }}
        {%- endfor %}
    from dying
    cross join delivered
    left join last_emergency on dying.person_id = last_emergency.person_id
    left join last_chemotherapy on dying.person_id = last_chemotherapy.person_id
),

final as (
    {{- openchronic.measure_rows('stroke_decided', [
        {
            'measure': 'stroke_antithrombotic_30d', 'where': 'is_ischaemic',
            'num': 'days_to_antithrombotic <= 30', 'excl': 'excl_antithrombotic',
        },
        {
            'measure': 'stroke_anticoagulant_af_30d', 'where': 'is_ischaemic and has_fibrillation',
            'num': 'days_to_anticoagulant <= 30', 'excl': 'excl_anticoagulant',
        },
        {
            'measure': 'stroke_rehabilitation_14d', 'num': 'days_to_rehabilitation <= 14',
            'excl': 'excl_rehabilitation',
        },
        {'measure': 'stroke_gp_14d', 'num': 'days_to_gp <= 14', 'excl': 'excl_gp'},
    ], unit_id='episode_id', finess='exit_finess') }}

    union all
    {{ openchronic.measure_rows('kidney', [
        {'measure': 'ckd_nephrologist_1y', 'num': 'has_nephrologist', 'excl': 'excl_two_years'},
        {'measure': 'ckd_planned_start', 'num': 'is_planned', 'excl': 'excl_one_year'},
        {'measure': 'ckd_fistula_before_start', 'num': 'has_fistula', 'excl': 'excl_one_year'},
    ]) }}

    union all
    {{ openchronic.measure_rows('waited', [
        {'measure': 'cancer_days_to_treatment', 'value': 'day_count', 'excl': 'excluded'},
    ]) }}

    union all
    {{ openchronic.measure_rows('end_of_life', [
        {'measure': 'cancer_emergency_last_30d', 'num': 'has_emergency', 'excl': 'excl_30'},
        {'measure': 'cancer_chemotherapy_last_14d', 'num': 'has_chemotherapy', 'excl': 'excl_14'},
    ]) }}
)

select * from final
