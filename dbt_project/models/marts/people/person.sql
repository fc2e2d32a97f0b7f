{#
    Everybody the deliveries know.
    Rule: identity and residence from the referential's last row, death by priority of sources, and
    the years in which care is seen. Fictitious NIR are nobody. Not a population: the referential
    holds more people than live in the country (domain decision 6). Grain: one row a person.
#}
{{ config(
    materialized='history',
    unique_key=['person_id'],
    meta={'kind': 'history', 'look_back': 'all', 'look_ahead': 'all', 'reads_referentials': true}
) }}

with line as (
    select
        int_person_key.person_id,
        prs.care_year
    from {{ ref('stg_dcir__prs') }} as prs
    inner join {{ ref('int_person_key') }} as int_person_key
        on prs.psa = int_person_key.psa
        and coalesce(prs.birth_rank, -1) = int_person_key.birth_rank
    where
        int_person_key.person_id is not null
        and not {{ openchronic.is_fictitious_nir('prs.nir_type') }}
),

stay as (
    select
        int_psa.person_id,
        chaining.table_year as care_year
    from {{ ref('stg_mco__c') }} as chaining
    inner join {{ ref('int_psa') }} as int_psa on chaining.psa = int_psa.psa
    where int_psa.person_id is not null
),

care as (
    select
        person_id,
        cast(min(care_year) as integer) as first_care_year,
        cast(max(care_year) as integer) as last_care_year
    from (
        select person_id, care_year from line
        union all
        select person_id, care_year from stay
    ) as seen
    group by person_id
),

final as (
    select
        int_person.person_id,
        int_person.sex,
        int_person.birth_year,
        int_person.birth_month,
        int_person.department,
        int_person.scheme,
        int_death.death_date,
        int_death.death_source,
        care.first_care_year,
        care.last_care_year,
        int_person.key_count,
        int_person.has_sex_variation,
        int_person.has_birth_variation
    from {{ ref('int_person') }} as int_person
    left join {{ ref('int_death') }} as int_death on int_person.person_id = int_death.person_id
    left join care on int_person.person_id = care.person_id
)

select * from final
