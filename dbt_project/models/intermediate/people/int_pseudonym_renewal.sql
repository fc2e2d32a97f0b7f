{#
    What an old pseudonym became when the provider renewed them, followed to the last epoch.
    Rule: only a pseudonym that became exactly one other is followed; one that became several
    (split) or comes back to itself (cycle) stands for nobody in particular. Three doublings follow
    eight renewals, sixteen years at the usual pace. Source: domain decision 2.
    Grain: one row a kind (psa, person) and old pseudonym.
#}
{{ config(
    materialized='history',
    unique_key=['kind', 'old_key'],
    meta={'kind': 'history', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

with pair as (
    select 'psa' as kind, old_psa as old_key, new_psa as new_key
    from {{ ref('stg_crosswalk__pseudonym') }}
    union all
    select 'person' as kind, old_person_pseudonym as old_key, new_person_pseudonym as new_key
    from {{ ref('stg_crosswalk__pseudonym') }}
),

step_0 as (
    select
        kind,
        old_key,
        case when count(distinct new_key) = 1 then max(new_key) end as new_key,
        count(distinct new_key) > 1 as is_split
    from pair
    where old_key is not null and new_key is not null and old_key <> new_key
    group by kind, old_key
),
{% for step in range(3) %}
step_{{ step + 1 }} as (
    select
        here.kind,
        here.old_key,
        case when further.old_key is null then here.new_key else further.new_key end as new_key,
        here.is_split or coalesce(further.is_split, false) as is_split
    from step_{{ step }} as here
    left join step_{{ step }} as further
        on here.kind = further.kind and here.new_key = further.old_key
),
{% endfor %}
ended as (
    select
        step_3.kind,
        step_3.old_key,
        case when again.old_key is null then step_3.new_key end as new_key,
        step_3.is_split,
        again.old_key is not null as is_cycle
    from step_3
    left join step_0 as again on step_3.kind = again.kind and step_3.new_key = again.old_key
),

final as (
    select
        kind,
        old_key,
        new_key,
        case
            when is_split then 'split'
            when is_cycle then 'cycle'
            when count(*) over (partition by kind, new_key) > 1 then 'merged'
            else 'renewed'
        end as change
    from ended
)

select * from final
