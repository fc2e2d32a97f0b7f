{#
    Presentations of drugs.
    Names only: values, sentinels included, are as delivered. Grain: one row of IR_PHA_R.
#}
select
    pha_cip_c13 as cip13,
    pha_prs_ide as cip7,
    pha_cip_ucd as ucd_code,
    pha_atc_cla as atc_class,
    pha_atc_c07 as atc_class_7,
    pha_atc_c03 as atc_class_3,
    pha_nom_pa as substance_label,
    pha_med_nom as drug_label,
    pha_unt_nbr_dses as unit_count,
    pha_cnd_top as pack_size_code,
    _source_file as source_file,
    _source_line as source_line
from {{ source('snds', 'ir_pha_r') }}
