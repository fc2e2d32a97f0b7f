{#
    Treating doctors and use of general practitioners, a consumer of the year at a time.
    Rule: the treating doctor is the one whose declared period (IR_MTT_R) covers 31 December, among
    people of 16 or more that day who are alive; where no referential of treating doctors was
    delivered nobody is counted. The cross-check reads instead whether a line of a contact of the
    year names one (PRS_MTT_NUM). Contacts are those of int_doctor_contact. Nobody is said to have had no
    contact unless the whole year was delivered and the person observed all of it. Rows with `den` NULL are events of the consumers,
    whose time is counted apart. Reasons come in the order in which they are written here.
    Source: domain decisions 6 and 13, indicators 4.9. Anchor: contact date, 31 December.
    Grain: one row a person and measure.
#}
{{ config(
    materialized='yearly',
    unique_key=['person_id', 'measure', 'condition', 'unit_id'],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

with consumer as (
    select person_id, age_years, death_date is not null as is_dead, is_fully_observed
    from {{ ref('person_year') }}
    where year = {{ openchronic.build_year() }} and is_consumer
),

-- A period without a beginning is taken as begun.
declared as (
    select distinct person_id
    from {{ ref('int_treating_doctor') }}
    where
        person_id is not null
        and treating_doctor_id is not null
        and coalesce(start_date, {{ openchronic.year_end() }}) <= {{ openchronic.year_end() }}
        and coalesce(end_date, {{ openchronic.year_end() }}) >= {{ openchronic.year_end() }}
),

delivered as (
    select count(*) > 0 as has_treating_doctors from {{ ref('int_treating_doctor') }}
),

whole_year as (
    select count(*) > 0 as is_delivered
    from {{ ref('int_delivered_year') }}
    where year = {{ openchronic.build_year() }} and has_claims_to_end
),

long_term as (
    select distinct person_id
    from {{ ref('ald_year') }}
    where year = {{ openchronic.build_year() }} and is_prevalent_31_12
),

contact as (
    select
        person_id,
        sum(case when is_general_practitioner then 1 else 0 end) as gp_contacts,
        sum(case when is_general_practitioner and is_teleconsultation then 1 else 0 end)
            as gp_teleconsultations,
        sum(case when is_general_practitioner then 0 else 1 end) as specialist_contacts,
        max(case when names_treating_doctor then 1 else 0 end) as names_treating_doctor
    from {{ ref('int_doctor_contact') }}
    where year = {{ openchronic.build_year() }}
    group by person_id
),

-- Somebody whose age is not known may be 16.
described as (
    select
        consumer.*,
        coalesce(consumer.age_years >= 16, true) as may_declare,
        declared.person_id is not null as has_declared,
        long_term.person_id is not null as has_ald,
        coalesce(contact.gp_contacts, 0) as gp_contacts,
        coalesce(contact.gp_teleconsultations, 0) as gp_teleconsultations,
        coalesce(contact.specialist_contacts, 0) as specialist_contacts,
        contact.names_treating_doctor,
        case
            when not whole_year.is_delivered then 'no_follow_up'
            when not consumer.is_fully_observed then 'not_fully_observed'
        end as unseen_reason,
        case
            when not delivered.has_treating_doctors then 'no_referential'
            when consumer.age_years is null then 'age_unknown'
            when consumer.is_dead then 'died'
        end as undeclared_reason,
        case
            when consumer.age_years is null then 'age_unknown'
            when consumer.is_dead then 'died'
        end as unnamed_reason
    from consumer
    cross join delivered
    cross join whole_year
    left join declared on consumer.person_id = declared.person_id
    left join long_term on consumer.person_id = long_term.person_id
    left join contact on consumer.person_id = contact.person_id
),

measured as (
    select
        person_id,
        'treating_doctor' as measure,
        case when has_declared then 1 else 0 end as num,
        1 as den,
        undeclared_reason as excl_code
    from described
    where may_declare

    union all

    select
        person_id,
        'ald_without_treating_doctor' as measure,
        case when has_declared then 0 else 1 end as num,
        1 as den,
        undeclared_reason as excl_code
    from described
    where may_declare and has_ald

    union all

    select
        person_id,
        'treating_doctor_claims' as measure,
        names_treating_doctor as num,
        1 as den,
        unnamed_reason as excl_code
    from described
    where may_declare and names_treating_doctor is not null

    union all

    select
        person_id,
        'gp_none' as measure,
        case when gp_contacts = 0 then 1 else 0 end as num,
        1 as den,
        unseen_reason as excl_code
    from described

    union all

    select
        person_id,
        'gp_teleconsultation_share' as measure,
        gp_teleconsultations as num,
        gp_contacts as den,
        cast(null as {{ dbt.type_string() }}) as excl_code
    from described
    where gp_contacts > 0

    union all

    select
        person_id,
        'gp_contact_rate' as measure,
        gp_contacts as num,
        cast(null as bigint) as den,
        cast(null as {{ dbt.type_string() }}) as excl_code
    from described
    where gp_contacts > 0

    union all

    select
        person_id,
        'specialist_contact_rate' as measure,
        specialist_contacts as num,
        cast(null as bigint) as den,
        cast(null as {{ dbt.type_string() }}) as excl_code
    from described
    where specialist_contacts > 0
),

final as (
    select
        person_id,
        cast({{ openchronic.build_year() }} as integer) as year,
        measure,
        'all' as condition,
        '' as unit_id,
        cast(null as {{ dbt.type_string() }}) as finess,
        cast(case when excl_code is null then num else 0 end as double) as num,
        cast(case when excl_code is null then den else 0 end as double) as den,
        excl_code
    from measured
)

select * from final
