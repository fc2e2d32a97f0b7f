{# DuckDB keeps what a model did in a transaction until it is told; Spark has none. #}
{% macro end_transaction() %}
    {{ return(adapter.dispatch('end_transaction', 'openchronic')()) }}
{% endmacro %}

{% macro duckdb__end_transaction() %}
    {% do adapter.commit() %}
{% endmacro %}

{% macro spark__end_transaction() %}
{% endmacro %}
