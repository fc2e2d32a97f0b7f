{#
    CCAM acts of HAD sub-sequences.
    Names only: values, sentinels included, are as delivered. Grain: one row of T_HADaaA.
#}
select
    _table_year as table_year,
    eta_num_epmsi as finess,
    rhad_num as stay_number_had,
    seq_num as sequence_number,
    sseq_num as subsequence_number,
    ccam_cod as ccam_code,
    act_cod as activity_code,
    pha_cod as phase_code,
    real_nbr as act_count,
    del_deb_sseq as days_from_entry,
    _source_file as source_file,
    _source_line as source_line
from {{ source('snds', 't_hadaaa') }}
