{#
    Billing of public psychiatric stays.
    Names only: values, sentinels included, are as delivered. Grain: one row of T_RIPaaSTC.
#}
select
    _table_year as table_year,
    eta_num_epmsi as finess,
    rip_num as stay_number_rip,
    tot_mnt_am as total_amount,
    rem_bas_mnt as base_amount,
    _source_file as source_file,
    _source_line as source_line
from {{ source('snds', 't_ripaastc') }}
