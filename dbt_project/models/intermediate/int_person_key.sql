{#
    Which person a pair (pseudonym of the insured, birth rank) stands for.
    Rule: the row of IR_BEN_R updated last speaks for the pair. Grain: one row a pair.
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
        {{ openchronic.person_id() }} as person_id,
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
    from {{ ref('stg_referential__ben') }}
    where psa is not null
),

final as (
    select
        psa,
        cast(birth_rank as bigint) as birth_rank,
        case when not is_fictitious then person_id end as person_id,
        person_id_source,
        is_fictitious
    from ranked
    where place = 1
)

select * from final
