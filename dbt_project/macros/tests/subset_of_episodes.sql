{# Fails when `patient` is not exactly the people with an episode of a known number. #}
{% test subset_of_episodes(model) %}
with holder as (
    select distinct person_id from {{ ref('ald_episode') }} where ald_num between 1 and 32
)

select coalesce(holder.person_id, patient.person_id) as person_id
from holder
full outer join {{ model }} as patient on holder.person_id = patient.person_id
where holder.person_id is null or patient.person_id is null
{% endtest %}
