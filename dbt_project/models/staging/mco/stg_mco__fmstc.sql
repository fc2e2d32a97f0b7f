{#
    Outpatient consultations, CCAM procedures.
    Names only: values, sentinels included, are as delivered. Grain: one row of T_MCOaaFMSTC.
#}
{{ config(materialized='ephemeral') }}

select
    _table_year as table_year,
    eta_num as finess,
    seq_num as sequence_number,
    ccam_cod as ccam_code,
    acv_act as activity_code,
    pha_act as phase_code,
    del_dat_ent as days_from_entry,
    _source_file as source_file,
    _source_line as source_line
from {{ source('snds', 't_mcoaafmstc') }}
