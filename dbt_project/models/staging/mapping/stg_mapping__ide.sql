{#
    People of the disease mapping.
    Names only: values, sentinels included, are as delivered. Grain: one row of CT_IDE_AAAA_GN.
#}
select
    _table_year as table_year,
    id_carto as mapping_id,
    ben_nir_psa as psa,
    ben_rng_gem as birth_rank,
    version as algorithm_version,
    _key_status as key_status,
    _source_file as source_file,
    _source_line as source_line
from {{ source('snds', 'ct_ide_aaaa_gn') }}
