{#
    How identifiers of people changed: renewals by the provider with their merges and splits, and
    identifiers of pseudonym and rank completed by the person's own number (BEN_IDT_TOP 0 to 1).
    Rule: all that a crosswalk says, step by step, and where each former identifier ends; a split
    ends nowhere. Source: domain decision 2. Grain: one row a former identifier and what it became.
#}
{{ config(
    materialized='history',
    unique_key=['old_person_id', 'next_person_id', 'old_epoch'],
    meta={'kind': 'history', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

with alias as (
    select person_alias, person_id, change from {{ ref('int_person_alias') }}
),

step as (
    select
        old_person_pseudonym as old_person_id,
        new_person_pseudonym as next_person_id,
        old_epoch,
        new_epoch
    from {{ ref('stg_crosswalk__pseudonym') }}
    where old_person_pseudonym is not null and new_person_pseudonym is not null
    group by old_person_pseudonym, new_person_pseudonym, old_epoch, new_epoch
),

final as (
    select
        step.old_person_id,
        step.next_person_id,
        alias.person_id,
        coalesce(alias.change, 'unchanged') as change,
        'crosswalk' as source,
        step.old_epoch,
        step.new_epoch
    from step
    left join alias on step.old_person_id = alias.person_alias

    union all

    select
        alias.person_alias as old_person_id,
        cast(null as {{ dbt.type_string() }}) as next_person_id,
        alias.person_id,
        alias.change,
        'referential' as source,
        cast(null as {{ dbt.type_string() }}) as old_epoch,
        cast(null as {{ dbt.type_string() }}) as new_epoch
    from alias
    where alias.person_alias not in (select each.old_person_id from step as each)
)

select * from final
where {{ openchronic.in_panel('final.person_id') }}
