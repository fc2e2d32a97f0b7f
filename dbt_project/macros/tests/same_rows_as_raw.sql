{#
    Fails when a model has not as many rows as the raw table it is made from, in each year that this
    build writes. `source_year` is the raw column of the year, `care` for the rule of DCIR, nothing
    for a table without years.
#}
{% test same_rows_as_raw(model, source_table, source_year=none, source_where='1 = 1', mart_where='1 = 1') %}
{%- if source_year == 'care' -%}
    {%- set raw_year = openchronic.care_year('exe_soi_dtd', 'flx_dis_dtd') -%}
{%- else -%}
    {%- set raw_year = source_year or '0' -%}
{%- endif -%}
{%- set model_year = 'year' if source_year else '0' -%}
with raw_rows as (
    select year_of_row, count(*) as n
    from (
        select {{ raw_year }} as year_of_row
        from {{ source('snds', source_table) }}
        where {{ source_where }}
    ) as listed
    group by year_of_row
),

model_rows as (
    select year_of_row, count(*) as n
    from (select {{ model_year }} as year_of_row from {{ model }} where {{ mart_where }}) as listed
    group by year_of_row
)

select raw_rows.year_of_row, raw_rows.n, model_rows.n as n_model
from raw_rows
full outer join model_rows on raw_rows.year_of_row = model_rows.year_of_row
where
    coalesce(raw_rows.n, 0) <> coalesce(model_rows.n, 0)
    {%- if source_year %}
    and coalesce(model_rows.year_of_row, raw_rows.year_of_row) in (
        {{ openchronic.years_written(model) }}
    )
    {%- endif %}
{% endtest %}
