{# The families of indicators: each has its table of measures, measure_<family>. A test compares. #}
{% macro measure_families() -%}
    {{ return([
        'adherence',
        'alcohol_care',
        'avoidable_stay',
        'diabetes_care',
        'incidence',
        'innovation',
        'prevalence',
        'prevention',
        'primary_care',
        'readmission',
    ]) }}
{%- endmacro %}
