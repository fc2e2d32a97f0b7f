{#
    Fails when a join multiplies rows: the model may not have more rows than those that it is made
    from, `times` each. `of` lists relations. `years`: 'none' compares totals; 'both' compares each
    year that this build writes; 'model' compares each of the model's years with all of `of`.
    Counts come from the footers of files: next to nothing to run.
#}
{% test rows_at_most(model, of, times=1, years='none') %}
{%- set year = '0' if years == 'none' else 'year' -%}
{%- set of_year = 'year' if years == 'both' else '0' -%}
with model_rows as (
    select {{ year }} as year_of_row, count(*) as n
    from {{ model }}
    {%- if years != 'none' %}
    where year in ({{ openchronic.years_written(model) }})
    {%- endif %}
    group by 1
),

parent_rows as (
    {%- for parent in of %}
    select {{ of_year }} as year_of_row, count(*) as n from {{ parent }} group by 1
    {{- '\n    union all' if not loop.last }}
    {%- endfor %}
),

allowed as (
    select year_of_row, {{ times }} * sum(n) as n from parent_rows group by year_of_row
)

select model_rows.year_of_row, model_rows.n, allowed.n as n_allowed
from model_rows
left join allowed
    on {{ 'model_rows.year_of_row = allowed.year_of_row' if years == 'both' else '1 = 1' }}
where model_rows.n > coalesce(allowed.n, 0)
{% endtest %}
