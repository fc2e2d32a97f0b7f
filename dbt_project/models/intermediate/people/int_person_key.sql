{#
    Which person a pair (pseudonym of the insured, birth rank) stands for.
    Rule: the row updated last speaks for the pair, IR_BEN_R before its archive; its identifier is
    followed to what it is now. A pair of an epoch before the renewal of pseudonyms, absent from the
    referential, is that of the same rank under the new pseudonym, where there is exactly one.
    Grain: one row a pair.
#}
{{ config(
    materialized='history',
    unique_key=['psa', 'birth_rank'],
    meta={'kind': 'history', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

with ranked as (
    select
        psa,
        coalesce(birth_rank, -1) as birth_rank,
        {{ openchronic.person_id() }} as named_id,
        case
            when person_pseudonym is not null then 'ben_idt_ano'
            when own_nir_pseudonym is not null then 'ben_nir_ano'
            else 'psa_and_rank'
        end as person_id_source,
        {{ openchronic.is_fictitious_nir('nir_type') }} as is_fictitious,
        row_number() over (
            partition by psa, coalesce(birth_rank, -1)
            order by {{ openchronic.latest_first() }}
        ) as place
    from {{ ref('int_beneficiary') }}
    where psa is not null
),

delivered as (
    select
        ranked.psa,
        ranked.birth_rank,
        case
            when ranked.is_fictitious then null
            when alias.person_alias is null then ranked.named_id
            else alias.person_id
        end as person_id,
        ranked.person_id_source,
        ranked.is_fictitious
    from ranked
    left join {{ ref('int_person_alias') }} as alias on ranked.named_id = alias.person_alias
    where ranked.place = 1
),

-- Every pseudonym that an old one became, a split one's included: its ranks are known, not its
-- person.
renewed as (
    select
        renewal.old_key as psa,
        target.birth_rank,
        case when max(case when renewal.new_key is null then 1 else 0 end) = 0
            then max(target.person_id)
        end as person_id,
        max(case when target.is_fictitious then 1 else 0 end) = 1 as is_fictitious
    from {{ ref('int_pseudonym_renewal') }} as renewal
    inner join (
        select old_psa, new_psa from {{ ref('stg_crosswalk__pseudonym') }} group by old_psa, new_psa
    ) as step
        on renewal.old_key = step.old_psa
    inner join delivered as target
        on coalesce(renewal.new_key, step.new_psa) = target.psa
    left join delivered as known
        on renewal.old_key = known.psa and target.birth_rank = known.birth_rank
    where renewal.kind = 'psa' and known.psa is null
    group by renewal.old_key, target.birth_rank
),

final as (
    select
        psa,
        cast(birth_rank as bigint) as birth_rank,
        person_id,
        person_id_source,
        is_fictitious
    from delivered
    union all
    select
        psa,
        cast(birth_rank as bigint) as birth_rank,
        person_id,
        'crosswalk' as person_id_source,
        is_fictitious
    from renewed
)

select * from final
