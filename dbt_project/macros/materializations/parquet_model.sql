{#
    Both materialisations: immutable Parquet files, then a relation over all files of the model.

    `yearly` runs the model once for each year to write, `history` once. What to write, and what is
    taken over from the build before, is in `plan.model_file`, made before dbt starts. Rows are
    written in the order of the model's unique key, so that the same rows give the same bytes.

    A yearly model whose config names `buckets` (spread models, see spread.sql) is made bucket by
    bucket on DuckDB, a file each. The first file is written last: where it is, the year is complete.
#}
{% macro parquet_model() %}
    {%- set target_relation = this.incorporate(type=openchronic.relation_kind()) -%}
    {%- set key = config.require('unique_key') -%}
    {{ run_hooks(pre_hooks) }}
    {%- set probe = sql | replace(openchronic.year_mark(), '2000') -%}
    {%- if config.get('contract').enforced -%}
        {%- do get_assert_columns_equivalent(probe) -%}
    {%- endif -%}
    {%- set planned = run_query(
        "select year, path, state from plan.model_file where model = '" ~ model.name
        ~ "' order by year, path"
    ) -%}
    {%- set in_buckets = config.get('buckets') if target.type == 'duckdb' else none -%}
    {%- set paths = [] -%}
    {%- for row in planned -%}
        {%- do paths.append(row[1]) -%}
        {%- if row[2] == 'write' -%}
            {%- set year = (row[0] | int | string) if row[0] is not none else '' -%}
            {%- set rows = openchronic.for_year(sql, year) -%}
            {%- set number = loop.index -%}
            {%- set buckets = openchronic.buckets_of(model.name, year) if in_buckets else 1 -%}
            {%- for bucket in range(buckets) | reverse -%}
                {%- set path = row[1] | replace('part-0000', 'part-%04d' % bucket) -%}
                {%- if bucket -%}{%- do paths.append(path) -%}{%- endif -%}
                {%- if in_buckets -%}{%- do openchronic.point_at(in_buckets, year, bucket) -%}{%- endif -%}
                {% call statement('write_' ~ number ~ '_' ~ bucket) -%}
                    {{ openchronic.write_parquet(rows, key, path) }}
                {%- endcall %}
            {%- endfor -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if not paths -%}
        {%- do exceptions.raise_compiler_error(
            model.name ~ " is not in the plan; build it with openchronic run"
        ) -%}
    {%- endif -%}
    {%- if in_buckets -%}{%- do openchronic.point_at(in_buckets) -%}{%- endif -%}
    {% call statement('main') -%}
        {{ openchronic.relation_over_files(target_relation, paths | sort) }}
    {%- endcall %}
    {{ run_hooks(post_hooks) }}
    {% do openchronic.end_transaction() %}
    {{ return({'relations': [target_relation]}) }}
{% endmacro %}

{% materialization yearly, adapter='duckdb' %}
    {{ return(openchronic.parquet_model()) }}
{% endmaterialization %}

{% materialization yearly, adapter='spark' %}
    {{ return(openchronic.parquet_model()) }}
{% endmaterialization %}

{% materialization history, adapter='duckdb' %}
    {{ return(openchronic.parquet_model()) }}
{% endmaterialization %}

{% materialization history, adapter='spark' %}
    {{ return(openchronic.parquet_model()) }}
{% endmaterialization %}
