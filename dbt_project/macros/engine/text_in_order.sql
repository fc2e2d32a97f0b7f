{# Texts of a group, joined in the order of whole numbers that differ. An aggregate. #}
{% macro text_in_order(text, place, separator) %}
    {{- return(adapter.dispatch('text_in_order', 'openchronic')(text, place, separator)) -}}
{% endmacro %}

{% macro duckdb__text_in_order(text, place, separator) -%}
    string_agg({{ text }}, '{{ separator }}' order by {{ place }})
{%- endmacro %}

{% macro spark__text_in_order(text, place, separator) -%}
    array_join(
        transform(
            array_sort(collect_list(named_struct('place', {{ place }}, 'said', {{ text }}))),
            each -> each.said
        ),
        '{{ separator }}'
    )
{%- endmacro %}
