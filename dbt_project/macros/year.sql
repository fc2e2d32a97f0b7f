{#
    The year that a yearly model is being written for. dbt compiles a model once; the
    materialisation runs it once for each year, with the mark replaced by the year. Unit tests set
    the variable `unit_test_year` instead.
#}
{% macro build_year(offset=0) -%}
    {%- set fixed = var('unit_test_year', none) -%}
    {%- if fixed is not none -%}
        {{ fixed | int + offset }}
    {%- elif offset == 0 -%}
        {{ openchronic.year_mark() }}
    {%- else -%}
        ({{ openchronic.year_mark() }} + ({{ offset }}))
    {%- endif -%}
{%- endmacro %}

{% macro year_start(offset=0) -%}
    make_date({{ openchronic.build_year(offset) }}, 1, 1)
{%- endmacro %}

{% macro year_end(offset=0) -%}
    make_date({{ openchronic.build_year(offset) }}, 12, 31)
{%- endmacro %}

{% macro year_mark() -%}__build_year__{%- endmacro %}
