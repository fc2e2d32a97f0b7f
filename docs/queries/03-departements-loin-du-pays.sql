-- Départements dont l'intervalle standardisé ne contient pas la valeur du pays.
-- À lire avec prudence : sur cent départements, cinq en sortent par hasard.
with pays as (
    select year, value
    from indicator
    where
        indicator_id = 'treating_doctor'
        and condition = 'all'
        and geo_level = 'country'
        and sex = 'all'
        and age_group = 'all'
        and std_method = 'direct_esp2013'
)

select
    departement.year as annee,
    departement.geo_code as departement,
    ref_department.label as nom,
    round(100 * departement.value, 1) as part,
    round(100 * departement.ci_low, 1) as borne_basse,
    round(100 * departement.ci_high, 1) as borne_haute,
    round(100 * pays.value, 1) as part_du_pays,
    case when departement.ci_low > pays.value then 'au-dessus' else 'en dessous' end as position
from indicator as departement
inner join pays on departement.year = pays.year
left join ref_department on departement.geo_code = ref_department.department
where
    departement.indicator_id = 'treating_doctor'
    and departement.condition = 'all'
    and departement.geo_level = 'department'
    and departement.sex = 'all'
    and departement.age_group = 'all'
    and departement.std_method = 'direct_esp2013'
    and (departement.ci_low > pays.value or departement.ci_high < pays.value)
order by annee, abs(departement.value - pays.value) desc, departement;
