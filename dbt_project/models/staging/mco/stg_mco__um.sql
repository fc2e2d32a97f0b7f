{#
    Passages of stays in medical units.
    Names only: values, sentinels included, are as delivered. Grain: one row of T_MCOaaUM.
#}
select
    _table_year as table_year,
    eta_num as finess,
    rsa_num,
    um_ord_num as unit_number,
    dgn_pal as main_diagnosis,
    dgn_rel as related_diagnosis,
    par_dur_sej as partial_length_of_stay,
    aut_typ1_um as unit_type,
    eta_num_geo as site_finess,
    _source_file as source_file,
    _source_line as source_line
from {{ source('snds', 't_mcoaaum') }}
