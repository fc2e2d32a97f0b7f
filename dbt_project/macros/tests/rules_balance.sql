{#
    Fails when, in a year that this build writes, what the rules of a use flag and what remains are
    not together what was staged, or what remains is not what the mart says is used, or what was
    staged is not what is in the raw table. Rows, and euros to the cent.
#}
{% test rules_balance(model) %}
with last_rule as (
    select
        year as year_of_row,
        table_name,
        use_name,
        max(staged_row_count) as staged_rows,
        min(staged_row_count) as staged_rows_again,
        coalesce(max(staged_amount), 0) as staged_euros,
        sum(order_row_count) as flagged_rows,
        coalesce(sum(order_amount), 0) as flagged_euros,
        min(remaining_row_count) as remaining_rows
    from {{ model }}
    group by year, table_name, use_name
),

used as (
{%- for ruled in openchronic.ruled_tables() %}
{%- set last_table = loop.last %}
{#- Of a table whose rules leave nothing out, what is staged is all there is to compare. #}
{%- for use in openchronic.uses_of(ruled.table) or ['information'] %}
    select
        {{ 'year' if ruled.raw_year else 'cast(null as integer)' }} as year_of_row,
        '{{ ruled.table }}' as table_name,
        '{{ use }}' as use_name,
        {%- if use == 'information' %}
        cast(null as bigint) as used_rows,
        cast(null as decimal(18, 2)) as used_euros
        {%- else %}
        sum(case when is_used_for_{{ use }} then 1 else 0 end) as used_rows,
        coalesce(sum(case when is_used_for_{{ use }} then {{ ruled.amount }} end), 0) as used_euros
        {%- endif %}
    from {{ ref(ruled.model) }}
    where {{ ruled.where }}
    {{- '\n    group by year' if ruled.raw_year }}
    {{- '\n    union all' if not (loop.last and last_table) }}
{%- endfor %}
{%- endfor %}
),

raw_rows as (
{%- for ruled in openchronic.ruled_tables() %}
    select
        {{ ruled.raw_year or 'written.year' }} as year_of_row,
        '{{ ruled.table }}' as table_name,
        count(*) as raw_rows,
        {{ 'coalesce(sum(' ~ ruled.raw_amount ~ '), 0)' if ruled.raw_amount else 'cast(null as decimal(18, 2))' }}
            as raw_euros
    from {{ ref(ruled.raw_model) if ruled.raw_model else source('snds', ruled.raw) }}
    {{- '\n    cross join (' ~ openchronic.years_written(model) ~ ') as written' if not ruled.raw_year }}
    where {{ ruled.raw_where or '1 = 1' }}
    group by {{ ruled.raw_year or 'written.year' }}
    {{- '\n    union all' if not loop.last }}
{%- endfor %}
),

-- Every table, use and year with rows: none may be missing from the model.
expected as (
    select
        raw_rows.year_of_row,
        raw_rows.table_name,
        raw_rows.raw_rows,
        raw_rows.raw_euros,
        used.use_name,
        used.used_rows,
        used.used_euros
    from raw_rows
    left join used
        on raw_rows.table_name = used.table_name
        and (raw_rows.year_of_row = used.year_of_row or used.year_of_row is null)
    where raw_rows.year_of_row in ({{ openchronic.years_written(model) }})
)

select expected.year_of_row, expected.table_name, expected.use_name
from expected
left join last_rule
    on expected.year_of_row = last_rule.year_of_row
    and expected.table_name = last_rule.table_name
    and expected.use_name = last_rule.use_name
where
    last_rule.use_name is null
    or last_rule.staged_rows <> last_rule.staged_rows_again
    or last_rule.staged_rows <> expected.raw_rows
    or last_rule.staged_euros <> expected.raw_euros
    or last_rule.flagged_rows + expected.used_rows <> last_rule.staged_rows
    or last_rule.flagged_euros + expected.used_euros <> last_rule.staged_euros
    or last_rule.remaining_rows <> expected.used_rows
{% endtest %}
