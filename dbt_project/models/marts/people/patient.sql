{#
    People with at least one episode of an ALD whose number is known (1 to 32).
    Rule: the main ALD is that of the earliest episode, ties going to the smallest number. People
    whose only episodes are unresolved (99) stay in `person` and `ald_episode`.
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

final as (
    select
        person.person_id,
        person.sex,
        person.birth_year,
        person.birth_month,
        person.department,
        person.scheme,
        summary.ald_main,
        summary.ald_count,
        summary.first_ald_start,
        person.death_date is not null as is_dead,
        person.death_date,
        person.death_source,
        person.first_care_year,
        person.last_care_year
    from summary
    inner join {{ ref('person') }} as person on summary.person_id = person.person_id
)

select * from final
