{#
    The conventions of exposure to drugs, each one number in days unless said. All are ours or of
    the literature [A]: the deliveries hold no days of supply. A dbt variable `drug_<name>` changes
    one. docs/drugs.md tells what each does.
#}
{% macro drug_parameter(name) -%}
    {%- set defaults = {
        'days_large_pack': 90,
        'days_small_pack': 30,
        'days_box_min': 14,
        'days_box_max': 120,
        'stock_max': 120,
        'era_gap': 30,
        'era_level': 7,
        'limited_large_pack': 90,
        'limited_small_pack': 30,
        'limited_gap': 30,
        'first_dispensings': 2,
        'first_window': 180,
        'persistence_gap': 60,
        'window_min': 91,
    } -%}
    {%- if name not in defaults -%}
        {%- do exceptions.raise_compiler_error('no parameter ' ~ name ~ ' of exposure to drugs') -%}
    {%- endif -%}
    {{ var('drug_' ~ name, defaults[name]) | int }}
{%- endmacro %}
