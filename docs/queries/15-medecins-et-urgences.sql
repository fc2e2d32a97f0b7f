-- Soins de premier recours et urgences, par département : corrélation des deux taux, chaque année.
-- Une corrélation entre territoires ne dit rien des personnes, ni de la cause.
with taux as (
    select
        year,
        geo_code,
        max(case when indicator_id = 'gp_contact_rate' then value end) as contacts,
        max(case when indicator_id = 'ed_visit_rate' then value end) as passages
    from indicator
    where
        indicator_id in ('gp_contact_rate', 'ed_visit_rate')
        and condition = 'all'
        and geo_level = 'department'
        and geo_code <> 'unknown'
        and sex = 'all'
        and age_group = 'all'
        and std_method = 'direct_esp2013'
    group by year, geo_code
)

select
    year as annee,
    count(*) as departements,
    round(corr(contacts, passages), 3) as correlation,
    round(regr_slope(passages, contacts), 4) as passages_par_contact
from taux
where contacts is not null and passages is not null
group by year
order by annee;
