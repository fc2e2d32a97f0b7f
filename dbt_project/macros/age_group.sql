{# Five-year age groups 00-04 … 90-94, 95+; 'unknown' where the age is missing or impossible. #}
{% macro age_group(age) -%}
    case
        when {{ age }} is null or {{ age }} < 0 or {{ age }} > 125 then 'unknown'
        when {{ age }} >= 95 then '95+'
        else concat(
            lpad(cast({{ age }} - {{ age }} % 5 as {{ dbt.type_string() }}), 2, '0'),
            '-',
            lpad(cast({{ age }} - {{ age }} % 5 + 4 as {{ dbt.type_string() }}), 2, '0')
        )
    end
{%- endmacro %}
