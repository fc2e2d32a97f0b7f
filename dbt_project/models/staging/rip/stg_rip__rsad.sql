{#
    Associated diagnoses of psychiatric sequences.
    Names only: values, sentinels included, are as delivered. Grain: one row of T_RIPaaRSAD.
#}
select
    _table_year as table_year,
    eta_num_epmsi as finess,
    rip_num as stay_number_rip,
    seq_seq_num as sequence_number,
    ass_dgn as diagnosis_code,
    _source_file as source_file,
    _source_line as source_line
from {{ source('snds', 't_ripaarsad') }}
