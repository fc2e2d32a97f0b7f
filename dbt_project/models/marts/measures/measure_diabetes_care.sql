{#
    Follow-up of people treated for diabetes: which examinations, visits and vaccines of the
    recommended follow-up they had in the year.
    Rule: target = people with the pathology top_FDiabet_ind, or with antidiabetics on three days of
    the year (benfluorex and gliflozins left out, which alone make no diabetic). Not counted, the
    first reason of: not observed from 1 January to 31 December (dead, born, or nothing tells of
    them: not_fully_observed), more than 90 days in hospital (long_stay), palliative care in the year
    (Z51.5: palliative), a year that is not all delivered (no_follow_up), more than 30 days in
    hospital, whose biology shows in no table (under_ascertained). Eye and vaccine need the year
    before (no_look_back). Nobody is counted where no biology, or no class of drugs, is delivered at
    all (not_delivered). Examinations count by day. Vaccine: one delivery from October of the year
    before to January. Days in hospital: nights of any field, overlapping stays once.
    Source: indicators 4.4, after the recommended follow-up of diabetes and the Entred and BEH
    figures. Anchor: year of care. Grain: one row a person and measure.
#}
{{ config(
    materialized='yearly',
    unique_key=['person_id', 'measure', 'condition', 'unit_id'],
    meta={'kind': 'yearly', 'look_back': 1, 'look_ahead': 0, 'reads_referentials': true}
) }}

with care as (
    select
        person_id,
        list_name,
        care_date
    from {{ ref('int_listed_care') }}
    where
        year between {{ openchronic.build_year(-1) }} and {{ openchronic.build_year() }}
        and care_date between {{ openchronic.year_start(-1) }} and {{ openchronic.year_end() }}
        and list_name in (
            'antidiabetic', 'hba1c', 'creatinine', 'albuminuria', 'lipids', 'eye_exam',
            'ophthalmologist', 'dentist', 'podologist', 'ecg', 'cardiologist', 'influenza_vaccine'
        )
),

diabetic as (
    select person_id
    from {{ ref('person_pathology') }}
    where
        year = {{ openchronic.build_year() }}
        and carto_version = '{{ var("multimorbidity_version") }}'
        and top = 'top_FDiabet_ind'

    union

    select person_id
    from care
    where list_name = 'antidiabetic' and care_date >= {{ openchronic.year_start() }}
    group by person_id
    having count(*) >= 3
),

received as (
    select
        person_id,
        sum(case when list_name = 'hba1c' and is_this_year then 1 else 0 end) as hba1c_days,
        bool_or(list_name = 'creatinine' and is_this_year) as has_creatinine,
        bool_or(list_name = 'albuminuria' and is_this_year) as has_albuminuria,
        bool_or(list_name = 'lipids' and is_this_year) as has_lipids,
        bool_or(list_name in ('eye_exam', 'ophthalmologist')) as has_eye,
        bool_or(list_name = 'dentist' and is_this_year) as has_dentist,
        bool_or(list_name = 'podologist' and is_this_year) as has_podologist,
        bool_or(list_name in ('ecg', 'cardiologist') and is_this_year) as has_heart,
        bool_or(
            list_name = 'influenza_vaccine'
            and care_date between make_date({{ openchronic.build_year(-1) }}, 10, 1)
            and make_date({{ openchronic.build_year() }}, 1, 31)
        ) as has_vaccine
    from (
        select *, care_date >= {{ openchronic.year_start() }} as is_this_year
        from care
    ) as dated
    group by person_id
),

hospital as (
    {{ openchronic.hospital_days_of_year() }}
),

palliative as (
    {{ openchronic.palliative_people() }}
),

judged as (
    select
        person.person_id,
        coalesce(received.hba1c_days, 0) as hba1c_days,
        coalesce(received.has_creatinine, false) as has_creatinine,
        coalesce(received.has_albuminuria, false) as has_albuminuria,
        coalesce(received.has_lipids, false) as has_lipids,
        coalesce(received.has_eye, false) as has_eye,
        coalesce(received.has_dentist, false) as has_dentist,
        coalesce(received.has_podologist, false) as has_podologist,
        coalesce(received.has_heart, false) as has_heart,
        coalesce(received.has_vaccine, false) as has_vaccine,
        case
            when not coalesce(person.is_fully_observed, false) then 'not_fully_observed'
            when hospital.hospital_days > 90 then 'long_stay'
            when palliative.person_id is not null then 'palliative'
            when not coalesce(this_year.has_claims_to_end, false) then 'no_follow_up'
        end as excluded,
        coalesce(year_before.has_claims, false) as has_year_before,
        coalesce(this_year.has_biology, false) as has_biology,
        coalesce(this_year.has_drug_classes and year_before.has_drug_classes, false) as has_drug_classes,
        case when hospital.hospital_days > 30 then 'under_ascertained' end as ascertained
    from {{ ref('person_year') }} as person
    inner join diabetic on person.person_id = diabetic.person_id
    left join received on person.person_id = received.person_id
    left join hospital on person.person_id = hospital.person_id
    left join palliative on person.person_id = palliative.person_id
    left join {{ ref('int_delivered_year') }} as this_year
        on this_year.year = {{ openchronic.build_year() }}
    left join {{ ref('int_delivered_year') }} as year_before
        on year_before.year = {{ openchronic.build_year(-1) }}
    where person.year = {{ openchronic.build_year() }}
),

decided as (
    select
        *,
        coalesce(excluded, ascertained) as excl_one_year,
        coalesce(excluded, case when not has_year_before then 'no_look_back' end, ascertained)
            as excl_two_years
    from judged
),

told as (
    select
        *,
        coalesce(excl_one_year, case when not has_biology then 'not_delivered' end) as excl_biology,
        coalesce(excl_two_years, case when not has_biology then 'not_delivered' end) as excl_bundle,
        coalesce(excl_two_years, case when not has_drug_classes then 'not_delivered' end) as excl_vaccine
    from decided
),

final as (
    {{- openchronic.measure_rows('told', [
        {'measure': 'dm_hba1c_2', 'num': 'hba1c_days >= 2', 'excl': 'excl_biology'},
        {'measure': 'dm_hba1c_3', 'num': 'hba1c_days >= 3', 'excl': 'excl_biology'},
        {'measure': 'dm_hba1c_4', 'num': 'hba1c_days >= 4', 'excl': 'excl_biology'},
        {'measure': 'dm_creatinine', 'num': 'has_creatinine', 'excl': 'excl_biology'},
        {'measure': 'dm_albuminuria', 'num': 'has_albuminuria', 'excl': 'excl_biology'},
        {'measure': 'dm_lipids', 'num': 'has_lipids', 'excl': 'excl_biology'},
        {'measure': 'dm_eye_2y', 'num': 'has_eye', 'excl': 'excl_two_years'},
        {'measure': 'dm_dentist', 'num': 'has_dentist', 'excl': 'excl_one_year'},
        {'measure': 'dm_podologist', 'num': 'has_podologist', 'excl': 'excl_one_year'},
        {'measure': 'dm_heart_check', 'num': 'has_heart', 'excl': 'excl_one_year'},
        {
            'measure': 'dm_full_bundle', 'excl': 'excl_bundle',
            'num': 'hba1c_days >= 3 and has_creatinine and has_albuminuria and has_lipids and has_eye',
        },
        {'measure': 'dm_influenza_vaccine', 'num': 'has_vaccine', 'excl': 'excl_vaccine'},
    ]) }}
)

select * from final
