{#
    How unequally spending is spread: mean, median, ninth decile, shares of those who cost most, Gini.
    Rule: people of measure_spend (`spend_reimbursed`, `spend_rac`) who are counted, all together
    ('all'), with at least one ALD in the year ('ald') or none ('no_ald'), and by ALD number. Nothing
    is trimmed. Quantiles interpolate between the two nearest (type 7). The top 5 % and 10 % are the
    ceiling of that share of people. Gini = 2 sum(rank × amount) / (n × total) - (n + 1) / n; with
    negative amounts (`negative_count`) it may exceed 1. Shares and Gini are NULL where the total is
    not positive. Source: indicators 4.2. Anchor: care date.
    Grain: one row a year, measure and condition.
#}
{{ config(
    materialized='yearly',
    unique_key=['measure', 'condition'],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

with amount as (
    select person_id, measure, cast(num as decimal(18, 2)) as amount
    from {{ ref('measure_spend') }}
    where
        year = {{ openchronic.build_year() }}
        and measure in ('spend_reimbursed', 'spend_rac')
        and excl_code is null
),

held as (
    select person_id, condition
    from {{ ref('measure_prevalence') }}
    where year = {{ openchronic.build_year() }} and measure = 'ald_prevalence'
),

told as (
    select person_id, measure, 'all' as condition, amount from amount

    union all

    select amount.person_id, amount.measure, held.condition, amount.amount
    from amount
    inner join held on amount.person_id = held.person_id

    union all

    select amount.person_id, amount.measure, 'no_ald' as condition, amount.amount
    from amount
    left join held on amount.person_id = held.person_id and held.condition = 'ald'
    where held.person_id is null
),

ranked as (
    select
        measure,
        condition,
        amount,
        row_number() over (
            partition by measure, condition order by amount asc, person_id asc
        ) as place,
        count(*) over (partition by measure, condition) as people
    from told
),

-- Ranks around each quantile, in whole numbers: 1 + (n - 1) × q.
placed as (
    select
        *,
        cast(floor((people - 1) / 2.0) as bigint) + 1 as median_place,
        cast((people - 1) / 2.0 as decimal(18, 2)) - floor((people - 1) / 2.0) as median_part,
        cast(floor((people - 1) * 9 / 10.0) as bigint) + 1 as p90_place,
        cast((people - 1) * 9 / 10.0 as decimal(18, 2)) - floor((people - 1) * 9 / 10.0) as p90_part,
        people - cast(ceil(people / 20.0) as bigint) as before_top_5,
        people - cast(ceil(people / 10.0) as bigint) as before_top_10
    from ranked
),

summed as (
    select
        measure,
        condition,
        count(*) as people,
        sum(amount) as total,
        sum(case when amount < 0 then 1 else 0 end) as negatives,
        sum(case when place > before_top_5 then amount else 0 end) as top_5,
        sum(case when place > before_top_10 then amount else 0 end) as top_10,
        sum(cast(place as decimal(12, 0)) * amount) as rank_weighted,
        sum(
            case
                when place = median_place then amount * (1 - median_part)
                when place = median_place + 1 then amount * median_part
                else 0
            end
        ) as median_amount,
        sum(
            case
                when place = p90_place then amount * (1 - p90_part)
                when place = p90_place + 1 then amount * p90_part
                else 0
            end
        ) as p90_amount
    from placed
    group by measure, condition
),

final as (
    select
        measure,
        cast({{ openchronic.build_year() }} as integer) as year,
        condition,
        cast(people as bigint) as person_count,
        cast(negatives as bigint) as negative_count,
        cast(total as decimal(18, 2)) as total_amount,
        cast(total as double) / people as mean_amount,
        cast(median_amount as double) as median_amount,
        cast(p90_amount as double) as p90_amount,
        case when total > 0 then cast(top_5 as double) / cast(total as double) end as share_of_top_5,
        case when total > 0 then cast(top_10 as double) / cast(total as double) end as share_of_top_10,
        case
            when total > 0
                then
                    2 * cast(rank_weighted as double) / (people * cast(total as double))
                    - (people + 1) / cast(people as double)
        end as gini,
        {{ openchronic.population_scope() }} as population_scope
    from summed
)

select * from final
