{#
    Screening and vaccination, person by person.
    Rule: age reached in the year, care of the years up to it (int_prevention_care).
    Breast, women of 50 to 74, two years: `breast_screening_organised`, `breast_screening_individual`
    (a mammography that is not the programme's, and none of it), `breast_screening`, either.
    `colorectal_screening`: 50 to 74, a test in two years. `cervical_screening_3y`: women of 25 to 65,
    cytology or HPV in three years; `cervical_screening_5y`: 30 to 65, cytology in three or HPV in
    five. `flu_vaccine_65`, `flu_vaccine_at_risk` (18 to 64 with a disease of the list flu_risk): from
    1 October of the year before to 31 January. `pneumococcal_vaccine_65`, `…_at_risk`: in five years.
    Left out, the first that holds: dead in the year, not observed the whole year, years of the window
    not delivered, the disease of the organ, then for the colon a colonoscopy and for the cervix a
    hysterectomy, in five years or as many as are delivered (int_delivered_year).
    Source: indicators 4 and its list of families; ages and intervals of the French programmes [K],
    codes of ref_prevention_code with their flag. Anchor: year. Grain: one row a person and measure.
#}
{{ config(
    materialized='yearly',
    unique_key=['person_id', 'measure', 'condition', 'unit_id'],
    meta={
        'kind': 'yearly', 'look_back': 4, 'look_ahead': 0, 'reads_referentials': true,
        'population_scope': 'referential'
    }
) }}

{%- set women = "sex = '2' and age_years between " %}
{%- set measures = [
    ('breast_screening_organised', women ~ '50 and 74', 'breast_organised', 1, ['breast_disease']),
    ('breast_screening_individual', women ~ '50 and 74', 'breast_individual * (1 - breast_organised)', 1, ['breast_disease']),
    ('breast_screening', women ~ '50 and 74', 'greatest(breast_organised, breast_individual)', 1, ['breast_disease']),
    ('colorectal_screening', 'age_years between 50 and 74', 'colorectal_test', 1, ['colorectal_disease', 'colonoscopy']),
    ('cervical_screening_3y', women ~ '25 and 65', 'greatest(cervical_cytology, cervical_hpv)', 2, ['hysterectomy']),
    ('cervical_screening_5y', women ~ '30 and 65', 'greatest(cervical_cytology, cervical_hpv_5y)', 4, ['hysterectomy']),
    ('flu_vaccine_65', 'age_years >= 65', 'flu_vaccine', 1, []),
    ('flu_vaccine_at_risk', 'age_years between 18 and 64 and flu_risk = 1', 'flu_vaccine', 1, []),
    ('pneumococcal_vaccine_65', 'age_years >= 65', 'pneumococcal_vaccine', 4, []),
    ('pneumococcal_vaccine_at_risk', 'age_years between 18 and 64 and pneumococcal_risk = 1', 'pneumococcal_vaccine', 4, []),
] %}
{#- List, column, years back. -#}
{%- set cares = [
    ('breast_organised', 'breast_organised', 1), ('breast_individual', 'breast_individual', 1),
    ('colorectal_test', 'colorectal_test', 1), ('cervical_cytology', 'cervical_cytology', 2),
    ('cervical_hpv', 'cervical_hpv', 2), ('cervical_hpv', 'cervical_hpv_5y', 4),
    ('pneumococcal_vaccine', 'pneumococcal_vaccine', 4), ('colonoscopy', 'colonoscopy', 4),
    ('hysterectomy', 'hysterectomy', 4),
] %}
{%- set diseases = ['breast_disease', 'colorectal_disease', 'flu_risk', 'pneumococcal_risk'] %}

with step as (
    {%- for back in range(1, 5) %}
    select {{ back }} as back
    {{- '\n    union all' if not loop.last }}
    {%- endfor %}
),

-- How many years before this one are delivered, without a hole.
history as (
    select cast(coalesce(min(case when delivered.year is null then step.back end), 5) - 1 as integer)
        as history_years
    from step
    left join {{ ref('int_delivered_year') }} as delivered
        on delivered.year = {{ openchronic.build_year() }} - step.back and delivered.has_claims
),

care as (
    select
        person_id,
        {%- for name, column, back in cares %}
        max(
            case when list_name = '{{ name }}' and year >= {{ openchronic.build_year() }} - {{ back }} then 1 else 0 end
        ) as {{ column }},
        {%- endfor %}
        max(
            case
                when
                    list_name = 'flu_vaccine'
                    and care_date between make_date({{ openchronic.build_year(-1) }}, 10, 1)
                    and make_date({{ openchronic.build_year() }}, 1, 31)
                    then 1
                else 0
            end
        ) as flu_vaccine
    from {{ ref('int_prevention_care') }}
    where year between {{ openchronic.build_year(-4) }} and {{ openchronic.build_year() }}
    group by person_id
),

disease as (
    select
        pathology.person_id,
        {%- for name in diseases %}
        max(case when listed.list_name = '{{ name }}' then 1 else 0 end) as {{ name }}
        {{- ',' if not loop.last }}
        {%- endfor %}
    from {{ ref('person_pathology') }} as pathology
    inner join {{ ref('ref_prevention_code') }} as listed
        on listed.system = 'TOP' and pathology.top = listed.code
    where
        pathology.year = {{ openchronic.build_year() }}
        and pathology.carto_version = 'G6-like'
    group by pathology.person_id
),

person as (
    select
        known.person_id,
        known.sex,
        known.age_years,
        case
            when known.death_date is not null then 'died'
            when not known.is_fully_observed then 'not_observed'
        end as excl_code,
        history.history_years
        {%- for name in diseases %},
        coalesce(disease.{{ name }}, 0) as {{ name }}
        {%- endfor %}
        {%- for _, column, _ in cares %},
        coalesce(care.{{ column }}, 0) as {{ column }}
        {%- endfor %},
        coalesce(care.flu_vaccine, 0) as flu_vaccine
    from {{ ref('person_year') }} as known
    cross join history
    left join care on known.person_id = care.person_id
    left join disease on known.person_id = disease.person_id
    where known.year = {{ openchronic.build_year() }} and known.age_years >= 18
),

measured as (
    {%- for measure, target, value, back, left_out in measures %}
    select
        person_id,
        '{{ measure }}' as measure,
        {{ value }} as num,
        case
            when excl_code is not null then excl_code
            when history_years < {{ back }} then 'no_look_back'
            {%- for reason in left_out %}
            when {{ reason }} = 1 then '{{ reason }}'
            {%- endfor %}
        end as excl_code
    from person
    where {{ target }}
    {{- '\n\n    union all\n' if not loop.last }}
    {%- endfor %}
),

final as (
    select
        person_id,
        cast({{ openchronic.build_year() }} as integer) as year,
        measure,
        'all' as condition,
        '' as unit_id,
        cast(null as {{ dbt.type_string() }}) as finess,
        cast(case when excl_code is null then num else 0 end as double) as num,
        cast(case when excl_code is null then 1 else 0 end as double) as den,
        excl_code
    from measured
)

select
    person_id,
    year,
    measure,
    condition,
    unit_id,
    finess,
    num,
    den,
    excl_code
from final
