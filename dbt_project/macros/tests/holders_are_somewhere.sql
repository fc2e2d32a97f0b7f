{#
    Fails when somebody alive with an ALD in force in a year that this build writes has no pathology
    that year: a code that no criterion names is one of the other ALD. Cancers that only one sex is
    counted for are left out.
#}
{% test holders_are_somewhere(model) %}
with written as (
    select years.year
    from ({{ openchronic.years_written(model) }}) as years
),

holder as (
    select distinct int_ald_chain.person_id, written.year
    from {{ ref('int_ald_chain') }} as int_ald_chain
    inner join {{ ref('int_person') }} as int_person
        on int_ald_chain.person_id = int_person.person_id
    left join {{ ref('int_death') }} as int_death
        on int_ald_chain.person_id = int_death.person_id
    inner join written
        on year(int_ald_chain.start_date) <= written.year
        and (int_ald_chain.is_open or year(int_ald_chain.end_date) >= written.year)
        and (int_death.death_date is null or year(int_death.death_date) >= written.year)
    where coalesce(left(int_ald_chain.cim10_last, 3), '') not in ('C50', 'C61', 'D05', 'D07')
),

placed as (
    select distinct person_id, year from {{ model }}
)

select holder.person_id, holder.year
from holder
left join placed on holder.person_id = placed.person_id and holder.year = placed.year
where placed.person_id is null
{% endtest %}
