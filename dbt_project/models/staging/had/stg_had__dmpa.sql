{#
    Diagnoses of the associated mode of care.
    Names only: values, sentinels included, are as delivered. Grain: one row of T_HADaaDMPA.
#}
select
    _table_year as table_year,
    eta_num_epmsi as finess,
    rhad_num as stay_number_had,
    seq_num as sequence_number,
    sseq_num as subsequence_number,
    dgn_ass_mpa as diagnosis_code,
    _source_file as source_file,
    _source_line as source_line
from {{ source('snds', 't_hadaadmpa') }}
