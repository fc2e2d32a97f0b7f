{#
    City and hospital around acute episodes: what happens in town before a stay and after the return
    home.
    Rule: episodes of acute care of one night or more, ended in the year, from which a consumer of
    the year went home alive (exit mode 8, neither to home hospitalisation nor to a care home). After: a general
    practitioner within 7, 14 and 30 days, a drug dispensed within 7, a nurse within 3, the day of
    discharge included; days to the first general practitioner, of those seen within 60. Chronic
    drugs: substances dispensed on two days or more of the 120 before entry; carried over where
    four of five are dispensed again within 60 days. Before: a general practitioner in the 30 days
    up to entry.
    Left out, in this order: services for another hospital, stays after death, pregnancy and birth;
    after discharge, a death in the window, a new full stay in it (acute, rehabilitation,
    psychiatry), data that end before it does; before entry, data that begin after it does. A death or a new stay leaves
    the episode out whether or not what is measured came first, so that the share does not favour
    those who came early.
    Source: indicators 4.11; windows are published, exclusions ours [A].
    Anchor: discharge. Grain: one row an episode and measure.
#}
{{ config(
    materialized='yearly',
    unique_key=['person_id', 'measure', 'condition', 'unit_id'],
    meta={'kind': 'yearly', 'look_back': 1, 'look_ahead': 1, 'reads_referentials': true}
) }}

with episode as (
    select
        episode.person_id,
        episode.episode_id,
        episode.entry_date,
        episode.discharge_date,
        episode.entry_finess,
        episode.exit_finess,
        case
            when episode.is_service_only then 'service_for_other_hospital'
            when episode.is_after_death then 'after_death'
            when substr(episode.last_ghm_code, 1, 2) in ('14', '15') then 'birth'
        end as left_out
    from {{ ref('hospital_episode') }} as episode
    inner join {{ ref('person_year') }} as person
        on episode.person_id = person.person_id
        and person.year = {{ openchronic.build_year() }}
        and person.is_consumer
    where
        episode.year = {{ openchronic.build_year() }}
        and episode.field = 'mco'
        and episode.is_full_stay
        and not episode.is_death
        and episode.exit_mode = '8'
        and coalesce(episode.exit_destination, '') not in ('6', '7')
        and episode.entry_date is not null
        and episode.discharge_date is not null
),

-- A stay that begins on the day of discharge is another one: the same episode would hold it.
next_stay as (
    select
        episode.episode_id,
        min({{ openchronic.days_between('episode.discharge_date', 'later.entry_date') }}) as days
    from episode
    inner join {{ ref('hospital_episode') }} as later
        on episode.person_id = later.person_id
        and later.entry_date >= episode.discharge_date
        and later.episode_id <> episode.episode_id
    where
        later.year between {{ openchronic.build_year() }} and {{ openchronic.build_year(1) }}
        and later.field in ('mco', 'ssr', 'psy')
        and later.is_full_stay
        and not later.is_service_only
    group by episode.episode_id
),

contact as (
    select person_id, contact_date, is_general_practitioner
    from {{ ref('int_doctor_contact') }}
    where year between {{ openchronic.build_year(-1) }} and {{ openchronic.build_year(1) }}
),

-- What is seen of the town, and of discharges: beyond it nothing can be told.
town as (
    select min(contact_date) as first_day, max(contact_date) as last_day from contact
),

hospital as (
    select max(discharge_date) as last_day
    from {{ ref('hospital_stay') }}
    where
        field = 'mco'
        and year between {{ openchronic.build_year() }} and {{ openchronic.build_year(1) }}
        and not is_other_year
        and not is_generated
),

gp as (
    select
        episode.episode_id,
        min(
            case
                when contact.contact_date >= episode.discharge_date
                    then {{ openchronic.days_between('episode.discharge_date', 'contact.contact_date') }}
            end
        ) as days_after,
        max(
            case
                when
                    contact.contact_date <= episode.entry_date
                    and contact.contact_date >= {{ openchronic.add_days('episode.entry_date', '-30') }}
                    then 1
                else 0
            end
        ) as is_before
    from episode
    inner join contact on episode.person_id = contact.person_id
    where contact.is_general_practitioner
    group by episode.episode_id
),

nurse as (
    select
        episode.episode_id,
        min({{ openchronic.days_between('episode.discharge_date', 'event.care_date') }}) as days_after
    from {{ ref('care_event') }} as event
    inner join {{ ref('ref_contact_code') }} as code
        on code.list_name = 'nurse'
        and event.prestation_code = cast(code.code as bigint)
    inner join episode
        on event.person_id = episode.person_id
        and event.care_date >= episode.discharge_date
        and event.care_date <= {{ openchronic.add_days('episode.discharge_date', '3') }}
    where
        event.year between {{ openchronic.build_year() }} and {{ openchronic.build_year(1) }}
        and event.event_type = 'claim'
        and event.is_used_for_care
    group by episode.episode_id
),

-- Drugs of pharmacies in town; a substance is known by its whole ATC code.
dispensed as (
    select
        drug.person_id,
        drug.dispensing_date,
        case when drug.is_used_for_exposure and length(drug.atc_code) = 7 then drug.atc_code end
            as substance
    from {{ ref('drug_dispensing') }} as drug
    where
        drug.year between {{ openchronic.build_year(-1) }} and {{ openchronic.build_year(1) }}
        and drug.person_id in (select episode.person_id from episode)
        and not drug.is_hospital_drug
        and not drug.is_line_left_out
        and drug.box_count > 0
),

drug as (
    select
        episode.episode_id,
        dispensed.substance,
        min(
            case
                when dispensed.dispensing_date >= episode.discharge_date
                    then {{ openchronic.days_between('episode.discharge_date', 'dispensed.dispensing_date') }}
            end
        ) as days_after,
        count(
            distinct case
                when
                    dispensed.dispensing_date < episode.entry_date
                    then dispensed.dispensing_date
            end
        ) as days_before
    from episode
    inner join dispensed
        on episode.person_id = dispensed.person_id
        and dispensed.dispensing_date >= {{ openchronic.add_days('episode.entry_date', '-120') }}
        and dispensed.dispensing_date <= {{ openchronic.add_days('episode.discharge_date', '60') }}
    group by episode.episode_id, dispensed.substance
),

treatment as (
    select
        episode_id,
        min(days_after) as days_after,
        sum(case when substance is not null and days_before >= 2 then 1 else 0 end) as chronic,
        sum(
            case when substance is not null and days_before >= 2 and days_after is not null then 1 else 0 end
        ) as carried_over
    from drug
    group by episode_id
),

joined as (
    select
        episode.*,
        {{ openchronic.days_between('episode.discharge_date', 'death.death_date') }} as days_to_death,
        next_stay.days as days_to_stay,
        coalesce(
            case
                when town.last_day < hospital.last_day
                    then {{ openchronic.days_between('episode.discharge_date', 'town.last_day') }}
                when town.last_day is not null
                    then {{ openchronic.days_between('episode.discharge_date', 'hospital.last_day') }}
            end,
            -1
        ) as days_followed,
        coalesce(
            {{ openchronic.days_between('town.first_day', 'episode.entry_date') }}, -1
        ) as days_known,
        gp.days_after as gp_days,
        coalesce(gp.is_before, 0) as is_gp_before,
        nurse.days_after as nurse_days,
        treatment.days_after as drug_days,
        coalesce(treatment.chronic, 0) as chronic,
        coalesce(treatment.carried_over, 0) as carried_over
    from episode
    cross join town
    cross join hospital
    left join {{ ref('int_death') }} as death on episode.person_id = death.person_id
    left join next_stay on episode.episode_id = next_stay.episode_id
    left join gp on episode.episode_id = gp.episode_id
    left join nurse on episode.episode_id = nurse.episode_id
    left join treatment on episode.episode_id = treatment.episode_id
),

measured as (
    {%- for measure, days, seen in [
        ('gp_after_discharge_7', 7, 'gp_days'),
        ('gp_after_discharge_14', 14, 'gp_days'),
        ('gp_after_discharge_30', 30, 'gp_days'),
        ('drug_after_discharge_7', 7, 'drug_days'),
        ('nurse_after_discharge_3', 3, 'nurse_days'),
        ('medication_carried_over', 60, none),
        ('days_to_first_gp', 60, none),
    ] %}
    select
        person_id,
        '{{ measure }}' as measure,
        episode_id as unit_id,
        exit_finess as finess,
        {%- if measure == 'medication_carried_over' %}
        case when carried_over * 5 >= chronic * 4 then 1 else 0 end as num,
        {%- elif measure == 'days_to_first_gp' %}
        gp_days as num,
        {%- else %}
        case when {{ seen }} <= {{ days }} then 1 else 0 end as num,
        {%- endif %}
        case
            when left_out is not null then left_out
            when days_to_death <= {{ days }} then 'died'
            when days_to_stay <= {{ days }} then 'readmitted'
            when days_followed < {{ days }} then 'no_follow_up'
            {%- if measure == 'medication_carried_over' %}
            when days_known < 120 then 'no_look_back'
            when chronic = 0 then 'no_chronic_drug'
            {%- elif measure == 'days_to_first_gp' %}
            when coalesce(gp_days, {{ days }} + 1) > {{ days }} then 'not_seen'
            {%- endif %}
        end as excl_code
    from joined

    union all
    {% endfor %}
    select
        person_id,
        'gp_before_admission' as measure,
        episode_id as unit_id,
        entry_finess as finess,
        is_gp_before as num,
        case
            when left_out is not null then left_out
            when days_known < 30 then 'no_look_back'
        end as excl_code
    from joined
),

final as (
    select
        person_id,
        cast({{ openchronic.build_year() }} as integer) as year,
        measure,
        'all' as condition,
        unit_id,
        finess,
        cast(case when excl_code is null then num else 0 end as double) as num,
        cast(case when excl_code is null then 1 else 0 end as double) as den,
        excl_code
    from measured
)

select * from final
