{#
    CCAM acts of psychiatric stays.
    Names only: values, sentinels included, are as delivered. Grain: one row of T_RIPaaCCAM.
#}
select
    _table_year as table_year,
    eta_num_epmsi as finess,
    rip_num as stay_number_rip,
    cdc_act as ccam_code,
    acv_act as activity_code,
    pha_act as phase_code,
    nbr_exe_act as act_count,
    ent_dat_del as days_from_entry,
    _source_file as source_file,
    _source_line as source_line
from {{ source('snds', 't_ripaaccam') }}
