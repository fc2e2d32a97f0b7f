{# The families of indicators: each has its table of measures, measure_<family>. A test compares. #}
{% macro measure_families() -%}
    {{ return([
        'adherence',
        'alcohol_care',
        'avoidable_stay',
        'continuity',
        'coordination',
        'diabetes_care',
        'emergency',
        'heart_care',
        'incidence',
        'innovation',
        'mortality',
        'multimorbidity',
        'on_call',
        'polypharmacy',
        'prevalence',
        'prevention',
        'primary_care',
        'readmission',
        'respiratory_care',
        'spend',
        'stroke_kidney_care',
    ]) }}
{%- endmacro %}
