-- Les ALD par fréquence : prévalence parmi les consommants, France, dernière année.
select
    ref_condition.ald_num as numero,
    ref_condition.label_fr as ald,
    indicator.numerator as malades,
    round(100 * indicator.value, 3) as pour_cent,
    round(100 * indicator.ci_low, 3) as borne_basse,
    round(100 * indicator.ci_high, 3) as borne_haute,
    rank() over (order by indicator.value desc nulls last) as rang
from indicator
inner join ref_condition on indicator.condition = ref_condition.condition
where
    indicator.indicator_id = 'ald_prevalence'
    and indicator.year = (select max(year) from indicator)
    and ref_condition.ald_num between 1 and 32
    and indicator.geo_level = 'country'
    and indicator.sex = 'all'
    and indicator.age_group = 'all'
    and indicator.denominator_type = 'consumers'
    and indicator.std_method = 'none'
order by rang, numero;
