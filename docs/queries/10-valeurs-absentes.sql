-- Ce que la base ne peut pas dire pour la France, et pourquoi : une absence n'est pas un zéro.
select
    indicator.year as annee,
    indicator.family as famille,
    ref_indicator.label_fr as indicateur,
    indicator.condition,
    indicator.denominator_type as denominateur,
    indicator.std_method as standardisation,
    indicator.absence_reason as motif
from indicator
inner join ref_indicator on indicator.indicator_id = ref_indicator.indicator_id
where
    indicator.geo_level = 'country'
    and indicator.sex = 'all'
    and indicator.age_group = 'all'
    and indicator.value is null
order by annee, famille, indicateur, indicator.condition, denominateur, standardisation;
