{#
    Deprivation of communes and departments, from the file that the user supplies.
    Names only: values are as delivered. Grain: one row of OPEN_DEPRIVATION.
#}
select
    annee as index_year,
    territoire as area_code,
    indice as index_value,
    quintile,
    _source_file as source_file,
    _source_line as source_line
from {{ source('snds', 'open_deprivation') }}
