{#
    Former identifiers of people, and who they are now.
    Rule: BEN_IDT_ANO is first made of the pseudonym and the rank (BEN_IDT_TOP = 0), then of the
    person's own number (1): the former names the same couple, so it is an alias of the latter. An
    identifier of own number that a couple lost says nothing sure and is no alias. Renewals are
    followed; a split or a cycle leaves no person. Source: domain decision 2, snds_model 3.1.
    Grain: one row a former identifier.
#}
{{ config(
    materialized='history',
    unique_key=['person_alias'],
    meta={'kind': 'history', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

with ranked as (
    select
        person_pseudonym,
        person_pseudonym_top,
        first_value(person_pseudonym) over (
            partition by psa, coalesce(birth_rank, -1)
            order by
                case when person_pseudonym is null then 1 else 0 end,
                {{ openchronic.latest_first() }}
        ) as last_pseudonym
    from {{ ref('int_beneficiary') }}
    where psa is not null
),

completed as (
    select
        person_pseudonym as person_alias,
        max(last_pseudonym) as person_id,
        count(distinct last_pseudonym) as target_count
    from ranked
    where
        person_pseudonym is not null
        and person_pseudonym <> last_pseudonym
        and trim(cast(person_pseudonym_top as {{ dbt.type_string() }})) = '0'
    group by person_pseudonym
),

renewal as (
    select old_key, new_key, change
    from {{ ref('int_pseudonym_renewal') }}
    where kind = 'person'
),

final as (
    select
        completed.person_alias,
        case
            when completed.target_count > 1 then null
            when renewal.old_key is null then completed.person_id
            else renewal.new_key
        end as person_id,
        case when completed.target_count > 1 then 'split' else 'own_number' end as change
    from completed
    left join renewal on completed.person_id = renewal.old_key

    union all

    select
        renewal.old_key as person_alias,
        case when completed.person_alias is null then renewal.new_key else completed.person_id end
            as person_id,
        renewal.change
    from renewal
    left join completed on renewal.new_key = completed.person_alias and completed.target_count = 1
    where renewal.old_key not in (select each.person_alias from completed as each)
)

select * from final
