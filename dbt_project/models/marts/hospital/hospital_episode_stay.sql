{#
    The episode that each hospital stay belongs to: stays that follow each other.
    Rule (domain decision 11): within a field, stays of a person in the order of their end; a stay
    joins the one before when it begins on the day that one ends, or one day later when that one ends
    by transfer (exit mode 7 or 0) and this one begins by transfer (entry mode 7 or 0). Elsewhere
    than in acute care a stay that goes on is delivered again each year: the same establishment and
    entry date are one stay, and a stay without discharge lasts until 31 December of its table [A].
    Sessions, stays of people who are not followed and stays without usable dates are in no episode
    (macros/rules, use `episodes`). A stay that overlaps another of the person in another
    establishment, or begins after death, is flagged.
    A chain is seen within a year on each side: one that begins before the year before is cut there
    (of acute care only: elsewhere its name is that of the stay delivered again).
    Anchor: year of the stay. Grain: one row a stay.
#}
{{ config(
    materialized='yearly',
    unique_key=['person_id', 'stay_id'],
    meta={'kind': 'yearly', 'look_back': 1, 'look_ahead': 1, 'reads_referentials': true}
) }}

with stay as (
    select
        stay_id,
        year,
        field,
        person_id,
        finess,
        entry_date,
        coalesce(discharge_date, case when field <> 'mco' then make_date(year, 12, 31) end) as end_date,
        entry_mode,
        exit_mode,
        is_session,
        is_service_for_other_hospital as is_service,
        -- A service for another hospital is part of the patient's way; decision 11 names its mode, 0.
        person_id is not null and is_chained and not (
            is_finess_duplicate or is_error_ghm or is_generated or is_duplicate_key
        ) as is_followed
    from {{ ref('hospital_stay') }}
    where year between {{ openchronic.build_year(-1) }} and {{ openchronic.build_year(1) }}
),

usable as (
    select *
    from stay
    where
        is_followed
        and not is_session
        and entry_date is not null
        and end_date >= entry_date
        and person_id in (
            select person_id from stay where year = {{ openchronic.build_year() }} and is_followed
        )
),

compared as (
    select
        *,
        lag(end_date) over chain as end_before,
        lag(exit_mode) over chain as exit_before,
        lag(finess) over chain as finess_before,
        lag(entry_date) over chain as entry_before
    from usable
    window chain as (partition by person_id, field order by end_date asc, entry_date asc, stay_id asc)
),

begun as (
    select
        *,
        case
            when entry_date = end_before then 0
            when
                {{ openchronic.days_between('end_before', 'entry_date') }} = 1
                and exit_before in ('7', '0')
                and entry_mode in ('7', '0')
                then 0
            when field <> 'mco' and finess = finess_before and entry_date = entry_before then 0
            else 1
        end as is_first
    from compared
),

numbered as (
    select
        *,
        sum(is_first) over (
            partition by person_id, field order by end_date asc, entry_date asc, stay_id asc
            rows between unbounded preceding and current row
        ) as chain_number
    from begun
),

chained as (
    select
        *,
        row_number() over (
            partition by person_id, field, chain_number order by end_date asc, entry_date asc, stay_id asc
        ) as place,
        first_value(stay_id) over (
            partition by person_id, field, chain_number order by end_date asc, entry_date asc, stay_id asc
        ) as first_stay_id,
        min(entry_date) over (partition by person_id, field, chain_number) as chain_entry,
        max(year) over (partition by person_id, field, chain_number) as last_year,
        first_value(finess) over (
            partition by person_id, field, chain_number order by end_date asc, entry_date asc, stay_id asc
        ) as first_finess
    from numbered
),

overlapping as (
    select distinct one.stay_id
    from usable as one
    inner join usable as other
        on one.person_id = other.person_id
        and one.finess <> other.finess
        and other.entry_date < one.end_date
        and one.entry_date < other.end_date
    where one.year = {{ openchronic.build_year() }} and not one.is_service and not other.is_service
),

judged as (
    select
        stay.*,
        chained.place,
        chained.last_year,
        case
            when chained.stay_id is null then cast(null as {{ dbt.type_string() }})
            when chained.field = 'mco' then chained.first_stay_id
            else concat_ws(
                '-', chained.field, cast(chained.chain_entry as {{ dbt.type_string() }}),
                chained.first_finess, chained.person_id
            )
        end as episode_id,
        overlapping.stay_id is not null as is_crossed,
        death.death_date
    from stay
    left join chained on stay.stay_id = chained.stay_id
    left join overlapping on stay.stay_id = overlapping.stay_id
    left join {{ ref('int_death') }} as death on stay.person_id = death.person_id
    where stay.year = {{ openchronic.build_year() }}
),

flagged as (
    select
        *,
        {{ openchronic.rule_flag('T_MCOaaC', 'not_followed') }},
        {{ openchronic.rule_flag('T_MCOaaC', 'session_apart') }},
        {{ openchronic.rule_flag('T_MCOaaC', 'unusable_dates') }},
        {{ openchronic.rule_flag('T_MCOaaC', 'overlapping_stay') }},
        {{ openchronic.rule_flag('T_MCOaaC', 'stay_after_death') }}
    from judged
),

final as (
    select
        person_id,
        stay_id,
        year,
        field,
        episode_id,
        cast(place as integer) as place,
        coalesce(last_year > year, false) as is_continued,
        entry_date,
        end_date,
        is_not_followed,
        is_session_apart,
        has_unusable_dates,
        is_overlapping,
        is_after_death,
        {{ openchronic.is_used('T_MCOaaC', 'episodes') }}
    from flagged
)

select * from final
