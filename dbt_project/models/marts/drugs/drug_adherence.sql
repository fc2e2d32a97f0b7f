{#
    Adherence and persistence of a person to a drug class in a year, from the first dispensing of
    the class in it.
    Rule: the window runs from that dispensing to 31 December, death, or the end of the last flux
    month, days in hospital left out. PDC = days covered by any substance of the class over the days
    of the window (int_drug_cover: carry-over by substance, what is left of the year before counts).
    MPR = supply of all dispensing days but the last over the days from the first to the last, at
    most 1. Eligible: two dispensing days and a window of 91 days. Adherent: eligible and PDC at
    least 0.80. Persistence: days of the window until the first break of more than 60 days that
    the window holds, or its whole length; `stop_reason` says which.
    All numbers are parameters [A]. Source: indicators of adherence (PQA measures, PDC).
    Anchor: year of dispensing. Grain: one row a person, class and year.
#}
{{ config(
    materialized='yearly',
    unique_key=['person_id', 'drug_class'],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

{%- set gap = openchronic.drug_parameter('persistence_gap') | trim %}

with class_code as (
    {{ openchronic.drug_class_codes() }}
),

day as (
    select
        dispensed.person_id,
        class_code.drug_class,
        dispensed.dispensing_date,
        min(dispensed.city_day) as city_day,
        sum(dispensed.days_supply) as days_supply
    from {{ ref('int_drug_day') }} as dispensed
    inner join class_code on dispensed.atc_class = class_code.atc_class
    where dispensed.dispensing_date
        between {{ openchronic.year_start() }} and {{ openchronic.year_end() }}
    group by dispensed.person_id, class_code.drug_class, dispensed.dispensing_date
),

dispensed as (
    select
        person_id,
        drug_class,
        min(dispensing_date) as first_date,
        max(dispensing_date) as last_date,
        min(city_day) as window_start,
        count(*) as dispensing_count,
        sum(days_supply) as days_supply,
        sum(case when is_last then days_supply else 0 end) as last_supply
    from (
        select
            *,
            dispensing_date
            = max(dispensing_date) over (partition by person_id, drug_class) as is_last
        from day
    ) as ranked
    group by person_id, drug_class
),

data_end as (
    select last_day(max(known_at)) as end_date
    from {{ ref('drug_dispensing') }}
    where year = {{ openchronic.build_year() }}
),

bounded as (
    select
        dispensed.*,
        least(
            {{ openchronic.year_end() }},
            greatest(coalesce(person.death_date, date '9999-12-31'), dispensed.last_date),
            greatest(data_end.end_date, dispensed.last_date)
        ) as window_end_date,
        case
            when person.death_date <= least({{ openchronic.year_end() }}, data_end.end_date)
                then 'death'
            when data_end.end_date < {{ openchronic.year_end() }} then 'end_of_data'
            else 'end_of_year'
        end as window_end_reason
    from dispensed
    cross join data_end
    left join {{ ref('person') }} as person on dispensed.person_id = person.person_id
),

-- The first day after the window, on the clock of days out of hospital.
window_point as (
    select
        *,
        {{ openchronic.date_of_day(openchronic.day_number('window_end_date') ~ ' + 1') }} as after_date
    from bounded
),

clocked as (
    {{ openchronic.city_days('window_point', 'after_date') }}
),

windowed as (
    select
        window_point.*,
        coalesce(
            clocked.city_day, {{ openchronic.day_number('window_point.after_date') }}
        ) as window_end
    from window_point
    left join clocked
        on window_point.person_id = clocked.person_id
        and window_point.after_date = clocked.after_date
),

cover as (
    select
        windowed.person_id,
        windowed.drug_class,
        windowed.window_start,
        windowed.window_end,
        greatest(cover.city_start, windowed.window_start) as cover_start,
        least(cover.city_end, windowed.window_end) as cover_end
    from windowed
    inner join class_code on windowed.drug_class = class_code.drug_class
    inner join {{ ref('int_drug_cover') }} as cover
        on windowed.person_id = cover.person_id
        and class_code.atc_class = cover.atc_class
        and cover.city_start < windowed.window_end
        and cover.city_end > windowed.window_start
),

joined as (
    select
        *,
        max(cover_end) over (
            partition by person_id, drug_class
            order by cover_start asc, cover_end asc
            rows between unbounded preceding and 1 preceding
        ) as end_before
    from cover
),

summed as (
    select
        person_id,
        drug_class,
        sum(greatest(cover_end - greatest(cover_start, coalesce(end_before, cover_start)), 0))
            as covered_days,
        min(case when cover_start - end_before > {{ gap }} then end_before end) as first_break,
        max(cover_end) as last_end
    from joined
    group by person_id, drug_class
),

measured as (
    select
        windowed.*,
        windowed.window_end - windowed.window_start as window_days,
        coalesce(summed.covered_days, 0) as covered_days,
        case
            when summed.first_break is not null then summed.first_break
            when windowed.window_end - coalesce(summed.last_end, windowed.window_start) > {{ gap }}
                then coalesce(summed.last_end, windowed.window_start)
        end as break_day
    from windowed
    left join summed
        on windowed.person_id = summed.person_id and windowed.drug_class = summed.drug_class
),

final as (
    select
        person_id,
        cast({{ openchronic.build_year() }} as integer) as year,
        drug_class,
        first_date as window_start_date,
        window_end_date,
        window_end_reason,
        cast(window_days as integer) as window_days,
        cast(dispensing_count as integer) as dispensing_count,
        cast(days_supply as integer) as days_supply,
        cast(covered_days as integer) as covered_days,
        case when window_days > 0 then cast(covered_days as double) / window_days end as pdc,
        case
            when last_date > first_date then least(
                cast(days_supply - last_supply as double)
                / {{ openchronic.days_between('first_date', 'last_date') }},
                cast(1 as double)
            )
        end as mpr,
        dispensing_count >= 2 and window_days >= {{ openchronic.drug_parameter('window_min') }}
            as is_eligible,
        case
            when dispensing_count >= 2
                and window_days >= {{ openchronic.drug_parameter('window_min') }}
                -- In whole numbers: eight tenths of the window, exactly.
                then covered_days * 10 >= window_days * 8
        end as is_adherent,
        break_day is null as is_persistent,
        cast(coalesce(break_day, window_end) - window_start as integer) as persistence_days,
        case when break_day is not null then 'gap' else window_end_reason end as stop_reason
    from measured
)

select * from final
