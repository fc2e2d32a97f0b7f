{#
    Who consumed care in a year: the denominator that deliveries allow.
    Rule: a person to whom the compulsory scheme paid a positive sum over the year, regularisations
    netted, or who left hospital that year, in any field (acute, rehabilitation, at home,
    psychiatry), as the consumers of the cartographie. The referential is never
    a denominator (domain decision 6). Grain: one row a person and year.
#}
{{ config(
    materialized='yearly',
    unique_key=['person_id'],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

with paid as (
    select person_id
    from {{ ref('care_event') }}
    where
        year = {{ openchronic.build_year() }}
        and event_type = 'claim'
        and care_date is not null
        and person_id is not null
    group by person_id
    having
        sum(coalesce(reimbursed_amount, 0) + coalesce(complement_reimbursed_amount, 0)) > 0
),

discharged as (
    select distinct person_id
    from {{ ref('hospital_stay') }}
    where year = {{ openchronic.build_year() }} and person_id is not null
),

final as (
    select
        coalesce(paid.person_id, discharged.person_id) as person_id,
        cast({{ openchronic.build_year() }} as integer) as year,
        paid.person_id is not null as has_reimbursement,
        discharged.person_id is not null as has_stay
    from paid
    full outer join discharged on paid.person_id = discharged.person_id
)

select * from final
