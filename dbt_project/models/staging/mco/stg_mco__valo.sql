{#
    Valuation of public MCO stays.
    Names only: values, sentinels included, are as delivered. Grain: one row of T_MCOaaVALO.
#}
select
    _table_year as table_year,
    eta_num as finess,
    rsa_num,
    valo as valuation_code,
    mnt_tot_am as total_amount,
    mnt_ghs_am as ghs_amount,
    taux2 as reimbursement_rate,
    mnt_18 as flat_rate_18_amount,
    mnt_fj2 as daily_charge_amount,
    flag_fides as is_fides_code,
    _source_file as source_file,
    _source_line as source_line
from {{ source('snds', 't_mcoaavalo') }}
