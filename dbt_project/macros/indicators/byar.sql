{#
    Bounds of Byar's 95 % interval of a Poisson count, z = 1.959964; the lower bound of 0 is 0.
    Source: indicators 4.1.
#}
{% macro byar(count, bound) -%}
    {%- set z = 'cast(1.959964 as double)' -%}
    {%- set o = 'cast(' ~ count ~ ' as double)' -%}
    {%- if bound == 'low' -%}
    case
        when {{ count }} is null then null
        when {{ count }} <= 0 then cast(0 as double)
        else {{ o }} * power(1 - 1 / (9 * {{ o }}) - {{ z }} / (3 * sqrt({{ o }})), 3)
    end
    {%- else -%}
    ({{ o }} + 1) * power(1 - 1 / (9 * ({{ o }} + 1)) + {{ z }} / (3 * sqrt({{ o }} + 1)), 3)
    {%- endif -%}
{%- endmacro %}
