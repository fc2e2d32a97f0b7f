{#
    Fails on each year that this build writes in which the ALD held are not as many as the episodes in
    force say, person by person: the expected number of rows, from the episodes alone.
#}
{% test holders_of_episodes(model) %}
with written as (
    {{ openchronic.years_written(model) }}
),

expected as (
    select written.year as year_of_row, count(distinct concat_ws('|', episode.person_id, episode.ald_num)) as n
    from written
    inner join {{ ref('ald_episode') }} as episode
        on year(episode.start_date) <= written.year
        and (
            episode.is_open
            or year(greatest(episode.end_date, episode.start_date)) >= written.year
        )
    left join {{ ref('int_death') }} as death on episode.person_id = death.person_id
    where
        death.death_date is null
        or (year(death.death_date) >= written.year and death.death_date >= episode.start_date)
    group by written.year
),

found as (
    select year as year_of_row, count(*) as n from {{ model }} group by year
)

select expected.year_of_row
from expected
left join found on expected.year_of_row = found.year_of_row
where coalesce(found.n, 0) <> expected.n
{% endtest %}
