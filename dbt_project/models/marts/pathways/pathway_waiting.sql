{#
    Days from the index event (discharge, for a stay) to the first of each kind of care after it.
    Rule: the first event of the kind on a later day, within 36 calendar months; NULL where none
    came before follow-up ended: death, end of the data, or those months (`missing_reason`,
    `follow_up_days`). DEAD is a kind too. Source: indicators of pathways (bottlenecks).
    Grain: one row a person, pathway and activity.
#}
{{ config(
    materialized='history',
    unique_key=['person_id', 'pathway', 'activity'],
    meta={'kind': 'history', 'look_back': 'all', 'look_ahead': 'all', 'reads_referentials': true}
) }}

with kind as (
    select activity
    from (
        values
        {%- for each in openchronic.pathway_activities() %}
        ('{{ each }}'),
        {%- endfor %}
        ('DEAD')
    ) as listed (activity)
),

followed as (
    select
        *,
        {{ openchronic.end_of_month_number(
            openchronic.month_number('index_date') ~ ' + '
            ~ openchronic.pathway_parameter('months_after')
        ) }} as horizon_date
    from {{ ref('int_pathway_index') }}
),

bounded as (
    select
        person_id,
        pathway,
        index_date,
        reference_date,
        is_incident,
        case
            when death_date <= data_end and death_date <= horizon_date then death_date
            else least(data_end, horizon_date)
        end as end_date,
        case
            when death_date <= data_end and death_date <= horizon_date then 'death'
            when data_end <= horizon_date then 'end_of_data'
            else 'end_of_months'
        end as end_reason
    from followed
),

first_met as (
    select
        person_id,
        pathway,
        activity,
        min(days_since_reference) as days_to
    from {{ ref('pathway_event') }}
    where days_since_reference >= 1
    group by person_id, pathway, activity
),

joined as (
    select
        bounded.*,
        kind.activity,
        greatest(
            {{ openchronic.days_between('bounded.reference_date', 'bounded.end_date') }}, 0
        ) as follow_up_days,
        first_met.days_to
    from bounded
    cross join kind
    left join first_met
        on bounded.person_id = first_met.person_id
        and bounded.pathway = first_met.pathway
        and kind.activity = first_met.activity
),

final as (
    select
        person_id,
        pathway,
        activity,
        index_date,
        reference_date,
        is_incident,
        cast(case when days_to <= follow_up_days then days_to end as integer) as days_to,
        cast(follow_up_days as integer) as follow_up_days,
        case when days_to <= follow_up_days then null else end_reason end as missing_reason
    from joined
)

select * from final
