{#
    Times during which a person had a substance at home without a break.
    Rule: each day out of hospital takes one day of supply; what is dispensed before the rest is
    used adds to it, up to 120 days at home [A]; in hospital nothing is taken (the clock stands
    still). A break is a day out of hospital with nothing left. `city_end` is the first day not
    covered, on the clock. Source: indicators of adherence. Grain: one row a person, class and run.
#}
{{ config(
    materialized='history',
    unique_key=['person_id', 'atc_class', 'city_start'],
    meta={'kind': 'history', 'look_back': 'all', 'look_ahead': 1, 'reads_referentials': true}
) }}

{%- set stock_max = openchronic.drug_parameter('stock_max') | trim %}

with supplied as (
    select
        person_id,
        atc_class,
        cast(city_day as bigint) * 10000 + least(sum(days_supply), {{ stock_max }}) as packed
    from {{ ref('int_drug_day') }}
    group by person_id, atc_class, city_day
),

folded as (
    select
        person_id,
        atc_class,
        {{ openchronic.carried_supply('cast(packed as bigint)', stock_max) }} as kept
    from supplied
    group by person_id, atc_class
),

listed as (
    select
        person_id,
        atc_class,
        {{ openchronic.explode_list('kept') }} as packed
    from folded
),

dispensed as (
    select
        person_id,
        atc_class,
        cast((packed - packed % 10000) / 10000 as integer) as city_day,
        cast((packed - packed % 10000) / 10000 + packed % 10000 as integer) as city_end
    from listed
),

compared as (
    select
        *,
        lag(city_end) over (partition by person_id, atc_class order by city_day) as end_before
    from dispensed
),

numbered as (
    select
        *,
        sum(case when end_before >= city_day then 0 else 1 end) over (
            partition by person_id, atc_class
            order by city_day
            rows between unbounded preceding and current row
        ) as run
    from compared
),

covered as (
    select
        person_id,
        atc_class,
        min(city_day) as city_start,
        max(city_end) as city_end,
        max(city_end) - 1 as city_last,
        cast(count(*) as integer) as dispensing_count
    from numbered
    group by person_id, atc_class, run
),

bounds as (
    select person_id, city_start as city_day from covered
    union all
    select person_id, city_last as city_day from covered
),

clocked as (
    {{ openchronic.nights_of_city_days('bounds', 'city_day') }}
),

final as (
    select
        covered.person_id,
        covered.atc_class,
        covered.city_start,
        covered.city_end,
        {{ openchronic.date_of_day('covered.city_start + coalesce(first_day.hospital_nights, 0)') }}
            as start_date,
        {{ openchronic.date_of_day('covered.city_last + coalesce(last_day.hospital_nights, 0)') }}
            as end_date,
        covered.dispensing_count
    from covered
    left join clocked as first_day
        on covered.person_id = first_day.person_id and covered.city_start = first_day.city_day
    left join clocked as last_day
        on covered.person_id = last_day.person_id and covered.city_last = last_day.city_day
)

select * from final
