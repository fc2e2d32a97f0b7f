{#
    Why a person has a disease, or would have it were it not for another: each criterion met, with
    how often and the first and last piece of evidence of each year.
    Rule: the references are at most two a criterion and year, the earliest and the latest (the
    smallest and the greatest identifier of that day): stay_id of hospital_stay, event_id of
    care_event, nature/code of the ALD chain. `is_retained` is false where another top takes
    precedence (`excluded_by`) or a required one is missing. Source: int_pathology_hit.
    Anchor: year n. Grain: one row a person, version, top, criterion and year of evidence.
#}
{{ config(
    materialized='yearly',
    unique_key=['person_id', 'carto_version', 'top', 'criterion', 'evidence_year'],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

with hit as (
    select
        hit.*,
        pathology.carto_version,
        pathology.top,
        held.person_id is not null as is_retained
    from {{ ref('int_pathology_hit') }} as hit
    inner join {{ ref('ref_pathology') }} as pathology
        on hit.rule = pathology.rule and pathology.is_published
    left join {{ ref('person_pathology') }} as held
        on hit.person_id = held.person_id
        and pathology.carto_version = held.carto_version
        and pathology.top = held.top
        and held.year = {{ openchronic.build_year() }}
    where hit.year = {{ openchronic.build_year() }}
),

excluder as (
    select lost.person_id, lost.carto_version, lost.top, min(other.top) as excluded_by
    from (
        select distinct person_id, carto_version, top, rule from hit where not is_retained
    ) as lost
    inner join {{ ref('ref_pathology_relation') }} as relation
        on lost.rule = relation.rule
        and relation.relation = 'unless'
        and relation.criterion is null
    inner join {{ ref('ref_pathology') }} as pathology
        on relation.other_rule = pathology.rule and lost.carto_version = pathology.carto_version
    inner join {{ ref('person_pathology') }} as other
        on lost.person_id = other.person_id
        and lost.carto_version = other.carto_version
        and pathology.top = other.top
        and other.year = {{ openchronic.build_year() }}
    group by lost.person_id, lost.carto_version, lost.top
),

final as (
    select
        hit.person_id,
        hit.year,
        hit.carto_version,
        hit.top,
        hit.criterion,
        hit.evidence_year,
        hit.source,
        hit.fact,
        hit.flag,
        hit.date_count,
        hit.criterion_date_count,
        hit.first_date,
        hit.first_reference,
        hit.last_date,
        hit.last_reference,
        hit.is_retained,
        excluder.excluded_by
    from hit
    left join excluder
        on hit.person_id = excluder.person_id
        and hit.carto_version = excluder.carto_version
        and hit.top = excluder.top
)

select * from final
