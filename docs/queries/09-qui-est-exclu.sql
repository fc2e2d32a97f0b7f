-- Qui n'est pas compté, et pourquoi : les motifs d'exclusion d'un indicateur, en clair.
-- 'counted' est le nombre d'unités comptées ; la part est rapportée à toutes les unités examinées.
select
    exclusion.year as annee,
    exclusion.exclusion_code as code,
    coalesce(motif.label_fr, 'Comptées') as motif,
    exclusion.unit_count as unites,
    exclusion.person_count as personnes,
    round(
        100.0 * exclusion.unit_count / sum(exclusion.unit_count) over (partition by exclusion.year), 2
    ) as part_pourcent
from indicator_exclusion as exclusion
left join ref_indicator_exclusion as motif
    on motif.indicator_id = exclusion.measure
    and motif.exclusion_code = exclusion.exclusion_code
where exclusion.measure = 'readmission_30d_rh30_like' and exclusion.condition = 'all'
order by annee, unites desc, code;
