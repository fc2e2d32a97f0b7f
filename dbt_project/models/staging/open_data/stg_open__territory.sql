{#
    Territories of the user's, commune by commune, from the file that the user supplies.
    Names only: values are as delivered. Grain: one row of OPEN_TERRITORY.
#}
select
    type_territoire as territory_kind,
    territoire as territory_code,
    libelle as territory_label,
    commune,
    _source_file as source_file,
    _source_line as source_line
from {{ source('snds', 'open_territory') }}
