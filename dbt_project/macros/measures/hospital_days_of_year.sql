{#
    Body of a CTE of (person_id, hospital_days): nights of the year built that people spent in
    hospital, in any field, overlapping stays once.
#}
{% macro hospital_days_of_year() -%}
    select
        person_id,
        sum(
            {{ openchronic.days_between(
                'greatest(entry_date, ' ~ openchronic.year_start() ~ ')',
                'least(discharge_date, ' ~ openchronic.add_days(openchronic.year_end(), 1) ~ ')',
            ) }}
        ) as hospital_days
    from {{ ref('int_hospital_time') }}
    where
        entry_date <= {{ openchronic.year_end() }}
        and discharge_date > {{ openchronic.year_start() }}
    group by person_id
{%- endmacro %}

{# Body of a CTE of the people with palliative care (Z51.5, any role) in a stay of the year built. #}
{% macro palliative_people() -%}
    select distinct person_id
    from {{ ref('stay_diagnosis') }}
    where
        year = {{ openchronic.build_year() }}
        and diagnosis_code like 'Z515%'
        and person_id is not null
{%- endmacro %}
