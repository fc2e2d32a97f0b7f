{#
    Who holds which ALD in a year: prevalent in the period and on 31 December, incident, active.
    Rule: prevalent in the period, an episode in force at least one day of the year that the person
    is alive; on 31 December, in force and alive that day. An end before its start counts as the
    start. Incident: the first episode ever known of that number begins in the year, the person being
    alive; `look_back_years` says how far back the scheme's ALD are known. It is NULL, and
    `incidence_status` says why, before the scheme sent its ALD (MSA and self-employed 2014), where
    the scheme or its coverage is not known, and for numbers that could not be resolved; doubtful for
    the self-employed up to 2016. Exempted care is that of the person, whatever the number: a line of
    EXO_MTF 41 to 46, care taken back excepted; related to the ALD, 42, 44 or 46. Active: prevalent in
    the period with exempted care (published ratio 0.84 in 2017), or with related care.
    Source: domain decisions 5 and 7, indicators 0 and 1.5. Anchor: year.
    Grain: one row a person, year and ALD number in force.
#}
{{ config(
    materialized='yearly',
    unique_key=['person_id', 'ald_num'],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

with episode as (
    select
        ald_episode.person_id,
        ald_episode.ald_num,
        ald_episode.start_date,
        -- greatest() passes over NULL: an open episode must stay open.
        case
            when ald_episode.end_date is not null
                then greatest(ald_episode.end_date, ald_episode.start_date)
        end as last_day,
        min(ald_episode.start_date) over (
            partition by ald_episode.person_id, ald_episode.ald_num
        ) as first_start_date,
        death.death_date
    from {{ ref('ald_episode') }} as ald_episode
    left join {{ ref('int_death') }} as death on ald_episode.person_id = death.person_id
    where ald_episode.start_date <= {{ openchronic.year_end() }}
),

-- In force on a day of the year on which the person is alive.
held as (
    select
        person_id,
        ald_num,
        min(start_date) as start_date,
        min(first_start_date) as first_start_date,
        max(
            case
                when
                    (last_day is null or last_day >= {{ openchronic.year_end() }})
                    and (death_date is null or death_date > {{ openchronic.year_end() }})
                    then 1
                else 0
            end
        ) as at_end
    from episode
    where
        (last_day is null or last_day >= {{ openchronic.year_start() }})
        and (
            death_date is null
            or (death_date >= {{ openchronic.year_start() }} and death_date >= start_date)
        )
    group by person_id, ald_num
),

exempted as (
    select person_id, max(case when is_ald_related then 1 else 0 end) as related
    from {{ ref('care_event') }}
    where
        year = {{ openchronic.build_year() }}
        and event_type = 'claim'
        and has_ald_exemption
        and not is_regularised
        and person_id is not null
    group by person_id
),

placed as (
    select
        held.person_id,
        held.ald_num,
        held.start_date,
        held.at_end = 1 as is_prevalent_31_12,
        held.first_start_date >= {{ openchronic.year_start() }} as is_first_in_year,
        person_year.scheme,
        coverage.ald_from_year,
        case
            when held.ald_num = 99 then 'unresolved_number'
            else {{ openchronic.incidence_status('person_year.scheme', 'coverage') }}
        end as incidence_status,
        exempted.person_id is not null as has_exempted_care,
        coalesce(exempted.related = 1, false) as has_related_care
    from held
    left join {{ ref('person_year') }} as person_year
        on held.person_id = person_year.person_id and person_year.year = {{ openchronic.build_year() }}
    left join {{ ref('ref_scheme') }} as coverage
        on left(person_year.scheme, 2) = coverage.scheme_group
    left join exempted on held.person_id = exempted.person_id
),

final as (
    select
        person_id,
        cast({{ openchronic.build_year() }} as integer) as year,
        ald_num,
        start_date,
        true as is_prevalent_period,
        is_prevalent_31_12,
        case when incidence_status in ('established', 'doubtful') then is_first_in_year end
            as is_incident,
        incidence_status,
        cast(
            case
                when incidence_status in ('established', 'doubtful')
                    then {{ openchronic.build_year() }} - ald_from_year
            end as integer
        ) as look_back_years,
        has_exempted_care,
        has_related_care,
        has_exempted_care as is_active,
        has_related_care as is_active_related
    from placed
)

select * from final
