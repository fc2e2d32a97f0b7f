{#
    Associated diagnoses of stays.
    Names only: values, sentinels included, are as delivered. Grain: one row of T_MCOaaD.
#}
select
    _table_year as table_year,
    eta_num as finess,
    rsa_num,
    ass_dgn as associated_diagnosis,
    dgn_ass_num as diagnosis_number,
    _source_file as source_file,
    _source_line as source_line
from {{ source('snds', 't_mcoaad') }}
