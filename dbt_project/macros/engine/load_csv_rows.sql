{#
    Seeds on Spark. The adapter's own macro does not quote the values that it puts into its
    statement when it runs in a session, and stops at the first apostrophe.
#}
{% macro spark__load_csv_rows(model, agate_table) %}
    {%- set types = model['config'].get('column_types', {}) -%}
    {%- set load -%}
        insert into {{ this.render() }} values
        {%- for row in agate_table.rows %}
        (
            {%- for column in agate_table.column_names -%}
                {%- set value = row[loop.index0] -%}
                {%- if value is none -%}
                    cast(null as {{ types[column] }})
                {%- else -%}
                    cast('{{ value | string | replace("\\", "\\\\") | replace("'", "\\'") }}'
                    as {{ types[column] }})
                {%- endif -%}
                {{ ', ' if not loop.last }}
            {%- endfor -%}
        ){{ ',' if not loop.last }}
        {%- endfor %}
    {%- endset -%}
    {%- do adapter.add_query(load, abridge_sql_log=True) -%}
    {{ return(load) }}
{% endmacro %}
