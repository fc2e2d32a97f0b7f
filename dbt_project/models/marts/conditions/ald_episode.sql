{#
    Periods in which a person holds an ALD of a given number.
    Rule: chains of the same person and number are joined when at most 90 days part them, by the
    latest end seen so far; an end before its start counts as its start for that purpose and is
    flagged, not dropped. Chains without any start date cannot be placed and are left out.
    Source: domain decision 4. Anchor: start. Grain: one row an episode.
#}
{{ config(
    materialized='history',
    unique_key=['person_id', 'ald_num', 'start_date'],
    meta={'kind': 'history', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

with placed as (
    select
        *,
        case
            when is_open then date '9999-12-31'
            else greatest(end_date, start_date)
        end as reach
    from {{ ref('int_ald_chain') }}
    where start_date is not null
),

compared as (
    select
        *,
        max(reach) over (
            partition by person_id, ald_num
            order by start_date asc, reach asc, exemption_nature asc, chain_code asc
            rows between unbounded preceding and 1 preceding
        ) as reach_before
    from placed
),

numbered as (
    select
        *,
        sum(
            case
                when reach_before is null then 1
                when {{ openchronic.days_between('reach_before', 'start_date') }} > 90 then 1
                else 0
            end
        ) over (
            partition by person_id, ald_num
            order by start_date asc, reach asc, exemption_nature asc, chain_code asc
            rows between unbounded preceding and current row
        ) as episode
    from compared
),

ranked as (
    select
        *,
        row_number() over (
            partition by person_id, ald_num, episode
            order by start_date asc, reach asc, exemption_nature asc, chain_code asc
        ) as place_first,
        row_number() over (
            partition by person_id, ald_num, episode
            order by
                last_insert_date desc nulls last,
                start_date desc,
                reach desc,
                exemption_nature desc,
                chain_code desc
        ) as place_last
    from numbered
),

grouped as (
    select
        person_id,
        ald_num,
        episode,
        min(start_date) as start_date,
        case when max(case when is_open then 1 else 0 end) = 0 then max(end_date) end as end_date,
        max(case when is_open then 1 else 0 end) = 1 as is_open,
        max(case when is_end_2099 then 1 else 0 end) = 1 as is_end_2099,
        max(case when has_end_before_start then 1 else 0 end) = 1 as has_end_before_start,
        min(first_insert_date) as known_since,
        cast(sum(row_count) as bigint) as row_count,
        cast(count(*) as bigint) as chain_count,
        max(case when place_first = 1 then cim10_first end) as cim10_first,
        max(case when place_last = 1 then cim10_last end) as cim10_last,
        max(case when place_last = 1 then ald_num_delivered end) as ald_num_delivered,
        max(case when place_last = 1 then ald_num_cim10 end) as ald_num_cim10,
        max(case when place_last = 1 then ald_num_source end) as ald_num_source,
        max(case when place_last = 1 then exemption_nature end) as exemption_nature
    from ranked
    group by person_id, ald_num, episode
),

final as (
    select
        person_id,
        ald_num,
        start_date,
        end_date,
        is_open,
        ald_num_delivered,
        ald_num_cim10,
        ald_num_source,
        cast(exemption_nature as integer) as exemption_nature,
        cim10_first,
        cim10_last,
        known_since,
        row_count,
        chain_count,
        is_end_2099,
        has_end_before_start
    from grouped
)

select * from final
