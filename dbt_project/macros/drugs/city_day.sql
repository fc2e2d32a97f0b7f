{#
    The clock of exposure: days since 1900 out of hospital. It stands still from the day of entry to
    the eve of discharge, so that a length on it is a number of days in which drugs of home are
    taken.

    `city_days` gives, for points (CTE of person_id and `date_column`), the day of the clock: the
    body of a CTE of the points of people with a time in hospital, the only ones whose clock is not
    the calendar. The last entry at or before a point is found by one window, not by a join of
    points and stays.
#}
{% macro city_days(points, date_column) -%}
    select
        placed.person_id,
        placed.point_date as {{ date_column }},
        cast(
            {{ openchronic.day_number('placed.point_date') }}
            - coalesce(hospital.nights_before, 0)
            - coalesce({{ openchronic.days_between(
                'hospital.entry_date', 'least(placed.point_date, hospital.discharge_date)'
            ) }}, 0)
            as integer
        ) as city_day
    from (
        select
            person_id,
            point_date,
            is_point,
            max(entry_date) over (
                partition by person_id
                order by point_date asc, is_point asc
                rows between unbounded preceding and current row
            ) as last_entry
        from (
            select distinct
                points.person_id,
                points.{{ date_column }} as point_date,
                cast(null as date) as entry_date,
                1 as is_point
            from {{ points }} as points
            where points.person_id in (select person_id from {{ ref('int_hospital_time') }})
            union all
            select
                person_id,
                entry_date as point_date,
                entry_date,
                0 as is_point
            from {{ ref('int_hospital_time') }}
        ) as listed
    ) as placed
    left join {{ ref('int_hospital_time') }} as hospital
        on placed.person_id = hospital.person_id and placed.last_entry = hospital.entry_date
    where placed.is_point = 1
{%- endmacro %}

{#
    The way back: the date of a day of the clock, that of discharge where the clock stood still.
    Body of a CTE of (person_id, `city_column`, hospital_nights: nights to add to the clock).
#}
{% macro nights_of_city_days(points, city_column) -%}
    select
        person_id,
        point_day as {{ city_column }},
        cast(nights as integer) as hospital_nights
    from (
        select
            person_id,
            point_day,
            is_point,
            max(nights_after) over (
                partition by person_id
                order by point_day asc, is_point asc
                rows between unbounded preceding and current row
            ) as nights
        from (
            select distinct
                points.person_id,
                points.{{ city_column }} as point_day,
                cast(null as integer) as nights_after,
                1 as is_point
            from {{ points }} as points
            where points.person_id in (select person_id from {{ ref('int_hospital_time') }})
            union all
            select
                person_id,
                cast({{ openchronic.day_number('entry_date') }} - nights_before as integer) as point_day,
                nights_before + night_count as nights_after,
                0 as is_point
            from {{ ref('int_hospital_time') }}
        ) as listed
    ) as placed
    where is_point = 1
{%- endmacro %}

{# Days since 1900-01-01. #}
{% macro day_number(a_date) -%}
    {{ openchronic.days_between("date '1900-01-01'", a_date) }}
{%- endmacro %}

{# The date so many days after 1900-01-01. #}
{% macro date_of_day(number) -%}
    {{ return(adapter.dispatch('date_of_day', 'openchronic')(number)) }}
{%- endmacro %}

{% macro duckdb__date_of_day(number) -%}
    (date '1900-01-01' + cast({{ number }} as integer))
{%- endmacro %}

{% macro spark__date_of_day(number) -%}
    date_add(date '1900-01-01', cast({{ number }} as integer))
{%- endmacro %}
