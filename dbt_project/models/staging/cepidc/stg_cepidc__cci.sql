{#
    Deaths of CépiDc, one row a certificate.
    Names only: values, sentinels included, are as delivered. Grain: one row of KI_CCI_R.
#}
select
    dcd_idt_enc as death_pseudonym,
    dcd_idt_top as is_matched_code,
    ben_idt_ano as person_pseudonym,
    ben_nir_ano as own_nir_pseudonym,
    ben_dcd_dte as death_date,
    dcd_cim_cod as initial_cause_cim10,
    _key_status as key_status,
    _source_file as source_file,
    _source_line as source_line
from {{ source('snds', 'ki_cci_r') }}
