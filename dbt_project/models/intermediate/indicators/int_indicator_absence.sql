{#
    The indicators of which nothing can be said in a year, and why.
    Rule: the year is outside the years of the definition; the population that the user supplies is
    not there; claims were not delivered to the end of the year, where events of care are counted over a
    population, or a rate over consumers; or no unit was examined. Source: indicators 4.0.
    Grain: one row an indicator and denominator without a value anywhere in the country.
#}
{{ config(
    materialized='yearly',
    unique_key=['indicator_id', 'denominator_type'],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

with asked as (
    select
        indicator.indicator_id,
        indicator.year_from,
        indicator.year_to,
        denominator.denominator_type,
        denominator.denominator_type <> 'eligible'
        and (
            indicator.kind = 'rate' and denominator.denominator_type in ('consumers', 'consumer_years')
            or coalesce(indicator.source_tables like '%care_event%', false)
            or coalesce(indicator.source_tables like '%int_doctor_contact%', false)
            or coalesce(indicator.source_tables like '%drug_dispensing%', false)
            or coalesce(indicator.source_tables like '%emergency_visit%', false)
        ) as needs_whole_year
    from {{ ref('ref_indicator') }} as indicator
    inner join {{ ref('ref_indicator_denominator') }} as denominator
        on indicator.indicator_id = denominator.indicator_id
),

said as (
    select distinct indicator_id, denominator_type
    from {{ ref('int_indicator_crude') }}
    where
        year = {{ openchronic.build_year() }}
        and geo_level = 'country'
        and (absence_reason is null or absence_reason <> 'no_inhabitants')

    union

    select distinct indicator_id, 'eligible' as denominator_type
    from {{ ref('int_indicator_quantile') }}
    where year = {{ openchronic.build_year() }}
),

supplied as (
    select distinct denominator_type
    from {{ ref('int_indicator_population') }}
    where year = {{ openchronic.build_year() }}
),

delivered as (
    select count(*) > 0 as is_whole
    from {{ ref('int_delivered_year') }}
    where year = {{ openchronic.build_year() }} and has_claims_to_end
),

final as (
    select
        asked.indicator_id,
        cast({{ openchronic.build_year() }} as integer) as year,
        asked.denominator_type,
        case
            when
                asked.year_from > {{ openchronic.build_year() }}
                or asked.year_to < {{ openchronic.build_year() }}
                then 'not_defined_in_year'
            when
                asked.denominator_type in ('resident_population', 'insured_population')
                and supplied.denominator_type is null
                then 'population_file_missing'
            when asked.needs_whole_year and not delivered.is_whole
                then 'year_not_delivered_to_its_end'
            else 'no_unit_examined'
        end as absence_reason
    from asked
    cross join delivered
    left join supplied on asked.denominator_type = supplied.denominator_type
    left join said
        on asked.indicator_id = said.indicator_id
        and asked.denominator_type = said.denominator_type
    where said.indicator_id is null or (asked.needs_whole_year and not delivered.is_whole)
)

select * from final
