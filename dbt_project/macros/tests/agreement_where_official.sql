{# Fails when a year that this build writes has official pathologies of people that we know, and no
   agreement with them. #}
{% test agreement_where_official(model) %}
select official.table_year
from (
    select distinct ind.table_year
    from {{ ref('stg_mapping__ind') }} as ind
    inner join {{ ref('stg_mapping__ide') }} as ide
        on ind.mapping_id = ide.mapping_id and ind.table_year = ide.table_year
    inner join {{ ref('int_person_key') }} as person_key
        on ide.psa = person_key.psa and coalesce(ide.birth_rank, -1) = person_key.birth_rank
    where person_key.person_id is not null
) as official
left join (select distinct year from {{ model }}) as rated on official.table_year = rated.year
where rated.year is null and official.table_year in ({{ openchronic.years_written(model) }})
{% endtest %}
