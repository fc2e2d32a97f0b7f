{#
    Outpatient consultations, fees.
    Names only: values, sentinels included, are as delivered. Grain: one row of T_MCOaaFCSTC.
#}
select
    _table_year as table_year,
    eta_num as finess,
    seq_num as sequence_number,
    act_cod as act_code,
    act_coe as coefficient,
    act_nbr as quantity,
    exe_spe as performer_specialty,
    rem_bas as base_amount,
    rem_tau as reimbursement_rate,
    amo_mnr as reimbursed_amount,
    hon_mnt as fee_amount,
    del_dat_ent as days_from_entry,
    _source_file as source_file,
    _source_line as source_line
from {{ source('snds', 't_mcoaafcstc') }}
