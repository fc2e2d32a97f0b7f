{#
    Associated diagnoses of SSR weeks.
    Names only: values, sentinels included, are as delivered. Grain: one row of T_SSRaaD.
#}
select
    _table_year as table_year,
    eta_num as finess,
    rha_num as stay_number_ssr,
    rhs_num as week_number,
    dgn_cod as diagnosis_code,
    _source_file as source_file,
    _source_line as source_line
from {{ source('snds', 't_ssraad') }}
