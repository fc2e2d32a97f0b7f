{#
    Fails when the model is empty although its parent has rows, of those that a condition keeps, that
    should have filled it.
#}
{% test not_empty_where(model, parent, parent_where='1 = 1') %}
select given_rows.n
from (select count(*) as n from {{ parent }} where {{ parent_where }}) as given_rows
cross join (select count(*) as n from {{ model }}) as model_rows
where given_rows.n > 0 and model_rows.n = 0
{% endtest %}
