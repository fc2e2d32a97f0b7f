-- Évolution d'un indicateur année par année pour la France, avec l'état des données.
-- Une année provisoire n'est pas comparable à une année définitive : l'état est dans la ligne.
select
    year as annee,
    numerator as numerateur,
    denominator as denominateur,
    round(1000 * value, 2) as pour_mille,
    round(1000 * ci_low, 2) as borne_basse,
    round(1000 * ci_high, 2) as borne_haute,
    round(100 * (value / lag(value) over (order by year) - 1), 1) as evolution_pourcent,
    data_state as etat,
    flux_cutoff as dernier_flux,
    absence_reason as motif_absence
from indicator
where
    indicator_id = 'ald_incidence'
    and condition = 'ald'
    and geo_level = 'country'
    and sex = 'all'
    and age_group = 'all'
    and denominator_type = 'consumer_years'
    and std_method = 'none'
order by annee;
