{#
    Residents of departments by sex and age, from the file that the user supplies.
    Names only: values are as delivered. Grain: one row of OPEN_RESIDENT_POPULATION.
#}
select
    annee as population_year,
    departement as department,
    sexe as sex,
    age_min as age_from,
    age_max as age_to,
    population,
    _source_file as source_file,
    _source_line as source_line
from {{ source('snds', 'open_resident_population') }}
