-- Réadmissions par établissement, avec le nombre de séjours : points d'un graphique en entonnoir.
-- Bornes à 95 % et 99,8 % autour de la valeur du pays (loi normale) ; usage interne, car les
-- petits effectifs d'un établissement ne sont pas publics.
with pays as (
    select year, value
    from indicator
    where
        indicator_id = 'readmission_30d_rh30_like'
        and condition = 'all'
        and geo_level = 'country'
        and sex = 'all'
        and age_group = 'all'
        and std_method = 'none'
)

select
    etablissement.year as annee,
    etablissement.geo_code as finess,
    etablissement.denominator as sejours,
    etablissement.value as taux,
    pays.value as taux_pays,
    greatest(pays.value - 1.96 * sqrt(pays.value * (1 - pays.value) / etablissement.denominator), 0)
        as entonnoir_95_bas,
    least(pays.value + 1.96 * sqrt(pays.value * (1 - pays.value) / etablissement.denominator), 1)
        as entonnoir_95_haut,
    abs(etablissement.value - pays.value)
        > 3.09 * sqrt(pays.value * (1 - pays.value) / etablissement.denominator) as hors_998
from indicator as etablissement
inner join pays on etablissement.year = pays.year
where
    etablissement.indicator_id = 'readmission_30d_rh30_like'
    and etablissement.condition = 'all'
    and etablissement.geo_level = 'establishment'
    and etablissement.sex = 'all'
    and etablissement.age_group = 'all'
    and etablissement.std_method = 'none'
    and etablissement.denominator > 0
order by annee, sejours desc, finess;
