{#
    How often people pass from one state to another from a month to the next, before and after the
    index event: cases whose index is incident.
    Rule: pairs of months that both have a state. `before` ends in month 0, `after` begins there.
    Counts are internal: nothing under 11 persons leaves (docs/pathways.md).
    Source: indicators of pathways. Grain: one row a pathway, period and pair of states.
#}
{{ config(
    materialized='history',
    unique_key=['pathway', 'period', 'from_state', 'to_state'],
    meta={'kind': 'history', 'look_back': 'all', 'look_ahead': 'all', 'reads_referentials': true}
) }}

with paired as (
    select
        person_id,
        pathway,
        month_offset,
        state as from_state,
        lead(state) over (partition by person_id, pathway order by month_offset) as to_state
    from {{ ref('pathway_state') }}
    where is_incident
),

counted as (
    select
        pathway,
        case when month_offset < 0 then 'before' else 'after' end as period,
        from_state,
        to_state,
        count(*) as transition_count,
        count(distinct person_id) as person_count
    from paired
    where from_state is not null and to_state is not null
    group by 1, 2, 3, 4
),

final as (
    select
        pathway,
        period,
        from_state,
        to_state,
        cast(transition_count as bigint) as transition_count,
        cast(person_count as bigint) as person_count,
        cast(transition_count as double)
        / cast(sum(transition_count) over (partition by pathway, period, from_state) as bigint)
            as share
    from counted
)

select * from final
