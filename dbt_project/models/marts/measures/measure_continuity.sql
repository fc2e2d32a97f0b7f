{#
    Continuity of care: whether a person's contacts of the year stay with the same doctors.
    Rule: scores of int_continuity over the calendar year. With all doctors, people of 4 contacts or
    more; with general practitioners alone, of 3 or more. Left out, in this order: everybody where
    claims of the year are not delivered to its end, who was not observed all of it, who has too
    few contacts. As the scores depend on the number of contacts,
    continuity_coc_by_visits tells the median by stratum of it (the condition of the row). Who has
    no contact of a known doctor is no row.
    Source: indicators 4.10. Anchor: contact date. Grain: one row a person, measure and stratum.
#}
{{ config(
    materialized='yearly',
    unique_key=['person_id', 'measure', 'condition', 'unit_id'],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

with whole_year as (
    select count(*) > 0 as is_delivered
    from {{ ref('int_delivered_year') }}
    where year = {{ openchronic.build_year() }} and has_claims_to_end
),

scored as (
    select
        score.person_id,
        score.scope,
        score.visit_count,
        score.upc,
        score.coc,
        score.secon,
        score.mmci,
        case
            when not whole_year.is_delivered then 'no_follow_up'
            when not person.is_fully_observed then 'not_fully_observed'
            when
                score.visit_count
                < case score.scope when 'all_doctors' then 4 else 3 end
                then 'few_visits'
        end as excl_code
    from {{ ref('int_continuity') }} as score
    inner join {{ ref('person_year') }} as person on score.person_id = person.person_id
    cross join whole_year
    where
        score.year = {{ openchronic.build_year() }}
        and person.year = {{ openchronic.build_year() }}
        and person.is_consumer
),

measured as (
    {%- for measure, scope, column in [
        ('continuity_upc', 'all_doctors', 'upc'),
        ('continuity_coc', 'all_doctors', 'coc'),
        ('continuity_secon', 'all_doctors', 'secon'),
        ('continuity_mmci', 'all_doctors', 'mmci'),
        ('continuity_gp_upc', 'general_practitioner', 'upc'),
        ('continuity_gp_coc', 'general_practitioner', 'coc'),
    ] %}
    select person_id, '{{ measure }}' as measure, 'all' as condition, {{ column }} as score, excl_code
    from scored
    where scope = '{{ scope }}'

    union all
    {% endfor %}
    select
        person_id,
        'continuity_coc_by_visits' as measure,
        case
            when visit_count <= 5 then 'visits_04_05'
            when visit_count <= 9 then 'visits_06_09'
            when visit_count <= 19 then 'visits_10_19'
            else 'visits_20_or_more'
        end as condition,
        coc as score,
        excl_code
    from scored
    where scope = 'all_doctors' and excl_code is null
),

final as (
    select
        person_id,
        cast({{ openchronic.build_year() }} as integer) as year,
        measure,
        condition,
        '' as unit_id,
        cast(null as {{ dbt.type_string() }}) as finess,
        cast(case when excl_code is null then score else 0 end as double) as num,
        cast(case when excl_code is null then 1 else 0 end as double) as den,
        excl_code
    from measured
)

select * from final
