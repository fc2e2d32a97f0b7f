-- Réadmissions observées sur attendues (aux taux du pays par âge et sexe), par région.
-- 1 = comme le pays ; l'intervalle est celui de Byar sur les réadmissions observées.
select
    indicator.year as annee,
    ref_region.label as region,
    indicator.numerator as observees,
    round(indicator.expected, 1) as attendues,
    round(indicator.value, 3) as rapport,
    round(indicator.ci_low, 3) as borne_basse,
    round(indicator.ci_high, 3) as borne_haute,
    indicator.absence_reason as motif_absence
from indicator
left join ref_region on indicator.geo_code = ref_region.region
where
    indicator.indicator_id = 'readmission_30d_rh30_like'
    and indicator.condition = 'all'
    and indicator.geo_level = 'region'
    and indicator.sex = 'all'
    and indicator.std_method = 'indirect_country'
order by annee, rapport desc nulls last, region;
