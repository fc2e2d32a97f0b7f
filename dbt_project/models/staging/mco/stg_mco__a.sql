{#
    CCAM acts of stays.
    Names only: values, sentinels included, are as delivered. Grain: one row of T_MCOaaA.
#}
select
    _table_year as table_year,
    eta_num as finess,
    rsa_num,
    cdc_act as ccam_code,
    acv_act as activity_code,
    pha_act as phase_code,
    ent_dat_del as days_from_entry,
    nbr_exe_act as act_count,
    _source_file as source_file,
    _source_line as source_line
from {{ source('snds', 't_mcoaaa') }}
