{#
    The sums of a cell of a measure's rows, exact and so the same in any order: units counted and left
    out, people counted, numerator, denominator, and the squares and products for variances.
#}
{% macro cell_sums(rows) -%}
    cast(sum(case when {{ rows }}.excl_code is null then 1 else 0 end) as bigint) as unit_count,
        cast(sum(case when {{ rows }}.excl_code is null then 0 else 1 end) as bigint) as excluded_count,
        cast(
            sum(case when {{ rows }}.unit_id = '' and {{ rows }}.excl_code is null then 1 else 0 end)
            + count(distinct case
                when {{ rows }}.unit_id <> '' and {{ rows }}.excl_code is null then {{ rows }}.person_id
            end)
        as bigint) as person_count,
        {{ openchronic.exact_sum(rows ~ '.num') }} as num,
        {{ openchronic.exact_sum(rows ~ '.den') }} as den,
        {{ openchronic.exact_sum(rows ~ '.num * ' ~ rows ~ '.num') }} as num_squares,
        {{ openchronic.exact_sum(rows ~ '.den * ' ~ rows ~ '.den') }} as den_squares,
        {{ openchronic.exact_sum(rows ~ '.num * ' ~ rows ~ '.den') }} as num_den
{%- endmacro %}

{# The same sums of cells brought together. #}
{% macro cell_sums_again() -%}
    cast(sum(unit_count) as bigint) as unit_count,
        cast(sum(excluded_count) as bigint) as excluded_count,
        cast(sum(person_count) as bigint) as person_count,
        cast(sum(num) as decimal(38, 12)) as num,
        cast(sum(den) as decimal(38, 12)) as den,
        cast(sum(num_squares) as decimal(38, 12)) as num_squares,
        cast(sum(den_squares) as decimal(38, 12)) as den_squares,
        cast(sum(num_den) as decimal(38, 12)) as num_den
{%- endmacro %}

{# A sum of doubles to twelve decimals, the same whatever the order; 0 where all are NULL. #}
{% macro exact_sum(value) -%}
    cast(coalesce(sum(cast({{ value }} as decimal(28, 12))), 0) as decimal(38, 12))
{%- endmacro %}

{# A sum of doubles to eighteen decimals, the same whatever the order. #}
{% macro exact_part(value) -%}
    cast(sum(cast({{ value }} as decimal(38, 18))) as decimal(38, 18))
{%- endmacro %}
