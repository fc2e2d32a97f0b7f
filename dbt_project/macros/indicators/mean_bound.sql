{#
    Bounds of the 95 % interval of a mean by the normal law, from the mean, the variance of the mean
    and the number of units; NULL under 200 units (indicators 4.2).
#}
{% macro mean_bound(mean, variance, units, bound) -%}
    case
        when {{ units }} >= 200 and {{ variance }} >= 0
            then {{ mean }} {{ '-' if bound == 'low' else '+' }} cast(1.959964 as double)
                * sqrt({{ variance }})
    end
{%- endmacro %}
