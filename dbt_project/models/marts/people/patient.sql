{#
    People with at least one episode of an ALD whose number is known (1 to 32), or a long-term disease
    of the cartographie in a year that was built (`is_chronic` of person_pathology: treatments alone,
    acute events, maternity and groups of diseases make no patient).
    Rule: `patient_source` says which of the two; the main ALD is that of the earliest episode, ties
    going to the smallest number, NULL without one. People whose only episodes are unresolved (99)
    and who have no disease stay in `person` and `ald_episode`. Source: architecture 9.
    Grain: one row a patient.
#}
{{ config(
    materialized='history',
    unique_key=['person_id'],
    meta={'kind': 'history', 'look_back': 'all', 'look_ahead': 'all', 'reads_referentials': true}
) }}

with episode as (
    select
        person_id,
        ald_num,
        start_date,
        row_number() over (partition by person_id order by start_date asc, ald_num asc) as place
    from {{ ref('ald_episode') }}
    where ald_num between 1 and 32
),

summary as (
    select
        person_id,
        max(case when place = 1 then ald_num end) as ald_main,
        cast(count(distinct ald_num) as integer) as ald_count,
        min(start_date) as first_ald_start
    from episode
    group by person_id
),

pathology as (
    select
        person_id,
        cast(count(distinct top) as integer) as pathology_count,
        cast(min(year) as integer) as first_pathology_year
    from {{ ref('person_pathology') }}
    where is_chronic
    group by person_id
),

final as (
    select
        person.person_id,
        person.sex,
        person.birth_year,
        person.birth_month,
        person.department,
        person.scheme,
        summary.ald_main,
        coalesce(summary.ald_count, 0) as ald_count,
        summary.first_ald_start,
        person.death_date is not null as is_dead,
        person.death_date,
        person.death_source,
        person.first_care_year,
        person.last_care_year,
        summary.person_id is not null as has_ald,
        pathology.person_id is not null as has_pathology,
        case
            when pathology.person_id is null then 'ald'
            when summary.person_id is null then 'pathology'
            else 'both'
        end as patient_source,
        coalesce(pathology.pathology_count, 0) as pathology_count,
        pathology.first_pathology_year
    from {{ ref('person') }} as person
    left join summary on person.person_id = summary.person_id
    left join pathology on person.person_id = pathology.person_id
    where summary.person_id is not null or pathology.person_id is not null
)

select * from final
