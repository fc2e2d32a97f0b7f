{# From one row with a flag a column to one row a flag that is 1: the columns to keep, its name. #}
{% macro unpivot_flags(relation, keep, flags) %}
    {{- return(adapter.dispatch('unpivot_flags', 'openchronic')(relation, keep, flags)) -}}
{% endmacro %}

{% macro duckdb__unpivot_flags(relation, keep, flags) -%}
    select {{ keep | join(', ') }}, flag_name
    from (
        unpivot (select {{ (keep + flags) | join(', ') }} from {{ relation }})
        on {{ flags | join(', ') }} into name flag_name value flag_value
    ) as unpivoted
    where flag_value = 1
{%- endmacro %}

{% macro spark__unpivot_flags(relation, keep, flags) -%}
    select {{ keep | join(', ') }}, flag_name
    from (
        select
            {{ keep | join(', ') }},
            stack({{ flags | length }}{% for flag in flags %}, '{{ flag }}', {{ flag }}{% endfor %})
                as (flag_name, flag_value)
        from {{ relation }}
    ) as unpivoted
    where flag_value = 1
{%- endmacro %}
