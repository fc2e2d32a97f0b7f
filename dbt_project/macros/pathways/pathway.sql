{#
    What a person meets in a month or on a day, in the order in which one wins over another:
    DEAD > MCO > PSY > SSR > HAD > ED > SPE > GP > NURSE > PHARM > NONE.
#}
{% macro pathway_activities() %}
    {{ return(['MCO', 'PSY', 'SSR', 'HAD', 'ED', 'SPE', 'GP', 'NURSE', 'PHARM']) }}
{% endmacro %}

{# The place of an activity in that order, from 1. #}
{% macro pathway_priority(activity) -%}
    case {{ activity }}
        when 'DEAD' then 0
        {%- for each in openchronic.pathway_activities() %}
        when '{{ each }}' then {{ loop.index }}
        {%- endfor %}
        else 99
    end
{%- endmacro %}

{# The activity of a place in that order. #}
{% macro pathway_of_priority(place) -%}
    case {{ place }}
        when 0 then 'DEAD'
        {%- for each in openchronic.pathway_activities() %}
        when {{ loop.index }} then '{{ each }}'
        {%- endfor %}
        else 'NONE'
    end
{%- endmacro %}

{#
    The conventions of pathways [A]. A dbt variable `pathway_<name>` changes one.
    docs/pathways.md tells what each does.
#}
{% macro pathway_parameter(name) -%}
    {%- set defaults = {
        'months_before': 24,
        'months_after': 36,
        'washout_days': 365,
        'sequence_days': 180,
        'variant_steps': 10,
    } -%}
    {%- if name not in defaults -%}
        {%- do exceptions.raise_compiler_error('no parameter ' ~ name ~ ' of pathways') -%}
    {%- endif -%}
    {{ var('pathway_' ~ name, defaults[name]) | int }}
{%- endmacro %}

{# Months since year 0: a difference of two is a number of calendar months. #}
{% macro month_number(a_date) -%}
    (year({{ a_date }}) * 12 + month({{ a_date }}))
{%- endmacro %}

{# The last day of the month of such a number. #}
{% macro end_of_month_number(number) -%}
    last_day(make_date(
        cast(floor(({{ number }} - 1) / 12.0) as integer),
        cast(({{ number }} - 1) % 12 + 1 as integer),
        1
    ))
{%- endmacro %}
