{#
    Grouping of HAD sub-sequences.
    Names only: values, sentinels included, are as delivered. Grain: one row of T_HADaaGRP.
#}
select
    _table_year as table_year,
    eta_num_epmsi as finess,
    rhad_num as stay_number_had,
    seq_num as sequence_number,
    sseq_num as subsequence_number,
    pap_grp_ghpc as ghpc_code,
    ght_num as tariff_number,
    ght_nbj as tariff_days,
    _source_file as source_file,
    _source_line as source_line
from {{ source('snds', 't_hadaagrp') }}
