{#
    How far our pathologies agree with the official ones (CT_IND), where a delivery brings them: the
    official ones are the reference (decision 14).
    Rule: people of CT_IND whom CT_IDE links to exactly one person, once each; sensitivity is the
    share of official cases that ours finds, predictive value the share of ours that are official,
    kappa Cohen's over all people of the cell. Cells: all, by age group (age reached in the year), by
    department of residence. A rate without denominator is missing, not 0. The official version and
    ours are named, never merged. Empty without these tables. Anchor: year of CT_IND.
    Grain: one row an official version, version of ours, top, dimension and value.
#}
{{ config(
    materialized='yearly',
    unique_key=['official_version', 'carto_version', 'top', 'dimension', 'cell'],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

{%- set flags = openchronic.mapping_flags() %}

with link as (
    select ide.mapping_id, min(person_key.person_id) as person_id
    from {{ ref('stg_mapping__ide') }} as ide
    inner join {{ ref('int_person_key') }} as person_key
        on ide.psa = person_key.psa
        and coalesce(ide.birth_rank, -1) = person_key.birth_rank
    where ide.table_year = {{ openchronic.build_year() }} and person_key.person_id is not null
    group by ide.mapping_id
    having count(distinct person_key.person_id) = 1
),

listed as (
    select
        ind.*,
        link.person_id,
        coalesce(ind.algorithm_version, 'unknown') as official_version,
        row_number() over (
            partition by link.person_id, coalesce(ind.algorithm_version, 'unknown')
            order by ind.mapping_id asc, ind.source_file asc, ind.source_line asc
        ) as place
    from {{ ref('stg_mapping__ind') }} as ind
    inner join link on ind.mapping_id = link.mapping_id
    where ind.table_year = {{ openchronic.build_year() }}
),

official_person as (
    select * from listed where place = 1
),

cell_of as (
    select
        official_person.person_id,
        official_person.official_version,
        dimension.name as dimension,
        case dimension.name
            when 'all' then 'all'
            when 'department' then coalesce(int_person.department, 'unknown')
            else {{ openchronic.age_group('(' ~ openchronic.build_year() ~ ' - int_person.birth_year)') }}
        end as cell
    from official_person
    left join {{ ref('int_person') }} as int_person
        on official_person.person_id = int_person.person_id
    cross join (
        select 'all' as name
        union all
        select 'age_group' as name
        union all
        select 'department' as name
    ) as dimension
),

official as (
    {{ openchronic.unpivot_flags('official_person', ['person_id', 'official_version'], flags) }}
),

counted as (
    select official_version, dimension, cell, count(*) as person_count
    from cell_of
    group by official_version, dimension, cell
),

pathology as (
    select carto_version, top, lower(top) as flag_name
    from {{ ref('ref_pathology') }}
    where is_published and lower(top) in (
        {%- for flag in flags %}'{{ flag }}'{{ ', ' if not loop.last }}{% endfor -%}
    )
),

theirs as (
    select
        cell_of.official_version, pathology.carto_version, pathology.top,
        cell_of.dimension, cell_of.cell,
        count(*) as official_count
    from official
    inner join pathology on official.flag_name = pathology.flag_name
    inner join cell_of
        on official.person_id = cell_of.person_id
        and official.official_version = cell_of.official_version
    group by 1, 2, 3, 4, 5
),

ours as (
    select
        cell_of.official_version, held.carto_version, held.top, cell_of.dimension, cell_of.cell,
        count(*) as own_count,
        sum(case when official.person_id is not null then 1 else 0 end) as both_count
    from {{ ref('person_pathology') }} as held
    inner join cell_of on held.person_id = cell_of.person_id
    left join official
        on held.person_id = official.person_id
        and cell_of.official_version = official.official_version
        and lower(held.top) = official.flag_name
    where held.year = {{ openchronic.build_year() }}
    group by 1, 2, 3, 4, 5
),

joined as (
    select
        counted.official_version,
        pathology.carto_version,
        pathology.top,
        counted.dimension,
        counted.cell,
        cast(counted.person_count as bigint) as person_count,
        cast(coalesce(theirs.official_count, 0) as bigint) as official_count,
        cast(coalesce(ours.own_count, 0) as bigint) as own_count,
        cast(coalesce(ours.both_count, 0) as bigint) as both_count
    from counted
    cross join pathology
    left join theirs
        on counted.official_version = theirs.official_version
        and pathology.carto_version = theirs.carto_version
        and pathology.top = theirs.top
        and counted.dimension = theirs.dimension
        and counted.cell = theirs.cell
    left join ours
        on counted.official_version = ours.official_version
        and pathology.carto_version = ours.carto_version
        and pathology.top = ours.top
        and counted.dimension = ours.dimension
        and counted.cell = ours.cell
),

-- Agreement that is seen, and that chance alone would give.
rated as (
    select
        *,
        cast(person_count - official_count - own_count + 2 * both_count as double) / person_count
            as seen_agreement,
        (
            cast(official_count as double) * own_count
            + cast(person_count - official_count as double) * (person_count - own_count)
        ) / (cast(person_count as double) * person_count) as chance_agreement
    from joined
),

final as (
    select
        cast({{ openchronic.build_year() }} as integer) as year,
        official_version,
        carto_version,
        top,
        dimension,
        cell,
        person_count,
        official_count,
        own_count,
        both_count,
        case when official_count > 0 then cast(both_count as double) / official_count end
            as sensitivity,
        case when own_count > 0 then cast(both_count as double) / own_count end
            as predictive_value,
        case
            when chance_agreement < 1
                then (seen_agreement - chance_agreement) / (1 - chance_agreement)
        end as kappa
    from rated
)

select * from final
