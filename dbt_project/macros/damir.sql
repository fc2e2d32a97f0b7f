{# The region of Open DAMIR that an INSEE region belongs to: overseas together, Corsica with PACA. #}
{% macro damir_region(region) -%}
    case
        when {{ region }} in ('01', '02', '03', '04', '06') then 5
        when {{ region }} = '94' then 93
        else cast({{ region }} as bigint)
    end
{%- endmacro %}

{# A rate as a double, NULL where there is nothing to divide by. #}
{% macro rate_of(numerator, denominator, times=1) -%}
    case
        when {{ denominator }} > 0
            then cast({{ times }} * {{ numerator }} as double) / cast({{ denominator }} as double)
    end
{%- endmacro %}
