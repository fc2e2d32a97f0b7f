{#
    Insured people of departments by scheme, sex and age, from the file that the user supplies.
    Names only: values are as delivered. Grain: one row of OPEN_INSURED_POPULATION.
#}
select
    annee as population_year,
    departement as department,
    regime as scheme,
    sexe as sex,
    age_min as age_from,
    age_max as age_to,
    effectif as insured_count,
    _source_file as source_file,
    _source_line as source_line
from {{ source('snds', 'open_insured_population') }}
