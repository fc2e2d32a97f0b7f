{# Fails on each row whose columns, together, are not those of a row of another model. #}
{% test subset_of(model, columns, parent) %}
select {{ columns | join(', ') }} from {{ model }}
except
select {{ columns | join(', ') }} from {{ parent }}
{% endtest %}
