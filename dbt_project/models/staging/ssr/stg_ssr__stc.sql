{#
    Billing of public SSR stays.
    Names only: values, sentinels included, are as delivered. Grain: one row of T_SSRaaSTC.
#}
select
    _table_year as table_year,
    eta_num as finess,
    rha_num as stay_number_ssr,
    tot_mnt_am as total_amount,
    rem_bas_mnt as base_amount,
    _source_file as source_file,
    _source_line as source_line
from {{ source('snds', 't_ssraastc') }}
