{#
    CCAM acts of SSR weeks.
    Names only: values, sentinels included, are as delivered. Grain: one row of T_SSRaaCCAM.
#}
select
    _table_year as table_year,
    eta_num as finess,
    rha_num as stay_number_ssr,
    rhs_num as week_number,
    ccam_act as ccam_code,
    ccam_cod_act as activity_code,
    ccam_pha_act as phase_code,
    ccam_nbr_rea as act_count,
    ccam_del_ent_um as days_from_entry,
    _source_file as source_file,
    _source_line as source_line
from {{ source('snds', 't_ssraaccam') }}
