{#
    The steps of each case after its index event: INDEX on day 0, then what is met on later days,
    within 180 days [A] and the data, in order of day, then of activity.
    Rule: cases whose index is incident. Activities of one day follow each other in the order of
    states (a stay before a visit), death last; care dated after death is no step. Source: indicators of process mining.
    Grain: one row a person, pathway and step.
#}
{{ config(
    materialized='history',
    unique_key=['person_id', 'pathway', 'step'],
    meta={'kind': 'history', 'look_back': 'all', 'look_ahead': 'all', 'reads_referentials': true}
) }}

with event as (
    select
        person_id,
        pathway,
        activity,
        days_since_reference as day,
        min(case when activity = 'DEAD' then days_since_reference end) over (
            partition by person_id, pathway
        ) as death_day
    from {{ ref('pathway_event') }}
    where is_incident
),

listed as (
    select
        person_id,
        pathway,
        'INDEX' as activity,
        0 as day,
        -1 as priority
    from {{ ref('int_pathway_index') }}
    where is_incident

    union all

    select
        person_id,
        pathway,
        activity,
        day,
        case when activity = 'DEAD' then 100 else {{ openchronic.pathway_priority('activity') }} end
            as priority
    from event
    where
        day between 1 and {{ openchronic.pathway_parameter('sequence_days') }}
        and coalesce(day <= death_day, true)
),

final as (
    select
        person_id,
        pathway,
        cast(row_number() over (
            partition by person_id, pathway order by day asc, priority asc
        ) as integer) as step,
        activity,
        cast(day as integer) as day
    from listed
)

select * from final
