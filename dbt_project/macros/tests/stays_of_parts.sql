{# Fails on each part (diagnosis, procedure) that says it has a stay which hospital_stay has not. #}
{% test stays_of_parts(model, flag) %}
select part.stay_id
from {{ model }} as part
left join {{ ref('hospital_stay') }} as stay
    on part.stay_id = stay.stay_id and part.year = stay.year
where {{ flag }} and stay.stay_id is null
{% endtest %}
