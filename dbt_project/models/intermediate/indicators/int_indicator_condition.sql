{#
    The conditions of each person by which indicators are told.
    Rule: an ALD in force in the year by its resolved number, any ALD ('ald', unresolved numbers
    included) or none ('no_ald'); the pathologies of the version that ref_condition names. Only
    conditions that the catalogue asks for. Everybody ('all') has no row.
    Source: domain decisions 5 and 14. Grain: one row a person, year and condition.
#}
{{ config(
    materialized='yearly',
    unique_key=['person_id', 'condition'],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

with asked as (
    select distinct ref_condition.condition, ref_condition.ald_num, ref_condition.top,
        ref_condition.carto_version
    from {{ ref('ref_indicator_condition') }} as asked
    inner join {{ ref('ref_condition') }} as ref_condition
        on asked.condition = ref_condition.condition
),

holder as (
    select person_id, ald_num
    from {{ ref('ald_year') }}
    where year = {{ openchronic.build_year() }} and is_prevalent_period
),

of_number as (
    select holder.person_id, asked.condition
    from holder
    inner join asked on holder.ald_num = asked.ald_num
    where asked.ald_num > 0
),

of_any as (
    select distinct holder.person_id, asked.condition
    from holder
    cross join asked
    where asked.condition = 'ald'
),

of_none as (
    select person.person_id, asked.condition
    from {{ ref('int_indicator_person') }} as person
    cross join asked
    left join holder on person.person_id = holder.person_id
    where
        person.year = {{ openchronic.build_year() }}
        and asked.condition = 'no_ald'
        and holder.person_id is null
),

of_pathology as (
    select person_pathology.person_id, asked.condition
    from {{ ref('person_pathology') }} as person_pathology
    inner join asked
        on person_pathology.top = asked.top
        and person_pathology.carto_version = asked.carto_version
    where person_pathology.year = {{ openchronic.build_year() }}
),

held as (
    select person_id, condition from of_number
    union all
    select person_id, condition from of_any
    union all
    select person_id, condition from of_none
    union all
    select person_id, condition from of_pathology
),

final as (
    select person_id, cast({{ openchronic.build_year() }} as integer) as year, condition
    from held
)

select * from final
