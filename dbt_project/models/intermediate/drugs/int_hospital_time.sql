{#
    Times in hospital of each person, stays that overlap or touch made one, with the nights before:
    what the clock of exposure (days out of hospital) is read from.
    Rule: a day is in hospital from that of entry to the eve of discharge, in whatever field; a
    person there takes none of the drugs kept at home. Sessions, stays without a night and stays by
    day (partial hospitalisation of rehabilitation and psychiatry) are none; hospitalisation at home
    is one, because its hospital supplies the drugs [A]. A stay of unknown form counts as full.
    Source: indicators of adherence (inpatient days out of numerator and denominator).
    Grain: one row a person and time in hospital.
#}
{{ config(
    materialized='history',
    unique_key=['person_id', 'entry_date'],
    meta={'kind': 'history', 'look_back': 'all', 'look_ahead': 1, 'reads_referentials': true}
) }}

with stay as (
    select
        person_id,
        entry_date,
        discharge_date
    from {{ ref('hospital_stay') }}
    where
        person_id is not null
        and entry_date < discharge_date
        and (coalesce(is_full_stay, true) or field = 'had')
        and is_used_for_stays
        and is_used_for_persons
),

compared as (
    select
        *,
        max(discharge_date) over (
            partition by person_id
            order by entry_date asc, discharge_date asc
            rows between unbounded preceding and 1 preceding
        ) as discharged_before
    from stay
),

numbered as (
    select
        *,
        sum(case when discharged_before >= entry_date then 0 else 1 end) over (
            partition by person_id
            order by entry_date asc, discharge_date asc
            rows between unbounded preceding and current row
        ) as time_number
    from compared
),

merged as (
    select
        person_id,
        min(entry_date) as entry_date,
        max(discharge_date) as discharge_date,
        cast({{ openchronic.days_between('min(entry_date)', 'max(discharge_date)') }} as integer)
            as night_count
    from numbered
    group by person_id, time_number
),

final as (
    select
        person_id,
        entry_date,
        discharge_date,
        night_count,
        cast(coalesce(sum(night_count) over (
            partition by person_id
            order by entry_date asc
            rows between unbounded preceding and 1 preceding
        ), 0) as integer) as nights_before
    from merged
)

select * from final
