{#
    Fails, in a year that this build writes, on each cell of `indicator_prevalence` whose numerator
    is not the number of consumers that this measure counts there. The two rules differ on a consumer
    who died before the holding could count (care billed late) and on an episode whose end precedes
    its start: a cell may differ by as many people as it has of those, and by none elsewhere.
#}
{% test same_prevalence_as_indicator(model) %}
with consumer as (
    select
        int_consumer.person_id,
        int_consumer.year,
        coalesce(int_person.department, 'unknown') as department,
        coalesce(int_person.sex, 'unknown') as sex,
        {{ openchronic.age_group('(int_consumer.year - int_person.birth_year)') }} as age_group
    from {{ ref('int_consumer') }} as int_consumer
    inner join {{ ref('int_person') }} as int_person
        on int_consumer.person_id = int_person.person_id
    where int_consumer.year in ({{ openchronic.years_written(model) }})
),

measured as (
    select
        consumer.year,
        case measure.measure when 'ald_prevalence' then 'period' else 'december_31' end
            as definition,
        case
            when measure.condition = 'ald' then 0
            else cast(right(measure.condition, 2) as integer)
        end as ald_num,
        consumer.department,
        consumer.sex,
        consumer.age_group,
        count(*) as holders
    from {{ model }} as measure
    inner join consumer
        on measure.person_id = consumer.person_id and measure.year = consumer.year
    where measure.measure in ('ald_prevalence', 'ald_prevalence_31_12')
    group by all
),

judged_differently as (
    select
        consumer.year,
        consumer.department,
        consumer.sex,
        consumer.age_group,
        count(distinct consumer.person_id) as people
    from consumer
    inner join {{ ref('ald_episode') }} as ald_episode
        on consumer.person_id = ald_episode.person_id
    left join {{ ref('int_death') }} as int_death on consumer.person_id = int_death.person_id
    where
        ald_episode.end_date < ald_episode.start_date
        or int_death.death_date
        < greatest(ald_episode.start_date, make_date(consumer.year, 1, 1))
    group by all
)

select
    older.year,
    older.definition,
    older.ald_num,
    older.department,
    older.sex,
    older.age_group
from {{ ref('indicator_prevalence') }} as older
left join measured
    on older.year = measured.year
    and older.definition = measured.definition
    and older.ald_num = measured.ald_num
    and older.department = measured.department
    and older.sex = measured.sex
    and older.age_group = measured.age_group
left join judged_differently
    on older.year = judged_differently.year
    and older.department = judged_differently.department
    and older.sex = judged_differently.sex
    and older.age_group = judged_differently.age_group
where
    older.year in ({{ openchronic.years_written(model) }})
    and abs(older.numerator - coalesce(measured.holders, 0))
    > coalesce(judged_differently.people, 0)
{% endtest %}
