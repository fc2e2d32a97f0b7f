{#
    Who holds a long-term condition or a disease, as rows of the contract of indicators.
    Rule: `ald_prevalence`, an ALD in force at least one day of the year that the person is alive;
    `ald_prevalence_31_12`, in force and alive on 31 December (both from ald_year); condition
    'ald_01' to 'ald_32', or 'ald', at least one, unresolved numbers (99) included, each person once.
    `pathology_prevalence`, a disease of person_pathology in one version (`multimorbidity_version`): people
    treated, not an epidemiological prevalence. These are consumers of the year, over
    consumers. `ald_prevalence_population` and `ald_prevalence_31_12_population` hold everybody, for
    residents and insured people. The denominator is a population counted elsewhere (`den` is NULL).
    Source: indicators 1.5, 4.1 and 2, domain decisions 5, 6 and 14. Anchor: year.
    Grain: one row a person, measure and condition.
#}
{{ config(
    materialized='yearly',
    unique_key=['person_id', 'measure', 'condition', 'unit_id'],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

with held as (
    select
        person_id,
        case when ald_num between 1 and 32 then ald_num end as ald_num,
        is_prevalent_31_12
    from {{ ref('ald_year') }}
    where year = {{ openchronic.build_year() }} and is_prevalent_period
),

numbered as (
    select person_id, {{ openchronic.ald_condition('ald_num') }} as condition, is_prevalent_31_12
    from held
    where ald_num is not null

    union all

    select
        person_id,
        'ald' as condition,
        max(case when is_prevalent_31_12 then 1 else 0 end) = 1 as is_prevalent_31_12
    from held
    group by person_id
),

counted as (
    select person_id, 'ald_prevalence' as measure, condition
    from numbered

    union all

    select person_id, 'ald_prevalence_31_12' as measure, condition
    from numbered
    where is_prevalent_31_12

    union all

    select
        person_id,
        'pathology_prevalence' as measure,
        case when left(top, 4) = 'top_' then lower(top) else concat('top_', lower(top)) end
            as condition
    from {{ ref('person_pathology') }}
    where
        year = {{ openchronic.build_year() }}
        and carto_version = '{{ var("multimorbidity_version", "G6-like") }}'
),

placed as (
    select counted.person_id, counted.measure, counted.condition
    from counted
    inner join {{ ref('person_year') }} as person_year
        on counted.person_id = person_year.person_id
        and person_year.year = {{ openchronic.build_year() }}
    where person_year.is_consumer

    union all

    select
        counted.person_id,
        concat(counted.measure, '_population') as measure,
        counted.condition
    from counted
    inner join {{ ref('person_year') }} as person_year
        on counted.person_id = person_year.person_id
        and person_year.year = {{ openchronic.build_year() }}
    where counted.measure <> 'pathology_prevalence'
),

final as (
    select
        person_id,
        cast({{ openchronic.build_year() }} as integer) as year,
        measure,
        condition,
        '' as unit_id,
        cast(null as {{ dbt.type_string() }}) as finess,
        cast(1 as double) as num,
        cast(null as double) as den,
        cast(null as {{ dbt.type_string() }}) as excl_code
    from placed
)

select * from final
