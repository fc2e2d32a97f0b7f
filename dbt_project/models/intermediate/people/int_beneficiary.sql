{#
    Rows of the referential of beneficiaries and of its archive, the current one speaking first.
    Rule: the archive keeps what IR_BEN_R no longer says. Source: snds_model 3.1.
    Grain: one row of IR_BEN_R or IR_BEN_R_ARC.
#}
{{ config(materialized='view') }}

{%- set columns = [
    'psa', 'birth_rank', 'person_pseudonym', 'person_pseudonym_top', 'own_nir_pseudonym',
    'nir_type', 'sex_code', 'birth_year', 'birth_month', 'death_date',
    'residence_department_snds', 'residence_commune_snds', 'affiliation_body',
    'last_processing_date', 'update_date', 'insert_date', 'key_status', 'source_file',
    'source_line',
] %}

select {{ columns | join(', ') }}, 0 as archive_order
from {{ ref('stg_referential__ben') }}
union all
select {{ columns | join(', ') }}, 1 as archive_order
from {{ ref('stg_referential__ben_arc') }}
