{#
    The state of a person in each calendar month around the index event of a pathway, from 24 months
    before to 36 after (month 0 holds the index).
    Rule: the state that wins in the order DEAD > MCO > PSY > SSR > HAD > ED > SPE > GP > NURSE >
    PHARM > NONE among what is met in the month (pathway_event); a stay counts in each month it
    touches, death in its month and all after. A month that the data do not hold (before the first
    flux month, after the last) has no state: `state` NULL, with `missing_reason`; NONE is a month
    that was seen and empty. Source: indicators of pathways. Grain: one row a person, pathway and
    month.
#}
{{ config(
    materialized='history',
    unique_key=['person_id', 'pathway', 'month_offset'],
    meta={'kind': 'history', 'look_back': 'all', 'look_ahead': 'all', 'reads_referentials': true}
) }}

{%- set before = openchronic.pathway_parameter('months_before') | trim | int %}
{%- set after = openchronic.pathway_parameter('months_after') | trim | int %}

with month_offsets as (
    select month_offset
    from (
        values
        {%- for offset in range(-before, after + 1) %}
        ({{ offset }}){{ ',' if not loop.last }}
        {%- endfor %}
    ) as listed (month_offset)
),

event as (
    select
        person_id,
        pathway,
        {{ openchronic.pathway_priority('activity') }} as priority,
        {{ openchronic.month_number('start_date') }} - {{ openchronic.month_number('index_date') }}
            as first_month,
        {{ openchronic.month_number('end_date') }} - {{ openchronic.month_number('index_date') }}
            as last_month
    from {{ ref('pathway_event') }}
    where activity <> 'DEAD'
),

-- Most events touch one month; only stays that touch several are repeated.
met as (
    select person_id, pathway, priority, first_month as month_offset
    from event
    where first_month = last_month
    union all
    select
        event.person_id,
        event.pathway,
        event.priority,
        month_offsets.month_offset
    from event
    inner join month_offsets
        on month_offsets.month_offset between event.first_month and event.last_month
    where event.first_month < event.last_month
),

won as (
    select person_id, pathway, month_offset, min(priority) as priority
    from met
    group by person_id, pathway, month_offset
),

grid as (
    select
        case_index.person_id,
        case_index.pathway,
        case_index.index_date,
        case_index.is_incident,
        month_offsets.month_offset,
        {{ openchronic.month_number('case_index.index_date') }} + month_offsets.month_offset
            as month_at,
        {{ openchronic.month_number('case_index.death_date') }} as death_month,
        {{ openchronic.month_number('case_index.data_start') }} as data_start_month,
        {{ openchronic.month_number('case_index.data_end') }} as data_end_month
    from {{ ref('int_pathway_index') }} as case_index
    cross join month_offsets
),

placed as (
    select
        grid.*,
        won.priority,
        case
            when grid.month_at >= grid.death_month then null
            when grid.month_at < grid.data_start_month then 'before_data'
            when grid.month_at > grid.data_end_month then 'after_data'
        end as missing_reason
    from grid
    left join won
        on grid.person_id = won.person_id
        and grid.pathway = won.pathway
        and grid.month_offset = won.month_offset
),

final as (
    select
        person_id,
        pathway,
        cast(month_offset as integer) as month_offset,
        index_date,
        is_incident,
        case
            when month_at >= death_month then 'DEAD'
            when missing_reason is null
                then {{ openchronic.pathway_of_priority('coalesce(priority, 99)') }}
        end as state,
        missing_reason
    from placed
)

select * from final
