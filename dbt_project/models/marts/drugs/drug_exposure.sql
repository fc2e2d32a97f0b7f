{#
    Periods in which a person is exposed to a drug class, by three rules.
    `stock`: days with something at home (int_drug_cover), joined when at most 30 days out of
    hospital part them, as an OMOP drug era. `limited`: dispensings follow each other, each counting
    90 days (large pack) or 30, as long as the next comes within 30 days of that end; it begins at
    the dispensing that is the second within 180 days. `unlimited`: begins alike, and never ends
    (end_date NULL; an analysis ends it at death or at the end of its data).
    The class is the ATC level of `drug_era_level` (7 characters, or fewer where no more is known).
    All numbers are parameters [A] (macros/drugs/drug_parameter.sql, docs/drugs.md).
    Source: SCALPEL-Extraction, limited and unlimited exposure; OMOP CDM, drug_era.
    Grain: one row a person, class, rule and period.
#}
{{ config(
    materialized='history',
    unique_key=['person_id', 'exposure_rule', 'atc_class', 'start_date'],
    meta={'kind': 'history', 'look_back': 'all', 'look_ahead': 1, 'reads_referentials': true}
) }}

{%- set level = openchronic.drug_parameter('era_level') | trim %}
{%- set k = openchronic.drug_parameter('first_dispensings') | trim | int %}

with cover as (
    select
        person_id,
        substr(atc_class, 1, {{ level }}) as atc_class,
        city_start,
        city_end,
        start_date,
        end_date,
        dispensing_count,
        max(city_end) over (
            partition by person_id, substr(atc_class, 1, {{ level }})
            order by city_start asc, city_end asc, atc_class asc
            rows between unbounded preceding and 1 preceding
        ) as end_before,
        row_number() over (
            partition by person_id, substr(atc_class, 1, {{ level }})
            order by city_start asc, city_end asc, atc_class asc
        ) as place
    from {{ ref('int_drug_cover') }}
),

cover_numbered as (
    select
        *,
        sum(
            case
                when end_before is null then 1
                when city_start - end_before > {{ openchronic.drug_parameter('era_gap') }} then 1
                else 0
            end
        ) over (
            partition by person_id, atc_class order by place
            rows between unbounded preceding and current row
        ) as era
    from cover
),

stock as (
    select
        person_id,
        'stock' as exposure_rule,
        atc_class,
        min(start_date) as start_date,
        max(end_date) as end_date,
        sum(dispensing_count) as dispensing_count,
        -- What each run adds to those before it.
        sum(greatest(city_end - greatest(city_start, coalesce(end_before, city_start)), 0))
            as covered_days,
        max(city_end) - min(city_start) as city_days
    from cover_numbered
    group by person_id, atc_class, era
),

dispensed as (
    select
        person_id,
        substr(atc_class, 1, {{ level }}) as atc_class,
        dispensing_date,
        max(case when has_large_pack then 1 else 0 end) = 1 as has_large_pack
    from {{ ref('int_drug_day') }}
    group by person_id, substr(atc_class, 1, {{ level }}), dispensing_date
),

counted as (
    select
        *,
        {{ openchronic.day_number('dispensing_date') }} + case
            when has_large_pack then {{ openchronic.drug_parameter('limited_large_pack') }}
            else {{ openchronic.drug_parameter('limited_small_pack') }}
        end as threshold_day,
        lag(dispensing_date, {{ k - 1 }}) over (
            partition by person_id, atc_class order by dispensing_date
        ) as first_of_several
    from dispensed
),

chained as (
    select
        *,
        max(threshold_day) over (
            partition by person_id, atc_class order by dispensing_date
            rows between unbounded preceding and 1 preceding
        ) as threshold_before
    from counted
),

chain_numbered as (
    select
        *,
        sum(
            case
                when threshold_before is null then 1
                when {{ openchronic.day_number('dispensing_date') }}
                    > threshold_before + {{ openchronic.drug_parameter('limited_gap') }} then 1
                else 0
            end
        ) over (
            partition by person_id, atc_class order by dispensing_date
            rows between unbounded preceding and current row
        ) as chain
    from chained
),

chain_started as (
    select
        *,
        min(dispensing_date) over (partition by person_id, atc_class, chain) as chain_start
    from chain_numbered
),

chain_summed as (
    select
        person_id,
        atc_class,
        chain,
        min(case
            when first_of_several >= chain_start
                and {{ openchronic.days_between('first_of_several', 'dispensing_date') }}
                    <= {{ openchronic.drug_parameter('first_window') }}
                then dispensing_date
        end) as start_date,
        max(threshold_day) - 1 as last_day,
        count(*) as dispensing_count
    from chain_started
    group by person_id, atc_class, chain
),

first_started as (
    select
        person_id,
        atc_class,
        min(case
            when {{ openchronic.days_between('first_of_several', 'dispensing_date') }}
                <= {{ openchronic.drug_parameter('first_window') }}
                then dispensing_date
        end) as start_date,
        count(*) as dispensing_count
    from counted
    group by person_id, atc_class
),

exposed as (
    select
        person_id,
        exposure_rule,
        atc_class,
        start_date,
        end_date,
        dispensing_count,
        covered_days,
        city_days
    from stock

    union all

    select
        person_id,
        'limited' as exposure_rule,
        atc_class,
        start_date,
        {{ openchronic.date_of_day('last_day') }} as end_date,
        dispensing_count,
        null as covered_days,
        null as city_days
    from chain_summed
    where start_date is not null

    union all

    select
        person_id,
        'unlimited' as exposure_rule,
        atc_class,
        start_date,
        cast(null as date) as end_date,
        dispensing_count,
        null as covered_days,
        null as city_days
    from first_started
    where start_date is not null
),

final as (
    select
        person_id,
        exposure_rule,
        atc_class,
        start_date,
        end_date,
        cast({{ openchronic.days_between('start_date', 'end_date') }} + 1 as integer) as day_count,
        cast(covered_days as integer) as covered_days,
        cast(city_days - covered_days as integer) as gap_days,
        cast(
            {{ openchronic.days_between('start_date', 'end_date') }} + 1 - city_days as integer
        ) as hospital_days,
        cast(dispensing_count as integer) as dispensing_count
    from exposed
)

select * from final
