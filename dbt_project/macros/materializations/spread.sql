{#
    What a yearly model reads of its year, laid out in cells of people, so that the model can be made
    bucket by bucket in memory that does not grow with the year (decision 0035).

    Of the config `spread`: `cell` names the column (0 to 255, see cell.sql) by which rows are laid
    out, `readers` the models that read it, `rows` how many rows make a bucket. A reader that reads
    several has as many buckets as the first of them says. Rows are made for the years that the
    readers have to write. They are scratch: nothing of them is published.
#}
{% materialization spread, adapter='duckdb' %}
    {%- set target_relation = this.incorporate(type='view') -%}
    {{ run_hooks(pre_hooks) }}
    {%- set spread = config.require('spread') -%}
    {# A year, or a bucket of one, may have no row and so no file: columns are taken from here. #}
    {% call statement('shape') -%}
        create or replace table {{ target_relation.include(identifier=false) }}.{{ model.name }}__none as
        select * from ({{ openchronic.for_year(sql, '2000') }}) limit 0
    {%- endcall %}
    {%- for year in openchronic.years_to_write(spread.readers) -%}
        {%- set rows = openchronic.for_year(sql, year) -%}
        {%- set buckets = openchronic.buckets(spread, rows, year) -%}
        {# Each thread holds so many rows for all of its buckets before it writes. #}
        {% call statement('write_' ~ year) -%}
            set partitioned_write_flush_threshold = {{ [262144 // buckets, 2048] | max }};
            copy (
                select *, cast({{ spread.cell }} * {{ buckets }} // 256 as integer) as bucket
                from ({{ rows }})
            ) to '{{ openchronic.spread_folder(model.name, year) }}'
            (format parquet, compression lz4, partition_by (bucket), overwrite true);
            reset partitioned_write_flush_threshold
        {%- endcall %}
    {%- endfor -%}
    {% call statement('main') -%}
        {{ openchronic.over_spread(target_relation) }}
    {%- endcall %}
    {{ run_hooks(post_hooks) }}
    {% do openchronic.end_transaction() %}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}

{# Spark spills by itself: one table of all years, since a view read many times is planned as often. #}
{% materialization spread, adapter='spark' %}
    {%- set target_relation = this.incorporate(type='table') -%}
    {{ run_hooks(pre_hooks) }}
    {%- set years = openchronic.years_to_write(config.require('spread').readers) -%}
    {%- do run_query('drop table if exists ' ~ target_relation) -%}
    {% call statement('main') -%}
        create table {{ target_relation }} using parquet as
        {% for year in years or ['2000'] -%}
            select * from ({{ openchronic.for_year(sql, year) }}) as of_{{ year }}
            {{- ' limit 0' if not years }}
            {{ 'union all ' if not loop.last }}
        {%- endfor %}
    {%- endcall %}
    {{ run_hooks(post_hooks) }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}

{% macro for_year(sql, year) %}
    {{- return(sql | replace(openchronic.year_mark(), year)) -}}
{% endmacro %}

{# Where the rows of a year are, as a text of SQL. #}
{% macro spread_folder(model_name, year) %}
    {%- set folder = env_var('OPENCHRONIC_DBT_SPREAD', 'target/spread') ~ '/' ~ model_name ~ '-' ~ year -%}
    {{- return(folder | replace("'", "''")) -}}
{% endmacro %}

{# The years that some models have to write, as text. #}
{% macro years_to_write(names) %}
    {%- set found = run_query(
        "select distinct year from plan.model_file where state = 'write' and model in ('"
        ~ names | join("', '") ~ "') order by year"
    ) -%}
    {%- set years = [] -%}
    {%- for row in found -%}{%- do years.append(row[0] | int | string) -%}{%- endfor -%}
    {{ return(years) }}
{% endmacro %}

{# How many buckets a year of a reader has: a power of two, decided by its first spread model. #}
{% macro buckets(spread, rows, year) %}
    {%- do run_query(
        "create table if not exists plan.bucket (reader varchar, year integer, buckets integer)"
    ) -%}
    {%- set reader = spread.readers | first -%}
    {%- set known = openchronic.buckets_of(reader, year) -%}
    {%- if known -%}{{ return(known) }}{%- endif -%}
    {%- do run_query(
        "insert into plan.bucket select '" ~ reader ~ "', " ~ year ~ ", least(256, greatest(1,"
        ~ " cast(pow(2, ceil(log2(greatest(count(*), 1) / " ~ spread.rows ~ "))) as integer)))"
        ~ " from (" ~ rows ~ ")"
    ) -%}
    {{ return(openchronic.buckets_of(reader, year)) }}
{% endmacro %}

{% macro buckets_of(reader, year) %}
    {%- set found = run_query(
        "select buckets from plan.bucket where reader = '" ~ reader ~ "' and year = " ~ year
    ) -%}
    {{- return((found.rows[0][0] | int) if found.rows else 0) -}}
{% endmacro %}

{# The relation of a spread model: the rows of all years, or those of one bucket of a year. #}
{% macro over_spread(relation, year='*', bucket='*') %}
    {%- set found = run_query(
        "select file from glob('" ~ openchronic.spread_folder(relation.identifier, year)
        ~ "/bucket=" ~ bucket ~ "/*.parquet') order by file"
    ) -%}
    create or replace view {{ relation }} as
    select * from {{ relation.include(identifier=false) }}.{{ relation.identifier }}__none
    {%- for row in found %}
        {%- if loop.first %} union all select * from read_parquet([{% endif -%}
        '{{ row[0] | replace("'", "''") }}'
        {%- if not loop.last %}, {% else %}], hive_partitioning = false){% endif -%}
    {%- endfor %}
{% endmacro %}

{# Let the relations of spread models hold one bucket of a year only; without one, all again. #}
{% macro point_at(names, year='*', bucket='*') %}
    {%- for name in names -%}
        {%- set relation = this.incorporate(path={'identifier': name}, type='view') -%}
        {%- do run_query(openchronic.over_spread(relation, year, bucket)) -%}
    {%- endfor -%}
{% endmacro %}
