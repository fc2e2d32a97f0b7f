{# What dbt is told of a model's relation: see relation_over_files. #}
{% macro relation_kind() %}
    {{ return(adapter.dispatch('relation_kind', 'openchronic')()) }}
{% endmacro %}

{% macro duckdb__relation_kind() %}
    {{ return('view') }}
{% endmacro %}

{% macro spark__relation_kind() %}
    {{ return('table') }}
{% endmacro %}
