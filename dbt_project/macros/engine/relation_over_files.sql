{#
    The statement that makes a relation over exactly these files. `year=` in a folder's name is for
    people: the column is in the file, so it is not read from the path.

    DuckDB: a view. Spark: a table over a brace list of paths; a view would read the footers again
    each time that it is used.
#}
{% macro relation_over_files(relation, paths) %}
    {{ return(adapter.dispatch('relation_over_files', 'openchronic')(relation, paths)) }}
{% endmacro %}

{% macro duckdb__relation_over_files(relation, paths) -%}
create or replace view {{ relation }} as
select * from read_parquet([
    {%- for path in paths %}'{{ path | replace("'", "''") }}'{{ ', ' if not loop.last }}{% endfor -%}
], hive_partitioning = false)
{%- endmacro %}

{% macro spark__relation_over_files(relation, paths) -%}
    {%- set escaped = [] -%}
    {%- for path in paths -%}
        {%- set letters = [] -%}
        {%- for letter in path -%}
            {%- do letters.append('\\' ~ letter if letter in '{}[]*?,\\' else letter) -%}
        {%- endfor -%}
        {%- do escaped.append(letters | join) -%}
    {%- endfor -%}
    {%- if escaped | length == 1 -%}
        {%- set located = escaped[0] -%}
    {%- else -%}
        {%- set tails = [] -%}
        {%- for path in escaped -%}{%- do tails.append(path[1:]) -%}{%- endfor -%}
        {%- set located = '/{' ~ tails | join(',') ~ '}' -%}
    {%- endif -%}
create table {{ relation }}
using parquet options (path '{{ located | replace("\\", "\\\\") | replace("'", "\\'") }}')
{%- endmacro %}
