-- Écart entre femmes et hommes, pour la France, à structure d'âge égale (standardisation directe).
-- Sexe : 1 = homme, 2 = femme. Le rapport n'est dit que si les deux valeurs le sont.
select
    homme.year as annee,
    ref_indicator.label_fr as indicateur,
    homme.value * ref_indicator.scale as hommes,
    femme.value * ref_indicator.scale as femmes,
    round(femme.value / nullif(homme.value, 0), 3) as rapport_femmes_hommes,
    femme.ci_low > homme.ci_high or femme.ci_high < homme.ci_low as intervalles_disjoints
from indicator as homme
inner join indicator as femme
    on homme.indicator_id = femme.indicator_id
    and homme.year = femme.year
    and homme.condition = femme.condition
    and homme.geo_level = femme.geo_level
    and homme.geo_code = femme.geo_code
    and homme.age_group = femme.age_group
    and homme.denominator_type = femme.denominator_type
    and homme.std_method = femme.std_method
inner join ref_indicator on homme.indicator_id = ref_indicator.indicator_id
where
    homme.sex = '1'
    and femme.sex = '2'
    and homme.geo_level = 'country'
    and homme.condition = 'all'
    and homme.std_method = 'direct_esp2013'
    and homme.value is not null
    and femme.value is not null
order by annee, rapport_femmes_hommes desc nulls last, indicateur;
