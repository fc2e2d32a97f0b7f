{#
    How far the data of a year are in, from the last flux month: provisional until six months after
    its end (99 % of the care is in), semi-final until 27 (the last stragglers), then final; 'unknown'
    without any flux. Source: architecture of the flux, indicators 0.9 (thresholds [A]).
#}
{% macro data_state(year, flux_cutoff) -%}
    {%- set months -%}
    ((cast(substr({{ flux_cutoff }}, 1, 4) as integer) - {{ year }} - 1) * 12
        + cast(substr({{ flux_cutoff }}, 6, 2) as integer))
    {%- endset -%}
    case
        when {{ flux_cutoff }} is null then 'unknown'
        when {{ months }} >= 27 then 'final'
        when {{ months }} >= 6 then 'semi-final'
        else 'provisional'
    end
{%- endmacro %}
