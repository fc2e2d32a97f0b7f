{#
    Criteria that a person meets in year n: the facts of its window are there, on enough dates, far
    enough apart, and what the criterion requires or refuses of other criteria holds.
    Rule: seed ref_pathology_criterion (written from the declarative files), each criterion by its
    own window of at most n-4 to n; parameters of the user (variable pathology_parameters) switch
    optional criteria on. Fewer dates are enough where one pack is large. People who died before the
    year meet none, and a criterion for one sex is met by it alone. `history_years` counts the years
    n-4 to n-1 that deliveries hold. Source: indicators 2.3, decision 14.
    Anchor: year n. Grain: one row a person, rule, criterion and year of evidence (a rule is a
    top with all that it is made from, shared by the versions that agree on it).
#}
{{ config(
    materialized='yearly',
    unique_key=['person_id', 'rule', 'criterion', 'evidence_year'],
    meta={'kind': 'yearly', 'look_back': 4, 'look_ahead': 0, 'reads_referentials': true}
) }}

with fact as (
    select *
    from {{ ref('int_pathology_fact') }}
    where year between {{ openchronic.build_year(-4) }} and {{ openchronic.build_year() }}
),

seen as (
    select cast(count(distinct year) as integer) as history_years
    from (
        select distinct year
        from {{ ref('hospital_stay') }}
        where
            year >= {{ openchronic.build_year(-4) }}
            and year < {{ openchronic.build_year() }}
        union all
        select distinct year
        from {{ ref('drug_dispensing') }}
        where
            year >= {{ openchronic.build_year(-4) }}
            and year < {{ openchronic.build_year() }}
    ) as delivered
),

person as (
    select int_person.person_id, int_person.sex
    from {{ ref('int_person') }} as int_person
    left join {{ ref('int_death') }} as int_death on int_person.person_id = int_death.person_id
    where int_death.death_date is null or int_death.death_date >= {{ openchronic.year_start() }}
),

criterion as (
    select *
    from {{ ref('ref_pathology_criterion') }} as criterion
    where criterion.parameter is null{{ openchronic.pathology_parameters('criterion.parameter') }}
),

in_window as (
    select
        fact.person_id,
        criterion.rule,
        criterion.criterion,
        fact.year as evidence_year,
        criterion.source,
        fact.fact,
        fact.date_count,
        fact.first_date,
        fact.last_date,
        fact.has_large_pack,
        fact.first_reference,
        fact.last_reference,
        criterion.is_conditional,
        criterion.flag,
        criterion.sex,
        criterion.started_from,
        criterion.started_to,
        criterion.min_dates,
        criterion.min_dates_large_pack,
        criterion.min_span_days
    from fact
    inner join criterion
        on fact.fact = criterion.fact
        and fact.year between
        {{ openchronic.build_year() }} + criterion.window_from
        and {{ openchronic.build_year() }} + criterion.window_to
),

met as (
    select
        in_window.person_id,
        in_window.rule,
        in_window.criterion,
        max(case when in_window.is_conditional then 1 else 0 end) = 1 as is_conditional,
        cast(sum(in_window.date_count) as bigint) as criterion_date_count
    from in_window
    inner join person on in_window.person_id = person.person_id
    where in_window.sex is null or in_window.sex = person.sex
    group by in_window.person_id, in_window.rule, in_window.criterion
    having
        (
            sum(in_window.date_count) >= max(in_window.min_dates)
            or (
                max(case when in_window.has_large_pack then 1 else 0 end) = 1
                and sum(in_window.date_count) >= max(in_window.min_dates_large_pack)
            )
        )
        and (
            max(in_window.min_span_days) = 0
            or {{ openchronic.days_between('min(in_window.first_date)', 'max(in_window.last_date)') }}
            >= max(in_window.min_span_days)
        )
        -- An ALD in force: the last to begin tells whether one began since, the first before.
        and (
            max(in_window.started_from) is null
            or year(max(in_window.last_date))
            >= {{ openchronic.build_year() }} + max(in_window.started_from)
        )
        and (
            max(in_window.started_to) is null
            or year(min(in_window.first_date))
            <= {{ openchronic.build_year() }} + max(in_window.started_to)
        )
),

plain as (
    select distinct person_id, rule from met where not is_conditional
),

refused as (
    select distinct met.person_id, met.rule, met.criterion
    from met
    inner join {{ ref('ref_pathology_relation') }} as relation
        on met.rule = relation.rule and met.criterion = relation.criterion
    left join plain on met.person_id = plain.person_id and relation.other_rule = plain.rule
    where
        met.is_conditional
        and (
            (relation.relation = 'requires' and plain.person_id is null)
            or (relation.relation = 'unless' and plain.person_id is not null)
        )
),

final as (
    select
        in_window.person_id,
        cast({{ openchronic.build_year() }} as integer) as year,
        in_window.rule,
        cast(in_window.criterion as integer) as criterion,
        cast(in_window.evidence_year as integer) as evidence_year,
        in_window.source,
        in_window.fact,
        in_window.flag,
        in_window.date_count,
        met.criterion_date_count,
        in_window.first_date,
        in_window.last_date,
        in_window.first_reference,
        in_window.last_reference,
        seen.history_years
    from in_window
    inner join met
        on in_window.person_id = met.person_id
        and in_window.rule = met.rule
        and in_window.criterion = met.criterion
    left join refused
        on met.person_id = refused.person_id
        and met.rule = refused.rule
        and met.criterion = refused.criterion
    cross join seen
    where refused.person_id is null
)

select * from final
