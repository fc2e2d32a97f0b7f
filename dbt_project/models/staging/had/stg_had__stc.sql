{#
    Billing of public HAD stays.
    Names only: values, sentinels included, are as delivered. Grain: one row of T_HADaaSTC.
#}
select
    _table_year as table_year,
    eta_num_epmsi as finess,
    rhad_num as stay_number_had,
    tot_mnt_am as total_amount,
    rem_bas_mnt as base_amount,
    _source_file as source_file,
    _source_line as source_line
from {{ source('snds', 't_hadaastc') }}
