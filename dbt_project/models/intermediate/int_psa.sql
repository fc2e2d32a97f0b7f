{#
    Which person a pseudonym of the insured stands for when no birth rank is given, as in the PMSI.
    Rule: one only if the pseudonym stands for exactly one person. Twins of the same sex share it;
    attaching their stays to either would be a guess, so they stay without a person, and counted.
    Grain: one row a pseudonym.
#}
{{ config(
    materialized='history',
    unique_key=['psa'],
    meta={'kind': 'history', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

with final as (
    select
        psa,
        case when count(distinct person_id) = 1 then max(person_id) end as person_id,
        cast(count(distinct person_id) as bigint) as person_count,
        case
            when count(distinct person_id) = 1 then 'linked'
            when count(distinct person_id) > 1 then 'ambiguous_psa'
            else 'fictitious'
        end as person_status
    from {{ ref('int_person_key') }}
    group by psa
)

select * from final
