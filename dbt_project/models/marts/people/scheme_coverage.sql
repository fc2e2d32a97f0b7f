{#
    What each scheme's data can say in a year: whether its deaths are known, whether its ALD are.
    Rule: deaths are ascertained by certificates where CépiDc is linked for the year, from 2013 (88 %
    of certificates linked, and fewer before); by the referential where it knows at least one death of
    the scheme in the year; by hospital only, or not at all, elsewhere: some schemes never sent
    deaths. 2016 is a break of the linkage. ALD coverage is what the list of schemes says
    (ref_scheme). Mortality and incidence are told only where these columns allow it.
    Source: domain decisions 5 and 7, snds_model 3.3 and 3.8. Grain: one row a scheme and year.
#}
{{ config(
    materialized='yearly',
    unique_key=['scheme'],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

with person as (
    select
        coalesce(scheme, 'unknown') as scheme,
        is_consumer,
        observed_days,
        case when death_date >= {{ openchronic.year_start() }} then death_source end as death_source,
        case when death_date >= {{ openchronic.year_start() }} then death_cause end as death_cause
    from {{ ref('person_year') }}
    where year = {{ openchronic.build_year() }}
),

counted as (
    select
        scheme,
        cast(count(*) as bigint) as person_count,
        cast(sum(case when is_consumer then 1 else 0 end) as bigint) as consumer_count,
        cast(sum(cast(observed_days as bigint)) as bigint) as observed_days,
        cast(count(death_source) as bigint) as death_count,
        cast(sum(case when death_source = 'cepidc' then 1 else 0 end) as bigint)
            as death_count_cepidc,
        cast(sum(case when death_source = 'referential' then 1 else 0 end) as bigint)
            as death_count_referential,
        cast(sum(case when death_source = 'pmsi' then 1 else 0 end) as bigint) as death_count_pmsi,
        cast(count(death_cause) as bigint) as death_count_with_cause
    from person
    group by scheme
),

-- Certificates come for all schemes at once.
certificate as (
    select sum(death_count_cepidc) as death_count from counted
),

ascertained as (
    select
        counted.*,
        case
            when certificate.death_count > 0 and {{ openchronic.build_year() }} >= 2013
                then 'certificate'
            when counted.death_count_referential > 0 then 'referential'
            when counted.death_count_pmsi > 0 then 'hospital_only'
            else 'none'
        end as death_ascertainment
    from counted
    cross join certificate
),

final as (
    select
        ascertained.scheme,
        cast({{ openchronic.build_year() }} as integer) as year,
        coverage.label_fr as label,
        ascertained.person_count,
        ascertained.consumer_count,
        ascertained.observed_days,
        ascertained.death_count,
        ascertained.death_count_cepidc,
        ascertained.death_count_referential,
        ascertained.death_count_pmsi,
        ascertained.death_count_with_cause,
        ascertained.death_ascertainment,
        ascertained.death_ascertainment in ('certificate', 'referential') as is_death_ascertained,
        {{ openchronic.build_year() }} = 2016 as is_death_break,
        coverage.ald_from_year,
        case
            when ascertained.scheme = 'unknown' then 'scheme_unknown'
            when coverage.scheme_group is null then 'coverage_unknown'
            when coverage.ald_from_year > {{ openchronic.build_year() }} then 'before_coverage'
            when coverage.ald_doubtful_to_year >= {{ openchronic.build_year() }} then 'doubtful'
            else 'established'
        end as ald_coverage
    from ascertained
    left join {{ ref('ref_scheme') }} as coverage
        on left(ascertained.scheme, 2) = coverage.scheme_group
)

select * from final
