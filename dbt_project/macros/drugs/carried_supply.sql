{#
    Dispensings of one person and substance, in the order of the days they came on, each with the
    day at which what is at home then runs out: what is left of before and what comes, never more
    than `stock_max` days.

    `packed` is an aggregate's argument: day * 10000 + days of supply (below 10000). The result is a
    list of day * 10000 + days at home after the dispensing, as `explode_list` gives in rows. The
    stock after a dispensing depends on the one before through both bounds, which no window sums:
    a fold over a sorted list, linear in dispensings.
#}
{% macro carried_supply(packed, stock_max) %}
    {{- return(adapter.dispatch('carried_supply', 'openchronic')(packed, stock_max)) -}}
{% endmacro %}

{% macro duckdb__carried_supply(packed, stock_max) -%}
    list_reduce(
        list_transform(list_sort(list({{ packed }})), lambda x: [x]),
        lambda kept, come: list_append(
            kept,
            come[1] - come[1] % 10000 + least(
                {{ stock_max }},
                come[1] % 10000
                + greatest(
                    coalesce(
                        (kept[-1] - kept[-1] % 10000) // 10000 + kept[-1] % 10000
                        - (come[1] - come[1] % 10000) // 10000,
                        0
                    ),
                    0
                )
            )
        ),
        cast([] as bigint[])
    )
{%- endmacro %}

{% macro spark__carried_supply(packed, stock_max) -%}
    aggregate(
        array_sort(collect_list({{ packed }})),
        cast(array() as array<bigint>),
        (kept, come) -> concat(kept, array(
            come - come % 10000 + least(
                {{ stock_max }},
                come % 10000
                + greatest(
                    coalesce(
                        (try_element_at(kept, -1) - try_element_at(kept, -1) % 10000) div 10000
                        + try_element_at(kept, -1) % 10000
                        - (come - come % 10000) div 10000,
                        0
                    ),
                    0
                )
            )
        ))
    )
{%- endmacro %}

{# A row for each element of a list, in a select clause. #}
{% macro explode_list(a_list) %}
    {{- return(adapter.dispatch('explode_list', 'openchronic')(a_list)) -}}
{% endmacro %}

{% macro duckdb__explode_list(a_list) -%}
    unnest({{ a_list }})
{%- endmacro %}

{% macro spark__explode_list(a_list) -%}
    explode({{ a_list }})
{%- endmacro %}
