{# Fails when the model is empty although stays meet a condition that should have filled it. #}
{% test not_empty_unless_stays(model, condition) %}
select stays.n
from (select count(*) as n from {{ ref('hospital_stay') }} where {{ condition }}) as stays
cross join (select count(*) as n from {{ model }}) as model_rows
where stays.n > 0 and model_rows.n = 0
{% endtest %}
