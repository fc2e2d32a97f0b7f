{#
    A whole number from 0 to 255 for a text, the same on every engine and for ever: what is spread
    over parts of people is spread by it.
#}
{% macro cell(text) %}
    {{- return(adapter.dispatch('cell', 'openchronic')(text)) -}}
{% endmacro %}

{% macro duckdb__cell(text) -%}
    cast('0x' || left(md5({{ text }}), 2) as integer)
{%- endmacro %}

{% macro spark__cell(text) -%}
    cast(conv(left(md5({{ text }}), 2), 16, 10) as int)
{%- endmacro %}
