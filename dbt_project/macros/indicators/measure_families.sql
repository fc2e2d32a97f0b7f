{# The families of indicators: each has its table of measures, measure_<family>. A test compares. #}
{% macro measure_families() -%}
    {{ return([
        'adherence',
        'avoidable_stay',
        'diabetes_care',
        'incidence',
        'prevalence',
        'primary_care',
        'readmission',
    ]) }}
{%- endmacro %}
