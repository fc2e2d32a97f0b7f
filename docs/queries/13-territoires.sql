-- Territoires fournis par l'utilisateur (fichier OPEN_TERRITORY : territoires de santé, EPCI…) :
-- passages aux urgences, avec l'écart au pays.
select
    territoire.year as annee,
    substr(territoire.geo_level, length('territory:') + 1) as sorte,
    territoire.geo_code as territoire,
    territoire.numerator as passages,
    territoire.value as taux,
    territoire.ci_low as borne_basse,
    territoire.ci_high as borne_haute,
    round(territoire.value / nullif(pays.value, 0), 2) as rapport_au_pays
from indicator as territoire
inner join indicator as pays
    on territoire.indicator_id = pays.indicator_id
    and territoire.year = pays.year
    and territoire.condition = pays.condition
    and territoire.sex = pays.sex
    and territoire.age_group = pays.age_group
    and territoire.denominator_type = pays.denominator_type
    and territoire.std_method = pays.std_method
    and pays.geo_level = 'country'
where
    territoire.indicator_id = 'ed_visit_rate'
    and territoire.geo_level like 'territory:%'
    and territoire.condition = 'all'
    and territoire.sex = 'all'
    and territoire.age_group = 'all'
    and territoire.std_method = 'none'
order by annee, sorte, taux desc nulls last, territoire;
