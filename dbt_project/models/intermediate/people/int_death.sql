{#
    When a person died, which source says so, and of what where a certificate is linked.
    Rule: CépiDc, then IR_BEN_R, then a discharge by death in the PMSI (exit mode 9, the earliest).
    1600-01-01 is unknown, not alive: some schemes never sent deaths. The cause is the initial one of
    the earliest certificate. Source: domain decision 7.
    Only discharges up to a year can tell that somebody was dead at its end, hence the window: no
    look ahead. Grain: one row a person with a known death.
#}
{{ config(
    materialized='history',
    unique_key=['person_id'],
    meta={'kind': 'history', 'look_back': 'all', 'look_ahead': 0, 'reads_referentials': true}
) }}

with certificate_named as (
    select
        case when alias.person_alias is null then death.named_id else alias.person_id end
            as person_id,
        death.death_date,
        death.death_cause
    from (
        select
            coalesce(person_pseudonym, own_nir_pseudonym) as named_id,
            {{ openchronic.known_date('death_date') }} as death_date,
            nullif(replace(upper(trim(initial_cause_cim10)), '.', ''), '') as death_cause
        from {{ ref('stg_cepidc__cci') }}
    ) as death
    left join {{ ref('int_person_alias') }} as alias on death.named_id = alias.person_alias
    where death.named_id is not null
),

certificate_ranked as (
    select
        *,
        row_number() over (
            partition by person_id order by death_date asc nulls last, death_cause asc nulls last
        ) as place
    from certificate_named
),

certificate as (
    select person_id, death_date, death_cause
    from certificate_ranked
    where place = 1
),

discharge as (
    select
        int_psa.person_id,
        min(coalesce(chaining.discharge_date, cast(chaining.care_end_time as date))) as death_date
    from {{ ref('stg_mco__b') }} as stay
    inner join {{ ref('stg_mco__c') }} as chaining
        on stay.table_year = chaining.table_year
        and stay.finess = chaining.finess
        and stay.rsa_num = chaining.rsa_num
    inner join {{ ref('int_psa') }} as int_psa on chaining.psa = int_psa.psa
    where stay.exit_mode = '9' and int_psa.person_id is not null
    group by int_psa.person_id
),

joined as (
    select
        int_person.person_id,
        certificate.death_date as certificate_date,
        certificate.death_cause,
        int_person.death_date as referential_date,
        discharge.death_date as discharge_date
    from {{ ref('int_person') }} as int_person
    left join certificate on int_person.person_id = certificate.person_id
    left join discharge on int_person.person_id = discharge.person_id
),

final as (
    select
        person_id,
        coalesce(certificate_date, referential_date, discharge_date) as death_date,
        case
            when certificate_date is not null then 'cepidc'
            when referential_date is not null then 'referential'
            else 'pmsi'
        end as death_source,
        case when certificate_date is not null then death_cause end as death_cause
    from joined
    where coalesce(certificate_date, referential_date, discharge_date) is not null
)

select * from final
