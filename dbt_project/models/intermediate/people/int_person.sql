{#
    What the referential says of each person.
    Rule: the row updated last speaks, ties in a total order; fictitious NIR are left out. Residence
    is decoded to the INSEE department, overseas by the scheme's own way of writing it; Corsica's
    two departments are told apart by the affiliation body. Source: snds_model D10.
    Grain: one row a person.
#}
{{ config(
    materialized='history',
    unique_key=['person_id'],
    meta={'kind': 'history', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

with named as (
    select
        *,
        {{ openchronic.person_id() }} as named_id
    from {{ ref('int_beneficiary') }}
    where
        (psa is not null or person_pseudonym is not null or own_nir_pseudonym is not null)
        and not {{ openchronic.is_fictitious_nir('nir_type') }}
),

known as (
    select
        case when alias.person_alias is null then named.named_id else alias.person_id end
            as person_id,
        psa,
        birth_rank,
        archive_order,
        update_date,
        last_processing_date,
        insert_date,
        source_file,
        source_line,
        case when sex_code in (1, 2) then cast(sex_code as {{ dbt.type_string() }}) end as sex,
        case when birth_year > 1800 then birth_year end as birth_year,
        case when birth_month between 1 and 12 then birth_month end as birth_month,
        {{ openchronic.known_date('death_date') }} as death_date,
        {{ openchronic.residence_code('residence_department_snds') }} as snds_department,
        {{ openchronic.residence_code('residence_commune_snds') }} as snds_commune,
        nullif(trim(affiliation_body), '') as affiliation_body
    from named
    left join {{ ref('int_person_alias') }} as alias on named.named_id = alias.person_alias
    -- An identifier that was split names nobody.
    where alias.person_alias is null or alias.person_id is not null
),

decoded as (
    select
        person_id,
        psa,
        birth_rank,
        archive_order,
        update_date,
        last_processing_date,
        insert_date,
        source_file,
        source_line,
        sex,
        birth_year,
        birth_month,
        death_date,
        left(affiliation_body, 3) as scheme,
        snds_commune,
        {{ openchronic.residence_department('snds_department', 'snds_commune', 'affiliation_body') }}
            as department_found
    from known
),

ranked as (
    select
        *,
        row_number() over (
            partition by person_id order by {{ openchronic.latest_first() }}
        ) as place,
        first_value(death_date) over (
            partition by person_id
            order by case when death_date is null then 1 else 0 end, {{ openchronic.latest_first() }}
        ) as known_death_date
    from decoded
),

spread as (
    select
        person_id,
        cast(count(*) as bigint) as key_count,
        min({{ openchronic.known_date('insert_date') }}) as known_since,
        coalesce(min(sex) <> max(sex), false) as has_sex_variation,
        coalesce(min(birth_year) <> max(birth_year), false) as has_birth_variation
    from decoded
    group by person_id
),

final as (
    select
        ranked.person_id,
        ranked.sex,
        cast(ranked.birth_year as integer) as birth_year,
        cast(ranked.birth_month as integer) as birth_month,
        ref_department.department,
        {{ openchronic.residence_commune('ref_department.department', 'ranked.snds_commune') }} as commune,
        ranked.scheme,
        ranked.known_death_date as death_date,
        spread.key_count,
        spread.known_since,
        spread.has_sex_variation,
        spread.has_birth_variation
    from ranked
    inner join spread on ranked.person_id = spread.person_id
    left join {{ ref('ref_department') }} as ref_department
        on ranked.department_found = ref_department.department
    where ranked.place = 1 and {{ openchronic.in_panel('ranked.person_id') }}
)

select * from final
