{#
    Fails when the model has fewer rows than its inputs promise: `minimum`, an aggregate over the
    rows of `of`; by default one row if there is any. So no mart is silently empty.
#}
{% test rows_at_least(model, of, minimum='least(count(*), 1)', of_where='1 = 1') %}
select expected.n, model_rows.n as n_model
from (select {{ minimum }} as n from {{ of }} where {{ of_where }}) as expected
cross join (select count(*) as n from {{ model }}) as model_rows
where model_rows.n < expected.n
{% endtest %}
