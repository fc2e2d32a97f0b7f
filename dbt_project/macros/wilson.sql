{#
    Bounds of Wilson's 95 % interval of a proportion, z = 1.959964. Exact at the ends: the lower
    bound of 0 successes is 0, the upper bound of n among n is 1. NULL without a denominator.
#}
{% macro wilson(numerator, denominator, bound) -%}
    {%- set x = 'cast(' ~ numerator ~ ' as double)' -%}
    {%- set n = 'cast(' ~ denominator ~ ' as double)' -%}
    {%- set z = 'cast(1.959964 as double)' -%}
    case
        when {{ denominator }} is null or {{ denominator }} <= 0 then null
        {% if bound == 'low' -%}
        when {{ numerator }} = 0 then cast(0 as double)
        {%- else -%}
        when {{ numerator }} = {{ denominator }} then cast(1 as double)
        {%- endif %}
        else (
            {{ x }} / {{ n }} + {{ z }} * {{ z }} / (2 * {{ n }})
            {{ '-' if bound == 'low' else '+' }} {{ z }} * sqrt(
                {{ x }} / {{ n }} * (1 - {{ x }} / {{ n }}) / {{ n }}
                + {{ z }} * {{ z }} / (4 * {{ n }} * {{ n }})
            )
        ) / (1 + {{ z }} * {{ z }} / {{ n }})
    end
{%- endmacro %}
