{#
    Readmission after acute care, an episode and measure: the rows of the mart readmission, which
    holds the definitions; nothing is defined again here.
    Rule: `readmission_30d_rh30_like`, its breakdown by disease of the index
    (`readmission_30d_<disease>`: main diagnosis of the episode's last stay, ref_index_condition) and
    `readmit_or_death_30d` count every index episode; `readmission_7d_rh30_like` the person's first of
    the year; `unplanned_readmission_30d_cms_like` the index episodes of the CMS definition. The first
    reason why an episode is no index is its exclusion; episodes of minors are outside the French
    target and no rows. With death: only where the scheme's deaths are ascertained in every year
    from discharge to 30 days after (domain decision 7, scheme_coverage).
    `finess`: the hospital of exit. Source: mart readmission, domain decisions 7 and 11.
    Anchor: year of discharge. Grain: one row an acute episode and measure.
#}
{{ config(
    materialized='yearly',
    unique_key=['person_id', 'measure', 'condition', 'unit_id'],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 1, 'reads_referentials': true}
) }}

with ascertained as (
    select
        scheme,
        bool_or(year = {{ openchronic.build_year() }} and is_death_ascertained) as in_year,
        bool_or(year = {{ openchronic.build_year(1) }} and is_death_ascertained) as in_next_year
    from {{ ref('scheme_coverage') }}
    where year between {{ openchronic.build_year() }} and {{ openchronic.build_year(1) }}
    group by scheme
),

episode as (
    select
        told.person_id,
        told.episode_id,
        told.finess,
        told.main_diagnosis,
        case when told.exclusion_code = 'follow_up_short' then 'no_follow_up' else told.exclusion_code end
            as exclusion_code,
        case
            when told.cms_exclusion_code = 'follow_up_short' then 'no_follow_up'
            else told.cms_exclusion_code
        end as cms_exclusion_code,
        told.is_first_index_of_year,
        told.readmission_7d_rh30_like,
        told.readmission_30d_rh30_like,
        told.readmit_or_death_30,
        told.unplanned_readmission_30d_cms_like,
        coalesce(ascertained.in_year, false)
        and (
            {{ openchronic.add_days('told.discharge_date', '30') }} <= {{ openchronic.year_end() }}
            or coalesce(ascertained.in_next_year, false)
        ) as is_death_known
    from {{ ref('readmission') }} as told
    inner join {{ ref('person_year') }} as person
        on told.person_id = person.person_id and person.year = {{ openchronic.build_year() }}
    left join ascertained on coalesce(person.scheme, 'unknown') = ascertained.scheme
    where told.year = {{ openchronic.build_year() }}
),

adult as (
    select * from episode where coalesce(exclusion_code, '') <> 'minor'
),

measured as (
    select
        person_id,
        'readmission_30d_rh30_like' as measure,
        episode_id,
        finess,
        readmission_30d_rh30_like as event,
        exclusion_code
    from adult

    union all

    select
        adult.person_id,
        concat('readmission_30d_', listed.condition) as measure,
        adult.episode_id,
        adult.finess,
        adult.readmission_30d_rh30_like as event,
        adult.exclusion_code
    from adult
    inner join {{ ref('ref_index_condition') }} as listed
        on substr(adult.main_diagnosis, 1, length(listed.cim10_prefix)) = listed.cim10_prefix

    union all

    select
        person_id,
        'readmission_7d_rh30_like' as measure,
        episode_id,
        finess,
        readmission_7d_rh30_like as event,
        case
            when exclusion_code is not null then exclusion_code
            when not is_first_index_of_year then 'later_index'
        end as exclusion_code
    from adult

    union all

    select
        person_id,
        'readmit_or_death_30d' as measure,
        episode_id,
        finess,
        readmit_or_death_30 as event,
        case
            when exclusion_code is not null then exclusion_code
            when not is_death_known then 'death_not_ascertained'
        end as exclusion_code
    from adult

    union all

    select
        person_id,
        'unplanned_readmission_30d_cms_like' as measure,
        episode_id,
        finess,
        unplanned_readmission_30d_cms_like as event,
        cms_exclusion_code as exclusion_code
    from episode
),

final as (
    select
        person_id,
        cast({{ openchronic.build_year() }} as integer) as year,
        measure,
        'all' as condition,
        episode_id as unit_id,
        finess,
        cast(case when exclusion_code is null then event else 0 end as double) as num,
        cast(case when exclusion_code is null then 1 else 0 end as double) as den,
        exclusion_code as excl_code
    from measured
)

select * from final
