{#
    Every indicator of a year: crude values, quantiles and standardised values, and one row with its
    reason for an indicator of which nothing can be said. Source: indicators 4.0.
    Rule: int_indicator_absence has the last word. Grain: one row an indicator, condition, place, sex,
    age, denominator and standard.
#}
{{ config(
    materialized='yearly',
    unique_key=[
        'indicator_id', 'condition', 'geo_level', 'geo_code', 'sex', 'age_group', 'denominator_type',
        'std_method',
    ],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

with valued as (
    select
        indicator_id, year, condition, geo_level, geo_code, sex, age_group, denominator_type,
        'none' as std_method, unit_count, person_count, excluded_count, numerator, denominator,
        expected, value, ci_low, ci_high, ci_method, absence_reason
    from {{ ref('int_indicator_crude') }}
    where year = {{ openchronic.build_year() }}

    union all

    select
        indicator_id, year, condition, geo_level, geo_code, sex, 'all' as age_group, denominator_type,
        std_method, unit_count, person_count, excluded_count, numerator, denominator,
        expected, value, ci_low, ci_high, ci_method, absence_reason
    from {{ ref('int_indicator_standardised') }}
    where year = {{ openchronic.build_year() }}

    union all

    select
        indicator_id, year, condition, geo_level, geo_code, sex, 'all' as age_group,
        'eligible' as denominator_type, 'none' as std_method, unit_count, person_count,
        excluded_count, cast(null as double) as numerator, cast(unit_count as double) as denominator,
        cast(null as double) as expected, value, ci_low, ci_high, 'order_statistics' as ci_method,
        cast(null as {{ dbt.type_string() }}) as absence_reason
    from {{ ref('int_indicator_quantile') }}
    where year = {{ openchronic.build_year() }}
),

told as (
    select valued.*
    from valued
    left join {{ ref('int_indicator_absence') }} as absence
        on valued.year = absence.year
        and valued.indicator_id = absence.indicator_id
        and valued.denominator_type = absence.denominator_type
    where absence.indicator_id is null

    union all

    select
        absence.indicator_id, absence.year,
        case when indicator.is_of_own_condition then 'own' else 'all' end as condition,
        'country' as geo_level, 'FR' as geo_code, 'all' as sex, 'all' as age_group,
        absence.denominator_type, 'none' as std_method, cast(0 as bigint) as unit_count,
        cast(0 as bigint) as person_count, cast(0 as bigint) as excluded_count,
        cast(null as double) as numerator, cast(null as double) as denominator,
        cast(null as double) as expected, cast(null as double) as value,
        cast(null as double) as ci_low, cast(null as double) as ci_high,
        cast(null as {{ dbt.type_string() }}) as ci_method, absence.absence_reason
    from {{ ref('int_indicator_absence') }} as absence
    inner join {{ ref('ref_indicator') }} as indicator
        on absence.indicator_id = indicator.indicator_id
    where absence.year = {{ openchronic.build_year() }}
)

select
    indicator_id,
    cast({{ openchronic.build_year() }} as integer) as year,
    condition, geo_level, geo_code, sex, age_group, denominator_type, std_method, unit_count,
    person_count, excluded_count, numerator, denominator, expected, value, ci_low, ci_high, ci_method,
    absence_reason
from told
