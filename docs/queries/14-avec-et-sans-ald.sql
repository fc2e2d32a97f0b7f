-- Avec et sans ALD : le même indicateur selon que la personne a une affection de longue durée.
select
    ald.year as annee,
    ref_indicator.label_fr as indicateur,
    ref_indicator.unit as unite,
    ald.value * ref_indicator.scale as avec_ald,
    sans.value * ref_indicator.scale as sans_ald,
    round(ald.value / nullif(sans.value, 0), 2) as rapport
from indicator as ald
inner join indicator as sans
    on ald.indicator_id = sans.indicator_id
    and ald.year = sans.year
    and ald.geo_level = sans.geo_level
    and ald.geo_code = sans.geo_code
    and ald.sex = sans.sex
    and ald.age_group = sans.age_group
    and ald.denominator_type = sans.denominator_type
    and ald.std_method = sans.std_method
inner join ref_indicator on ald.indicator_id = ref_indicator.indicator_id
where
    ald.condition = 'ald'
    and sans.condition = 'no_ald'
    and ald.geo_level = 'country'
    and ald.sex = 'all'
    and ald.age_group = 'all'
    and ald.std_method = 'none'
order by annee, rapport desc nulls last, indicateur, ald.denominator_type;
