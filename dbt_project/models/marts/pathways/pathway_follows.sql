{#
    The directly-follows graph of a pathway: which activity comes right after which, how often, in
    how many cases, after how many days.
    Rule: pairs of consecutive steps of a case (int_pathway_step), an activity after itself
    included. Median and ninth decile are interpolated. Counts are internal: nothing under 11 persons
    leaves (docs/pathways.md). Source: indicators of process mining.
    Grain: one row a pathway and pair of activities.
#}
{{ config(
    materialized='history',
    unique_key=['pathway', 'from_activity', 'to_activity'],
    meta={'kind': 'history', 'look_back': 'all', 'look_ahead': 'all', 'reads_referentials': true}
) }}

with paired as (
    select
        person_id,
        pathway,
        activity as from_activity,
        day,
        lead(activity) over (partition by person_id, pathway order by step) as to_activity,
        lead(day) over (partition by person_id, pathway order by step) as next_day
    from {{ ref('int_pathway_step') }}
),

final as (
    select
        pathway,
        from_activity,
        to_activity,
        cast(count(*) as bigint) as event_count,
        cast(count(distinct person_id) as bigint) as case_count,
        -- Whole days: tenths are exact, and engines differ beyond them.
        cast(
            round(percentile_cont(0.5) within group (order by next_day - day), 2) as double
        ) as median_days,
        cast(round(percentile_cont(0.9) within group (order by next_day - day), 2) as double) as p90_days
    from paired
    where to_activity is not null
    group by pathway, from_activity, to_activity
)

select * from final
