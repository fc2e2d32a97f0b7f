-- Carte : part des personnes diabétiques avec trois HbA1c dans l'année, par département.
-- Valeur brute et valeur standardisée (population européenne de 2013), avec leurs intervalles.
-- Une valeur absente garde sa ligne et son motif : ne pas la lire comme un zéro.
select
    brut.geo_code as departement,
    ref_department.label as nom,
    round(100 * brut.value, 1) as part_brute,
    round(100 * brut.ci_low, 1) as brute_basse,
    round(100 * brut.ci_high, 1) as brute_haute,
    round(100 * standard.value, 1) as part_standardisee,
    round(100 * standard.ci_low, 1) as standardisee_basse,
    round(100 * standard.ci_high, 1) as standardisee_haute,
    coalesce(brut.absence_reason, standard.absence_reason) as motif_absence
from indicator as brut
left join indicator as standard
    on standard.indicator_id = brut.indicator_id
    and standard.year = brut.year
    and standard.condition = brut.condition
    and standard.geo_level = brut.geo_level
    and standard.geo_code = brut.geo_code
    and standard.sex = brut.sex
    and standard.age_group = brut.age_group
    and standard.denominator_type = brut.denominator_type
    and standard.std_method = 'direct_esp2013'
left join ref_department on brut.geo_code = ref_department.department
where
    brut.indicator_id = 'dm_hba1c_3'
    and brut.year = (select max(year) from indicator)
    and brut.condition = 'all'
    and brut.geo_level = 'department'
    and brut.sex = 'all'
    and brut.age_group = 'all'
    and brut.std_method = 'none'
order by departement;
