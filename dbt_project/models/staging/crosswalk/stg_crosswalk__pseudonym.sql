{#
    Crosswalk between two epochs of pseudonyms.
    Names only: values, sentinels included, are as delivered. Grain: one row of PSEUDONYM_CROSSWALK.
#}
select
    old_epoch,
    new_epoch,
    old_nir_psa as old_psa,
    new_nir_psa as new_psa,
    old_idt_ano as old_person_pseudonym,
    new_idt_ano as new_person_pseudonym,
    _source_file as source_file,
    _source_line as source_line
from {{ source('snds', 'pseudonym_crosswalk') }}
