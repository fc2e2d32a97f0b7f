{#
    Valuation of outpatient consultations.
    Names only: values, sentinels included, are as delivered. Grain: one row of T_MCOaaVALOACE.
#}
select
    _table_year as table_year,
    eta_num as finess,
    seq_num as sequence_number,
    valo as valuation_code,
    mnt_br as base_amount,
    mnt_remb as reimbursed_amount,
    mnt_val as valued_amount,
    fides as is_fides_code,
    _source_file as source_file,
    _source_line as source_line
from {{ source('snds', 't_mcoaavaloace') }}
