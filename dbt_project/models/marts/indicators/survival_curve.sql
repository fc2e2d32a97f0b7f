{#
    Survival after an acute stay: points of the Kaplan-Meier curve of the year's index stays, all and
    by disease, up to 365 days from discharge.
    Rule: int_index_stay; a death in hospital is at day 0. Somebody is followed until 365 days, the end
    of the data or the end of the years in which the deaths of the scheme are ascertained, whichever
    comes first, and censored there. People whose scheme's deaths are not ascertained in the year of
    discharge, or whose stay begins after a known death, are left out and counted (`excluded_count`).
    survival(t) = product over days up to t of (1 - deaths / at risk). Greenwood's variance; 95 %
    interval on the scale log(-log), NULL where survival is 1 or 0. A point on each day with a death or
    a censoring, and on day 0. `is_death_break`: the follow-up touches 2016, when the linkage of deaths
    changed. Source: domain decision 7. Anchor: year of discharge.
    Grain: one row a condition and day.
#}
{{ config(
    materialized='yearly',
    unique_key=['condition', 'day'],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

with stay as (
    select
        condition,
        days_to_death,
        case
            when is_after_death or days_death_known is null or days_followed is null then null
            when days_followed < days_death_known and days_followed < 365 then days_followed
            when days_death_known < 365 then days_death_known
            else 365
        end as last_day
    from {{ ref('int_index_stay') }}
    where year = {{ openchronic.build_year() }}
),

followed as (
    select
        condition,
        case when days_to_death <= last_day then days_to_death else last_day end as day,
        case when days_to_death <= last_day then 1 else 0 end as is_dead
    from stay
    where last_day is not null
),

total as (
    select
        condition,
        sum(case when last_day is null then 0 else 1 end) as person_count,
        sum(case when last_day is null then 1 else 0 end) as excluded_count
    from stay
    group by condition
),

event as (
    select condition, day, sum(is_dead) as deaths, sum(1 - is_dead) as censored
    from (
        select condition, day, is_dead from followed
        union all
        -- Day 0 is a point of each curve: nobody dies of it.
        select condition, 0 as day, cast(null as integer) as is_dead from total where person_count > 0
    ) as listed
    group by condition, day
),

at_risk as (
    select
        event.condition,
        event.day,
        coalesce(event.deaths, 0) as deaths,
        coalesce(event.censored, 0) as censored,
        total.person_count,
        total.excluded_count,
        total.person_count - coalesce(
            sum(coalesce(event.deaths, 0) + coalesce(event.censored, 0)) over (
                partition by event.condition
                order by event.day
                rows between unbounded preceding and 1 preceding
            ),
            0
        ) as at_risk
    from event
    inner join total on event.condition = total.condition
),

multiplied as (
    select
        *,
        max(case when deaths = at_risk then 1 else 0 end) over (
            partition by condition order by day rows between unbounded preceding and current row
        ) as is_nobody_left,
        sum(
            case
                when deaths > 0 and deaths < at_risk
                    then ln(1 - cast(deaths as double) / cast(at_risk as double))
                else cast(0 as double)
            end
        ) over (
            partition by condition order by day rows between unbounded preceding and current row
        ) as log_survival,
        sum(
            case
                when deaths > 0 and deaths < at_risk
                    then cast(deaths as double)
                    / (cast(at_risk as double) * cast(at_risk - deaths as double))
                else cast(0 as double)
            end
        ) over (
            partition by condition order by day rows between unbounded preceding and current row
        ) as greenwood_sum
    from at_risk
),

final as (
    select
        cast({{ openchronic.build_year() }} as integer) as year,
        condition,
        cast(day as integer) as day,
        cast(at_risk as bigint) as at_risk,
        cast(deaths as bigint) as deaths,
        cast(censored as bigint) as censored,
        case when is_nobody_left = 1 then cast(0 as double) else exp(log_survival) end as survival,
        case
            when is_nobody_left = 1 then cast(0 as double)
            else exp(2 * log_survival) * greenwood_sum
        end as greenwood_variance,
        case
            when is_nobody_left = 0 and log_survival < 0
                then exp(log_survival * exp(1.959964 * sqrt(greenwood_sum) / abs(log_survival)))
        end as ci_low,
        case
            when is_nobody_left = 0 and log_survival < 0
                then exp(log_survival * exp(-1.959964 * sqrt(greenwood_sum) / abs(log_survival)))
        end as ci_high,
        'greenwood_log_log' as ci_method,
        cast(person_count as bigint) as person_count,
        cast(excluded_count as bigint) as excluded_count,
        {{ openchronic.build_year() }} between 2015 and 2016 as is_death_break
    from multiplied
)

select * from final
