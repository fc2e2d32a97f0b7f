{# Fails when the model is empty although the raw table has rows that should have filled it. #}
{% test not_empty_unless(model, source_table, source_where='1 = 1') %}
select raw_rows.n
from (select count(*) as n from {{ source('snds', source_table) }} where {{ source_where }}) as raw_rows
cross join (select count(*) as n from {{ model }}) as model_rows
where raw_rows.n > 0 and model_rows.n = 0
{% endtest %}
