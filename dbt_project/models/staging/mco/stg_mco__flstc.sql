{#
    Outpatient consultations, laboratory acts.
    Names only: values, sentinels included, are as delivered. Grain: one row of T_MCOaaFLSTC.
#}
{{ config(materialized='ephemeral') }}

select
    _table_year as table_year,
    eta_num as finess,
    seq_num as sequence_number,
    nabm_cod as nabm_code,
    act_nbr as quantity,
    del_dat_ent as days_from_entry,
    ann_moi as act_month,
    _source_file as source_file,
    _source_line as source_line
from {{ source('snds', 't_mcoaaflstc') }}
