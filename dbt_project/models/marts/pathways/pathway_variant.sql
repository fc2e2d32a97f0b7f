{#
    The variants of a pathway: sequences of activities after the index event, repeats made one, with
    how many cases follow each and how much of the cases the most frequent cover.
    Rule: steps of int_pathway_step, an activity after itself dropped, the first 10 kept [A]
    (`is_cut`). Rank by number of cases, then by the sequence. Counts are internal: nothing under 11
    persons leaves (docs/pathways.md). Source: indicators of process mining.
    Grain: one row a pathway and sequence.
#}
{{ config(
    materialized='history',
    unique_key=['pathway', 'variant'],
    meta={'kind': 'history', 'look_back': 'all', 'look_ahead': 'all', 'reads_referentials': true}
) }}

{%- set steps = openchronic.pathway_parameter('variant_steps') | trim %}

with compared as (
    select
        person_id,
        pathway,
        step,
        activity,
        lag(activity) over (partition by person_id, pathway order by step) as before
    from {{ ref('int_pathway_step') }}
),

collapsed as (
    select
        person_id,
        pathway,
        activity,
        row_number() over (partition by person_id, pathway order by step) as place,
        count(*) over (partition by person_id, pathway) as all_steps
    from compared
    where before is null or before <> activity
),

sequenced as (
    select
        person_id,
        pathway,
        {{ openchronic.text_in_order('activity', 'place', '>') }} as variant,
        count(*) as step_count,
        max(all_steps) > {{ steps }} as is_cut
    from collapsed
    where place <= {{ steps }}
    group by person_id, pathway
),

counted as (
    select
        pathway,
        case when is_cut then concat(variant, '>…') else variant end as variant,
        max(step_count) as step_count,
        is_cut,
        count(*) as case_count
    from sequenced
    group by pathway, variant, is_cut
),

ranked as (
    select
        *,
        row_number() over (partition by pathway order by case_count desc, variant asc)
            as variant_rank,
        cast(sum(case_count) over (partition by pathway) as bigint) as all_cases
    from counted
),

final as (
    select
        pathway,
        variant,
        cast(variant_rank as integer) as variant_rank,
        cast(step_count as integer) as step_count,
        is_cut,
        cast(case_count as bigint) as case_count,
        cast(case_count as double) / all_cases as share,
        cast(sum(case_count) over (
            partition by pathway order by variant_rank
            rows between unbounded preceding and current row
        ) as double) / all_cases as coverage
    from ranked
)

select * from final
