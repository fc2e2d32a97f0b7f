{# A text as a literal of the engine. #}
{% macro text(value) %}
    {{- return(adapter.dispatch('text', 'openchronic')(value)) -}}
{% endmacro %}

{% macro duckdb__text(value) -%}
    '{{ value | replace("'", "''") }}'
{%- endmacro %}

{% macro spark__text(value) -%}
    '{{ value | replace("\\", "\\\\") | replace("'", "\\'") }}'
{%- endmacro %}
