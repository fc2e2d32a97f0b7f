{#
    Numbers of health professionals by territory, from the file that the user supplies.
    Names only: values are as delivered. Grain: one row of OPEN_PROFESSIONALS.
#}
select
    annee as professional_year,
    profession_sante as profession,
    region,
    departement as department,
    classe_age as age_class,
    libelle_sexe as sex_label,
    effectif as professional_count,
    densite as density,
    _source_file as source_file,
    _source_line as source_line
from {{ source('snds', 'open_professionals') }}
