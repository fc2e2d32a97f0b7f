{#
    Whom indicators count in a year, and in which cell: sex, five-year age, department, region, and
    whether they consume.
    Rule: the people of person_year; what is not known of a person makes its own cell ('unknown').
    Residence is that of person_year, the commune of the same source; years observed are days over
    365.25. Source: indicators 4.0, domain decision 6. Grain: one row a person and year.
#}
{{ config(
    materialized='yearly',
    unique_key=['person_id'],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

with final as (
    select
        person_year.person_id,
        cast({{ openchronic.build_year() }} as integer) as year,
        coalesce(person_year.sex, 'unknown') as sex,
        person_year.age_group,
        coalesce(person_year.department, 'unknown') as department,
        coalesce(ref_department.region, 'unknown') as region,
        case
            when person_year.residence_source = 'care' then residence.commune
            else int_person.commune
        end as commune,
        person_year.is_consumer,
        cast(cast(person_year.observed_days as double) / 365.25 as double) as observed_years,
        person_year.population_scope,
        person_year.weight
    from {{ ref('person_year') }} as person_year
    inner join {{ ref('int_person') }} as int_person
        on person_year.person_id = int_person.person_id
    left join {{ ref('int_residence_year') }} as residence
        on person_year.person_id = residence.person_id
        and residence.year = {{ openchronic.build_year() }}
    left join {{ ref('ref_department') }} as ref_department
        on person_year.department = ref_department.department
    where person_year.year = {{ openchronic.build_year() }}
)

select * from final
