-- Reste à charge après l'assurance maladie obligatoire : moyenne, médiane et neuvième décile,
-- par département. La moyenne dépasse la médiane : quelques personnes portent l'essentiel.
select
    indicator.year as annee,
    ref_department.label as departement,
    max(case when indicator_id = 'spend_rac' then round(value, 2) end) as moyenne,
    max(case when indicator_id = 'spend_rac_median' then round(value, 2) end) as mediane,
    max(case when indicator_id = 'spend_rac_p90' then round(value, 2) end) as neuvieme_decile,
    max(case when indicator_id = 'spend_rac' then round(ci_low, 2) end) as moyenne_basse,
    max(case when indicator_id = 'spend_rac' then round(ci_high, 2) end) as moyenne_haute
from indicator
left join ref_department on indicator.geo_code = ref_department.department
where
    indicator.indicator_id in ('spend_rac', 'spend_rac_median', 'spend_rac_p90')
    and indicator.condition = 'all'
    and indicator.geo_level = 'department'
    and indicator.sex = 'all'
    and indicator.age_group = 'all'
    and indicator.std_method = 'none'
group by indicator.year, ref_department.label
order by annee, moyenne desc nulls last, departement;
