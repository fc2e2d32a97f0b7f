{#
    Which person a pseudonym of the insured stands for when no birth rank is given, as in the PMSI.
    Rule: one only if the pseudonym stands for exactly one person. Twins of the same sex share it;
    attaching their stays to either would be a guess, so they stay without a person, and counted. So
    do those of a pseudonym that also covers a fictitious number or an ambiguous renewal.
    Grain: one row a pseudonym.
#}
{{ config(
    materialized='history',
    unique_key=['psa'],
    meta={'kind': 'history', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

with counted as (
    select
        psa,
        max(person_id) as person_id,
        cast(count(distinct person_id) as bigint) as person_count,
        max(case when is_fictitious then 1 else 0 end) as fictitious,
        max(case when person_id is null and not is_fictitious then 1 else 0 end) as unresolved
    from {{ ref('int_person_key') }}
    group by psa
),

named as (
    select
        psa,
        person_id,
        person_count,
        case
            when unresolved = 1 then 'ambiguous_renewal'
            when person_count > 1 or (person_count = 1 and fictitious = 1) then 'ambiguous_psa'
            when person_count = 1 then 'linked'
            else 'fictitious'
        end as person_status
    from counted
),

final as (
    select
        psa,
        case when person_status = 'linked' then person_id end as person_id,
        person_count,
        person_status
    from named
)

select * from final
