-- Des mesures aux indicateurs : le suivi du diabète selon le quintile de défavorisation de la
-- commune, à partir des lignes individuelles (une somme de num sur une somme de den).
select
    mesure.year as annee,
    coalesce(cast(personne.deprivation_quintile as varchar), 'inconnu') as quintile,
    sum(mesure.num) as numerateur,
    sum(mesure.den) as denominateur,
    round(100 * sum(mesure.num) / nullif(sum(mesure.den), 0), 1) as pour_cent,
    count(*) filter (mesure.excl_code is not null) as exclus
from measure_diabetes_care as mesure
inner join person_year as personne
    on mesure.person_id = personne.person_id
    and mesure.year = personne.year
where mesure.measure = 'dm_hba1c_3'
group by mesure.year, personne.deprivation_quintile
order by annee, quintile;
