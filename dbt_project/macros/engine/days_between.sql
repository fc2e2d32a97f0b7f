{# Whole days from one date to another, negative when the second comes first. #}
{% macro days_between(first_date, second_date) %}
    {{- return(adapter.dispatch('days_between', 'openchronic')(first_date, second_date)) -}}
{% endmacro %}

{% macro duckdb__days_between(first_date, second_date) -%}
    cast(date_diff('day', {{ first_date }}, {{ second_date }}) as integer)
{%- endmacro %}

{% macro spark__days_between(first_date, second_date) -%}
    cast(datediff({{ second_date }}, {{ first_date }}) as integer)
{%- endmacro %}
