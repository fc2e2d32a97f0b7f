{# The conditions of Charlson's index, columns of person_comorbidity; a test holds them to the seed. #}
{% macro charlson_conditions() %}
    {{ return([
        'myocardial_infarction', 'heart_failure', 'peripheral_vascular', 'cerebrovascular',
        'dementia', 'chronic_pulmonary', 'connective_tissue', 'peptic_ulcer', 'mild_liver',
        'diabetes', 'diabetes_complicated', 'paralysis', 'renal', 'malignancy', 'severe_liver',
        'metastatic', 'hiv',
    ]) }}
{% endmacro %}
