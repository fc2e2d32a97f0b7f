{#
    Every indicator of every year under one contract: value, interval, numerator, denominator,
    geography, sex, age, condition, method, and the state of the data.
    Rule: the rows of int_indicator_value with what the catalogue says of the indicator. A value is
    not scaled (a share is between 0 and 1); `scale` is in ref_indicator. Data state:
    provisional, semi-final or final by the last flux month of the build. Source: indicators 4.0.
    Grain: one row an indicator, year, condition, place, sex, age, denominator and standard.
#}
{{ config(
    materialized='history',
    unique_key=[
        'year', 'indicator_id', 'condition', 'geo_level', 'geo_code', 'sex', 'age_group',
        'denominator_type', 'std_method',
    ],
    meta={'kind': 'history', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

with final as (
    select
        told.indicator_id,
        indicator.version,
        indicator.family,
        told.year,
        make_date(told.year, 1, 1) as period_start,
        make_date(told.year, 12, 31) as period_end,
        told.condition,
        told.geo_level,
        told.geo_code,
        told.sex,
        told.age_group,
        told.denominator_type,
        told.std_method,
        indicator.kind,
        indicator.unit,
        indicator.unit_counted,
        told.unit_count,
        told.person_count,
        told.excluded_count,
        told.numerator,
        told.denominator,
        told.expected,
        told.value,
        told.ci_low,
        told.ci_high,
        told.ci_method,
        told.absence_reason,
        {{ openchronic.population_scope() }} as population_scope,
        {{ openchronic.panel_weight() }} as weight,
        {{ openchronic.data_state('told.year', 'flux.flux_cutoff') }} as data_state,
        flux.flux_cutoff,
        indicator.source_tables
    from {{ ref('int_indicator_value') }} as told
    inner join {{ ref('ref_indicator') }} as indicator
        on told.indicator_id = indicator.indicator_id
    cross join plan.flux as flux
)

select * from final
