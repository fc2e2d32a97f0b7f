{#
    Stays of rehabilitation (SSR), home hospitalisation (HAD) and psychiatry, from their parts:
    weeks, sub-sequences, sequences.
    Rule: a stay is the parts of one year's table that share establishment and stay number, because
    numbers are unique only within a year's table; a stay that goes on at the year's end is
    delivered again the year after, under another number (hospital_episode joins them). Entry comes
    from the first part, exit from the last, diagnoses from the first part that has one; a part that
    repeats a key is counted nowhere. A flag of the parts (group in error, generated) is one of
    the stay only where all have it; a stay is used as long as one of its parts is.
    Source: SNDS schema, keys of the PMSI. What is full hospitalisation: SSR type 1, psychiatry
    forms 01 to 07, nature of care 1 before 2012 [K]; home hospitalisation never is.
    Grain: one row a year, field, establishment and stay number.
#}
{{ config(materialized='view') }}

{%- set fields = [
    {
        'field': 'ssr', 'model': 'int_ssr_week', 'number': 'stay_number_ssr',
        'order': ['week_number'], 'group': 'gme_code', 'form': 'hospitalisation_type',
        'main': 'main_manifestation', 'related': 'etiology',
        'days': "length(replace(replace(concat(coalesce(weekdays_present, ''), coalesce(weekend_days_present, '')), '0', ''), ' ', ''))",
        'half_days': 'cast(null as bigint)',
        'full': "nullif(trim(hospitalisation_type), '') = '1'", 'department': 'residence_department_pmsi',
        'error': 'is_error_group', 'generated': 'is_generated', 'double': 'is_finess_duplicate',
    },
    {
        'field': 'had', 'model': 'int_had_subsequence', 'number': 'stay_number_had',
        'order': ['sequence_number', 'subsequence_number'], 'group': 'ghpc_code', 'form': 'main_care_mode',
        'main': 'main_diagnosis', 'related': 'cast(null as ' ~ dbt.type_string() ~ ')',
        'days': 'subsequence_days', 'half_days': 'cast(null as bigint)',
        'full': 'false', 'department': 'residence_department_pmsi',
        'error': 'is_error_group', 'generated': 'false', 'double': 'is_finess_duplicate',
    },
    {
        'field': 'psy', 'model': 'int_psychiatric_sequence', 'number': 'stay_number_rip',
        'order': ['sequence_number'], 'group': 'cast(null as ' ~ dbt.type_string() ~ ')',
        'form': "coalesce(nullif(trim(activity_form), ''), care_nature)",
        'main': 'main_diagnosis', 'related': 'cast(null as ' ~ dbt.type_string() ~ ')',
        'days': 'days_present', 'half_days': 'half_days_present',
        'full': "case when trim(activity_form) <> '' then lpad(trim(activity_form), 2, '0') in ('01', '02', '03', '04', '05', '06', '07') else lpad(nullif(trim(care_nature), ''), 2, '0') = '01' end",
        'department': 'cast(null as ' ~ dbt.type_string() ~ ')',
        'error': 'false', 'generated': 'false', 'double': 'false',
    },
] %}

{#- The first value of a stay in the order of its parts. -#}
{%- set first_of = "substr(min(lpad(cast(place as " ~ dbt.type_string() ~ "), 5, '0') || %s), 6)" %}

with
{%- for each in fields %}
{{ each.field }}_part as (
    select
        year, finess, {{ each.number }} as stay_number, '{{ each.field }}' as field,
        row_number() over (
            partition by year, finess, {{ each.number }}
            order by {% for column in each.order %}lpad(coalesce({{ column }}, ''), 4, '0') asc, {% endfor %}copy_number asc
        ) as place,
        count(*) over (partition by year, finess, {{ each.number }}) as part_count,
        person_id, person_status, psa, has_chaining, good_returns, entry_date, discharge_date,
        nullif(trim(entry_mode), '') as entry_mode,
        nullif(trim(entry_origin), '') as entry_origin,
        nullif(trim(exit_mode), '') as exit_mode,
        nullif(trim(exit_destination), '') as exit_destination,
        nullif(replace(upper(trim({{ each.main }})), '.', ''), '') as main_diagnosis,
        nullif(replace(upper(trim({{ each.related }})), '.', ''), '') as related_diagnosis,
        {{ each.group }} as group_code,
        nullif(trim({{ each.form }}), '') as care_form,
        cast({{ each.days }} as bigint) as days_present,
        cast({{ each.half_days }} as bigint) as half_days_present,
        {{ each.full }} as is_full,
        cast(age_years as bigint) as age_years,
        case when trim(sex_code) in ('1', '2') then trim(sex_code) end as sex,
        nullif(trim({{ each.department }}), '') as residence_department_pmsi,
        {{ each.double }} as is_finess_duplicate,
        {{ each.error }} as is_error_group,
        {{ each.generated }} as is_generated,
        is_without_key,
        has_bad_return,
        is_used_for_stays,
        is_used_for_persons
    from {{ ref(each.model) }}
    where copy_number = 1
),
{% endfor %}

part as (
    {%- for each in fields %}
    select * from {{ each.field }}_part
    {{- '\n    union all' if not loop.last }}
    {%- endfor %}
),

grouped as (
    select
        year,
        field,
        finess,
        stay_number,
        min(person_id) as person_id,
        min(person_status) as person_status,
        min(psa) as psa,
        bool_and(has_chaining) as has_chaining,
        bool_and(good_returns) as good_returns,
        min(entry_date) as entry_date,
        max(discharge_date) as discharge_date,
        max(case when place = 1 then entry_mode end) as entry_mode,
        max(case when place = 1 then entry_origin end) as entry_origin,
        max(case when place = part_count then exit_mode end) as exit_mode,
        max(case when place = part_count then exit_destination end) as exit_destination,
        {{ first_of | format('main_diagnosis') }} as main_diagnosis,
        {{ first_of | format('related_diagnosis') }} as related_diagnosis,
        {{ first_of | format('group_code') }} as group_code,
        {{ first_of | format('care_form') }} as care_form,
        cast(count(*) as bigint) as part_count,
        cast(sum(days_present) as bigint) as days_present,
        cast(sum(half_days_present) as bigint) as half_days_present,
        bool_or(is_full) as is_full_stay,
        min(age_years) as age_years,
        min(sex) as sex,
        {{ first_of | format('residence_department_pmsi') }} as residence_department_pmsi,
        bool_and(is_finess_duplicate) as is_finess_duplicate,
        bool_and(is_error_group) as is_error_ghm,
        bool_and(is_generated) as is_generated,
        bool_and(is_without_key) as is_without_key,
        bool_and(has_bad_return) as has_bad_return,
        bool_or(is_used_for_stays) as is_used_for_stays,
        bool_or(is_used_for_persons) as is_used_for_persons
    from part
    group by year, field, finess, stay_number
),

final as (
    select
        concat_ws('-', field, cast(year as {{ dbt.type_string() }}), finess, stay_number) as stay_id,
        *
    from grouped
)

select * from final
