{# Fails when somebody has a top beside one that takes precedence over it, in a year and version. #}
{% test never_together(model, top, others) %}
select person_id, year, carto_version
from {{ model }}
where top in ('{{ ([top] + others) | join("', '") }}')
group by person_id, year, carto_version
having
    max(case when top = '{{ top }}' then 1 else 0 end) = 1
    and max(case when top <> '{{ top }}' then 1 else 0 end) = 1
{% endtest %}
