{#
    Who is treated for which disease in a year, in the manner of the cartographie of the CNAM: not
    an epidemiological prevalence. One row a disease that a person has; none, none.
    Rule: a top is held by who meets one of its criteria (int_pathology_hit), unless a top that
    takes precedence is met (acute over chronic, active over surveillance, a listed disease over a
    treatment alone) or one that it requires is not; a super-group is the maximum of its members
    (seed ref_pathology_relation). A disease that a treatment's top gives way to is counted by the
    `_nnexclu` variants all the same. Never chain two versions into one trend. `is_consumer`: the
    population of the cartographie. Source: indicators 2, decision 14; doubts: docs/pathologies.md.
    Anchor: year n. Grain: one row a person, version and top.
#}
{{ config(
    materialized='yearly',
    unique_key=['person_id', 'carto_version', 'top'],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

{%- set counts = ['ald', 'stay', 'psychiatry', 'drug', 'act', 'group'] %}

-- One fact may meet several criteria of a rule: counted once.
with fact as (
    select
        person_id,
        rule,
        source,
        fact,
        evidence_year,
        max(date_count) as date_count,
        min(first_date) as first_date,
        max(last_date) as last_date,
        max(history_years) as history_years
    from {{ ref('int_pathology_hit') }}
    where year = {{ openchronic.build_year() }}
    group by person_id, rule, source, fact, evidence_year
),

met as (
    select
        person_id,
        rule,
        {%- for source in counts %}
        sum(case when source = '{{ source }}' then date_count else 0 end) as {{ source }}_count,
        {%- endfor %}
        min(first_date) as first_date,
        max(last_date) as last_date,
        max(history_years) as history_years
    from fact
    group by person_id, rule
),

-- What has no criterion of its own is met by who meets what it requires.
derived as (
    select distinct relation.rule, relation.other_rule
    from {{ ref('ref_pathology_relation') }} as relation
    inner join {{ ref('ref_pathology') }} as pathology
        on relation.rule = pathology.rule and pathology.kind = 'derived'
    where relation.relation = 'requires'
),

candidate as (
    select * from met

    union all

    select
        met.person_id,
        derived.rule,
        {%- for source in counts %}
        max(met.{{ source }}_count) as {{ source }}_count,
        {%- endfor %}
        min(met.first_date) as first_date,
        max(met.last_date) as last_date,
        max(met.history_years) as history_years
    from met
    inner join derived on met.rule = derived.other_rule
    group by met.person_id, derived.rule
),

-- All that a person meets, and all that a rule gives way to: one comparison, not a join a rule.
met_by as (
    select person_id, array_agg(rule) as rules
    from met
    group by person_id
),

given_way as (
    select
        rule,
        array_agg(other_rule) as rules
    from {{ ref('ref_pathology_relation') }}
    where relation = 'unless' and criterion is null
    group by rule
),

lacking as (
    select distinct candidate.person_id, candidate.rule
    from candidate
    inner join {{ ref('ref_pathology_relation') }} as relation
        on candidate.rule = relation.rule
        and relation.relation = 'requires'
        and relation.criterion is null
    left join met
        on candidate.person_id = met.person_id and relation.other_rule = met.rule
    where met.person_id is null
),

held as (
    select candidate.*
    from candidate
    inner join met_by on candidate.person_id = met_by.person_id
    left join given_way on candidate.rule = given_way.rule
    left join lacking
        on candidate.person_id = lacking.person_id and candidate.rule = lacking.rule
    where
        lacking.person_id is null
        and (
            given_way.rule is null
            or not {{ openchronic.arrays_overlap('given_way.rules', 'met_by.rules') }}
        )
),

united as (
    select * from held

    union all

    select
        held.person_id,
        relation.rule,
        {%- for source in counts %}
        sum(held.{{ source }}_count) as {{ source }}_count,
        {%- endfor %}
        min(held.first_date) as first_date,
        max(held.last_date) as last_date,
        max(held.history_years) as history_years
    from held
    inner join {{ ref('ref_pathology_relation') }} as relation
        on held.rule = relation.other_rule and relation.relation = 'member'
    group by held.person_id, relation.rule
),

final as (
    select
        united.person_id,
        cast({{ openchronic.build_year() }} as integer) as year,
        pathology.carto_version,
        pathology.top,
        pathology.super_group,
        pathology.kind,
        pathology.flag,
        pathology.note_fr is not null as has_known_doubt,
        pathology.is_chronic,
        {%- for source in counts %}
        cast(united.{{ source }}_count as bigint) as {{ source }}_count,
        {%- endfor %}
        united.first_date,
        united.last_date,
        united.history_years,
        consumer.person_id is not null as is_consumer
    from united
    inner join {{ ref('ref_pathology') }} as pathology on united.rule = pathology.rule
    left join {{ ref('int_consumer') }} as consumer
        on united.person_id = consumer.person_id
        and consumer.year = {{ openchronic.build_year() }}
    where pathology.is_published
)

select * from final
