-- Courbe par âge : prévalence de l'ALD 8 (diabète) parmi les consommants, par sexe, en France.
select
    year as annee,
    sex as sexe,
    age_group as age,
    numerator as malades,
    denominator as consommants,
    round(100 * value, 2) as pour_cent,
    round(100 * ci_low, 2) as borne_basse,
    round(100 * ci_high, 2) as borne_haute
from indicator
where
    indicator_id = 'ald_prevalence'
    and condition = 'ald_08'
    and geo_level = 'country'
    and sex in ('1', '2')
    and (regexp_matches(age_group, '^\d\d-\d\d$') or age_group = '95+')
    and age_group not in ('00-19', '20-39', '40-64', '65-74')
    and denominator_type = 'consumers'
    and std_method = 'none'
order by annee, sexe, age;
