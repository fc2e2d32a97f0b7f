{# Fails when somebody is in a group without any of its members, or has a member and not the group. #}
{% test maximum_of_members(model, top, members) %}
select person_id, year, carto_version
from {{ model }}
where top in ('{{ ([top] + members) | join("', '") }}')
group by person_id, year, carto_version
having
    max(case when top = '{{ top }}' then 1 else 0 end)
    <> max(case when top <> '{{ top }}' then 1 else 0 end)
{% endtest %}
