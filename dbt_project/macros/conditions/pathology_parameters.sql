{#
    The part of a filter that lets in the optional criteria whose parameter the user has set in
    `pathology_parameters` (dbt_project.yml).
#}
{% macro pathology_parameters(column) -%}
    {%- for name, is_set in var('pathology_parameters', {}).items() if is_set %} or {{ column }} = '{{ name }}'{% endfor -%}
{%- endmacro %}
