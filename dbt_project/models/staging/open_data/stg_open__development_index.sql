{#
    A development index of regions or departments, from the file that the user supplies.
    Names only: values are as delivered. Grain: one row of OPEN_DEVELOPMENT_INDEX.
#}
select
    annee as index_year,
    niveau as area_level,
    territoire as area_code,
    indice as index_value,
    _source_file as source_file,
    _source_line as source_line
from {{ source('snds', 'open_development_index') }}
