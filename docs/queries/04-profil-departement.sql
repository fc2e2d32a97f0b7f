-- Profil d'un département (ici le 29) : chaque indicateur à côté de sa région et du pays.
-- Seuls les indicateurs pour tous, au dénominateur principal, sans standardisation.
select
    indicator.family as famille,
    ref_indicator.label_fr as indicateur,
    ref_indicator.unit as unite,
    max(case when geo_level = 'department' then value * ref_indicator.scale end) as departement,
    max(case when geo_level = 'department' then ci_low * ref_indicator.scale end) as borne_basse,
    max(case when geo_level = 'department' then ci_high * ref_indicator.scale end) as borne_haute,
    max(case when geo_level = 'region' then value * ref_indicator.scale end) as region,
    max(case when geo_level = 'country' then value * ref_indicator.scale end) as pays,
    max(case when geo_level = 'department' then absence_reason end) as motif_absence
from indicator
inner join ref_indicator on indicator.indicator_id = ref_indicator.indicator_id
inner join ref_indicator_denominator as principal
    on indicator.indicator_id = principal.indicator_id
    and indicator.denominator_type = principal.denominator_type
    and principal.is_main
where
    indicator.year = (select max(year) from indicator)
    and indicator.condition = 'all'
    and indicator.sex = 'all'
    and indicator.age_group = 'all'
    and indicator.std_method = 'none'
    and (
        indicator.geo_level = 'country'
        or (indicator.geo_level = 'department' and indicator.geo_code = '29')
        or (
            indicator.geo_level = 'region'
            and indicator.geo_code = (select region from ref_department where department = '29')
        )
    )
group by all
having count(case when geo_level = 'department' then 1 end) > 0
order by famille, indicateur;
