{# Fails on each person and ALD number incident in several years: the first episode begins once. #}
{% test incident_once(model) %}
select person_id, ald_num
from {{ model }}
where is_incident
group by person_id, ald_num
having count(*) > 1
{% endtest %}
