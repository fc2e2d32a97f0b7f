{# Whether two arrays have an element in common. #}
{% macro arrays_overlap(first, second) %}
    {{- return(adapter.dispatch('arrays_overlap', 'openchronic')(first, second)) -}}
{% endmacro %}

{% macro duckdb__arrays_overlap(first, second) -%}
    list_has_any({{ first }}, {{ second }})
{%- endmacro %}

{% macro spark__arrays_overlap(first, second) -%}
    arrays_overlap({{ first }}, {{ second }})
{%- endmacro %}
