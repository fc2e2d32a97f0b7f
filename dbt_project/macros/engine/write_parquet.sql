{#
    Write a query's rows to Parquet, in the order of the key. An empty result is a file with its
    schema and no row on both engines.

    DuckDB: one file, moved into place when complete; the row group size is fixed because the
    default may change with the engine. Spark: a folder, complete when it holds `_SUCCESS`.
#}
{% macro write_parquet(rows, key, path) %}
    {{ return(adapter.dispatch('write_parquet', 'openchronic')(rows, key, path)) }}
{% endmacro %}

{% macro duckdb__write_parquet(rows, key, path) %}
copy (
    select * from ({{ rows }}) as model_rows
    order by {% for column in key %}{{ column }} asc nulls last{{ ', ' if not loop.last }}{% endfor %}
) to '{{ path | replace("'", "''") }}'
(format parquet, compression zstd, row_group_size 122880, use_tmp_file true)
{% endmacro %}

{% macro spark__write_parquet(rows, key, path) %}
insert overwrite directory '{{ path | replace("\\", "\\\\") | replace("'", "\\'") }}'
using parquet options (compression 'zstd')
select * from ({{ rows }}) as model_rows
order by {% for column in key %}{{ column }} asc nulls last{{ ', ' if not loop.last }}{% endfor %}
{% endmacro %}
