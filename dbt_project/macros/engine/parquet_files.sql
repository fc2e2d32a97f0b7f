{#
    A `from` item over exactly these files. `year=` in a folder's name is for people: the column is
    in the file, so it is not read from the path.
#}
{% macro parquet_files(paths) %}
    {{ return(adapter.dispatch('parquet_files', 'openchronic')(paths)) }}
{% endmacro %}

{% macro duckdb__parquet_files(paths) -%}
read_parquet([
    {%- for path in paths %}'{{ path | replace("'", "''") }}'{{ ', ' if not loop.last }}{% endfor -%}
], hive_partitioning = false)
{%- endmacro %}

{% macro spark__parquet_files(paths) -%}
(
    {%- for path in paths %}
    select * from parquet.`{{ path }}`
    {{- ' union all' if not loop.last }}
    {%- endfor %}
) as model_files
{%- endmacro %}
