{#
    Fails when `patient` is not exactly the people with an episode of a known number or a long-term
    disease.
#}
{% test subset_of_episodes(model) %}
with holder as (
    select person_id from {{ ref('ald_episode') }} where ald_num between 1 and 32
    union
    select person_id from {{ ref('person_pathology') }} where is_chronic
)

select coalesce(holder.person_id, patient.person_id) as person_id
from holder
full outer join {{ model }} as patient on holder.person_id = patient.person_id
where holder.person_id is null or patient.person_id is null
{% endtest %}
