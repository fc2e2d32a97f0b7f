{# Fails when the cells of a dimension do not add up to all people, cases and common cases. #}
{% test cells_make_the_whole(model) %}
with summed as (
    select
        year, official_version, carto_version, top, dimension,
        sum(person_count) as person_count,
        sum(official_count) as official_count,
        sum(own_count) as own_count,
        sum(both_count) as both_count
    from {{ model }}
    group by year, official_version, carto_version, top, dimension
)

select whole.year, whole.official_version, whole.carto_version, whole.top, part.dimension
from summed as whole
inner join summed as part
    on whole.year = part.year
    and whole.official_version = part.official_version
    and whole.carto_version = part.carto_version
    and whole.top = part.top
where
    whole.dimension = 'all'
    and (
        part.person_count <> whole.person_count
        or part.official_count <> whole.official_count
        or part.own_count <> whole.own_count
        or part.both_count <> whole.both_count
    )
{% endtest %}
