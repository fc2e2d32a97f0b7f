{# The name that indicators give to an ALD number: ald_01 to ald_32. #}
{% macro ald_condition(number) -%}
    concat('ald_', lpad(cast({{ number }} as {{ dbt.type_string() }}), 2, '0'))
{%- endmacro %}
