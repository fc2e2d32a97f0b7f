{#
    The year that a row of DCIR belongs to. A row whose care date is missing, or is the sentinel
    1600-01-01, is not lost: it belongs to its flux year (February to January).
#}
{% macro care_year(care_date, flux_month) -%}
    cast(coalesce(
        case when year({{ care_date }}) > 1600 then year({{ care_date }}) end,
        {{ openchronic.flux_year(flux_month) }}
    ) as integer)
{%- endmacro %}

{% macro flux_year(flux_month) -%}
    cast(year({{ flux_month }}) - case when month({{ flux_month }}) = 1 then 1 else 0 end as integer)
{%- endmacro %}

{# The same for Open DAMIR, whose months are numbers. #}
{% macro damir_year() -%}
    cast(coalesce(
        case when soi_ann > 1600 then soi_ann end,
        floor(flx_ann_moi / 100) - case when flx_ann_moi % 100 = 1 then 1 else 0 end,
        0
    ) as integer)
{%- endmacro %}
