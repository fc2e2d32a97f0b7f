{#
    Fails when a join multiplies rows: the model may not have more rows than those that it is made
    from, `times` each. `of` lists relations or one of them; with `by_year`, in each year that this
    build writes. Counts come from the footers of files: next to nothing to run.
#}
{% test rows_at_most(model, of, times=1, by_year=false, of_where='1 = 1') %}
{%- set parents = [of] if of is string or of.identifier is defined else of -%}
{%- set year = 'year' if by_year else '0' -%}
with model_rows as (
    select {{ year }} as year_of_row, count(*) as n
    from {{ model }}
    {%- if by_year %}
    where year in ({{ openchronic.years_written(model) }})
    {%- endif %}
    group by 1
),

parent_rows as (
    {%- for parent in parents %}
    select {{ year }} as year_of_row, count(*) as n from {{ parent }} where {{ of_where }} group by 1
    {{- '\n    union all' if not loop.last }}
    {%- endfor %}
),

allowed as (
    select year_of_row, {{ times }} * sum(n) as n from parent_rows group by year_of_row
)

select model_rows.year_of_row, model_rows.n, allowed.n as n_allowed
from model_rows
left join allowed on model_rows.year_of_row = allowed.year_of_row
where model_rows.n > coalesce(allowed.n, 0)
{% endtest %}
