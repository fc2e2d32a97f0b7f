{# The families of indicators: each has its table of measures, measure_<family>. A test compares. #}
{% macro measure_families() -%}
    {{ return([
        'adherence',
        'diabetes_care',
        'incidence',
        'prevalence',
        'primary_care',
    ]) }}
{%- endmacro %}
