{#
    Comorbidity of each person in a year: Charlson's index and counts of chronic diseases.
    Rule: seventeen conditions by the CIM-10 codes of Quan 2005 among the diagnoses (main, of units,
    related, associated) of acute stays that ended in the year, the twelve months before 31 December;
    `has_` says that codes are there, scores count no milder form beside the graver one (liver,
    diabetes, tumour). Weights: Charlson 1987 and Quan 2011. `adapted_`: the same with the code of the
    ALD in force and with drugs and acts, in the manner of Bannay 2016, our encoding [A]. Age adds a
    point a decade from 50 to 80. Multimorbidity counts tops of the cartographie-like version of the
    variable multimorbidity_version. Source: indicators 4.14. Who: consumers of the year and people
    with a pathology. Anchor: year. Grain: one row a person.
#}
{{ config(
    materialized='yearly',
    unique_key=['person_id'],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

{%- set conditions = openchronic.charlson_conditions() %}
{%- set variants = [('stays', 'has_', 'charlson_'), ('adapted', 'adapted_has_', 'adapted_charlson_')] %}

with pathology as (
    select
        person_id,
        cast(sum(case when left(top, 4) = 'top_' then 1 else 0 end) as integer) as top_count,
        cast(sum(case when is_chronic then 1 else 0 end) as integer) as chronic_top_count,
        cast(
            count(distinct case when is_chronic then super_group end) as integer
        ) as chronic_group_count
    from {{ ref('person_pathology') }}
    where
        year = {{ openchronic.build_year() }}
        and carto_version = '{{ var("multimorbidity_version", "G6-like") }}'
    group by person_id
),

person as (
    select person_id from pathology
    union
    select person_id from {{ ref('int_consumer') }} where year = {{ openchronic.build_year() }}
),

met as (
    select distinct fact.person_id, criterion.variant, criterion.condition
    from {{ ref('int_pathology_fact') }} as fact
    inner join {{ ref('ref_comorbidity_criterion') }} as criterion on fact.fact = criterion.fact
    where
        fact.year = {{ openchronic.build_year() }}
        and (
            fact.date_count >= criterion.min_dates
            or (fact.has_large_pack and fact.date_count >= criterion.min_dates_large_pack)
        )
        and (
            criterion.min_span_days = 0
            or {{ openchronic.days_between('fact.first_date', 'fact.last_date') }}
            >= criterion.min_span_days
        )
),

weighed as (
    select
        met.person_id,
        met.variant,
        met.condition,
        case when graver.person_id is null then comorbidity.weight_1987 else 0 end as points_1987,
        case when graver.person_id is null then comorbidity.weight_2011 else 0 end as points_2011
    from met
    inner join {{ ref('ref_comorbidity') }} as comorbidity
        on met.condition = comorbidity.condition
    left join met as graver
        on met.person_id = graver.person_id
        and met.variant = graver.variant
        and comorbidity.beaten_by = graver.condition
),

scored as (
    select
        person_id,
        {%- for variant, has, score in variants %}
        {%- for condition in conditions %}
        max(case when variant = '{{ variant }}' and condition = '{{ condition }}' then 1 else 0 end)
            as {{ has }}{{ condition }},
        {%- endfor %}
        {%- for weights in ('1987', '2011') %}
        sum(case when variant = '{{ variant }}' then points_{{ weights }} else 0 end)
            as {{ score }}{{ weights }},
        {%- endfor %}
        {%- endfor %}
        count(*) as condition_count
    from weighed
    group by person_id
),

aged as (
    select
        person.person_id,
        {{ openchronic.build_year() }} - int_person.birth_year as age_years
    from person
    left join {{ ref('int_person') }} as int_person on person.person_id = int_person.person_id
),

pointed as (
    select
        person_id,
        case
            when age_years < 0 or age_years > 125 then null
            when age_years < 50 then 0
            when age_years >= 80 then 4
            else cast(floor(age_years / 10) as integer) - 4
        end as age_points
    from aged
),

final as (
    select
        pointed.person_id,
        cast({{ openchronic.build_year() }} as integer) as year,
        {%- for variant, has, score in variants %}
        {%- for condition in conditions %}
        coalesce(scored.{{ has }}{{ condition }} = 1, false) as {{ has }}{{ condition }},
        {%- endfor %}
        {%- for weights in ('1987', '2011') %}
        cast(coalesce(scored.{{ score }}{{ weights }}, 0) as integer) as {{ score }}{{ weights }},
        {%- endfor %}
        {%- endfor %}
        cast(pointed.age_points as integer) as age_points,
        cast(coalesce(scored.charlson_1987, 0) + pointed.age_points as integer)
            as charlson_1987_with_age,
        cast(coalesce(scored.adapted_charlson_1987, 0) + pointed.age_points as integer)
            as adapted_charlson_1987_with_age,
        case
            when coalesce(scored.adapted_charlson_1987, 0) >= 5 then '5+'
            when scored.adapted_charlson_1987 >= 3 then '3-4'
            when scored.adapted_charlson_1987 >= 1 then '1-2'
            else '0'
        end as adapted_charlson_class,
        coalesce(pathology.top_count, 0) as top_count,
        coalesce(pathology.chronic_top_count, 0) as chronic_top_count,
        coalesce(pathology.chronic_group_count, 0) as chronic_group_count,
        coalesce(pathology.chronic_group_count, 0) >= 2 as has_two_groups,
        coalesce(pathology.chronic_group_count, 0) >= 3 as has_three_groups
    from pointed
    left join scored on pointed.person_id = scored.person_id
    left join pathology on pointed.person_id = pathology.person_id
)

select * from final
