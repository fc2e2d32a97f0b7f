{# Fails when somebody has a part of a pathology and not the whole. #}
{% test part_of(model, top, whole) %}
select person_id, year, carto_version
from {{ model }}
where top in ('{{ top }}', '{{ whole }}')
group by person_id, year, carto_version
having max(case when top = '{{ whole }}' then 1 else 0 end) = 0
{% endtest %}
