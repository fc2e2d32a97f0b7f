{#
    Bounds of Dobson's 95 % interval of a directly standardised rate, from the rate, its variance and
    the total count: Byar's interval of the count, brought to the scale of the rate.
    Source: Dobson 1991 as in indicators 4.1 [K]. NULL without an event.
#}
{% macro dobson(rate, variance, count, bound) -%}
    case
        when {{ count }} > 0
            then {{ rate }} + sqrt({{ variance }} / cast({{ count }} as double))
                * ({{ openchronic.byar(count, bound) }} - cast({{ count }} as double))
    end
{%- endmacro %}
