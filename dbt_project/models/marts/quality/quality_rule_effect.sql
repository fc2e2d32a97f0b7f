{#
    What each quality rule flags: rows and euros of each table and year, alone, and in the order in
    which the rules of a use apply (each row counted once, by the first rule that flags it).
    Rule: staged = flagged in order + remaining, and remaining is what `is_used_for_<use>` keeps;
    a blocking test compares both with the rows of the marts and of the raw tables, to the cent.
    Rules of no use are counted alone, under `information`. A table without years (IR_IMB_R) is
    counted whole in each year: its rows do not add up over years. Grain: one row a table, use and rule.
#}
{{ config(
    materialized='yearly',
    unique_key=['table_name', 'use_name', 'position'],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

with
{%- for ruled in openchronic.ruled_tables() %}
{%- set rules = openchronic.rules_of(ruled.table) %}
{%- set uses = openchronic.uses_of(ruled.table) %}
{{ ruled.table | lower }}_flagged as (
    select
        {{ ruled.amount }} as amount
        {%- for rule in rules %},
        {{ rule.flag }}
        {%- endfor %}
    from {{ ref(ruled.model) }}
    where {{ 'year = ' ~ openchronic.build_year() ~ ' and ' if ruled.raw_year }}{{ ruled.where }}
),

{{ ruled.table | lower }}_counted as (
    select
        cast(count(*) as bigint) as staged_row_count,
        cast(sum(amount) as decimal(18, 2)) as staged_amount
        {%- for rule in rules %},
        sum(case when {{ rule.flag }} then 1 else 0 end) as {{ rule.flag }}_rows,
        sum(case when {{ rule.flag }} then amount end) as {{ rule.flag }}_amount
        {%- endfor %}
        {%- for use in uses %}
        {%- set before = [] %}
        {%- for rule in rules if use in rule.uses %},
        sum(
            case when {{ rule.flag }}{% for flag in before %} and not {{ flag }}{% endfor %} then 1 else 0 end
        ) as {{ rule.flag }}_{{ use }}_rows,
        sum(
            case when {{ rule.flag }}{% for flag in before %} and not {{ flag }}{% endfor %} then amount end
        ) as {{ rule.flag }}_{{ use }}_amount
        {%- do before.append(rule.flag) %}
        {%- endfor %}
        {%- endfor %}
    from {{ ruled.table | lower }}_flagged
),
{% endfor %}

counted as (
{%- for ruled in openchronic.ruled_tables() %}
{%- set rules = openchronic.rules_of(ruled.table) %}
{%- set places = [] %}
{%- for use in openchronic.uses_of(ruled.table) %}
{%- for rule in rules if use in rule.uses %}
{%- do places.append([use, rule.rule, rule.flag, loop.index]) %}
{%- endfor %}
{%- endfor %}
{%- for rule in rules if not rule.uses %}
{%- do places.append(['information', rule.rule, rule.flag, loop.index]) %}
{%- endfor %}
    select
        '{{ ruled.table }}' as table_name,
        place.use_name,
        place.rule,
        place.position,
        total.staged_row_count,
        total.staged_amount,
        case place.rule
            {%- for rule in rules %}
            when '{{ rule.rule }}' then total.{{ rule.flag }}_rows
            {%- endfor %}
        end as alone_row_count,
        case place.rule
            {%- for rule in rules %}
            when '{{ rule.rule }}' then total.{{ rule.flag }}_amount
            {%- endfor %}
        end as alone_amount,
        case
            when place.use_name = 'information' then null
            {%- for use, rule, flag, position in places if use != 'information' %}
            when place.use_name = '{{ use }}' and place.rule = '{{ rule }}'
                then total.{{ flag }}_{{ use }}_rows
            {%- endfor %}
        end as order_row_count,
        case
            when place.use_name = 'information' then null
            {%- for use, rule, flag, position in places if use != 'information' %}
            when place.use_name = '{{ use }}' and place.rule = '{{ rule }}'
                then total.{{ flag }}_{{ use }}_amount
            {%- endfor %}
        end as order_amount
    from {{ ruled.table | lower }}_counted as total
    cross join (
        values
        {%- for use, rule, flag, position in places %}
        ('{{ use }}', '{{ rule }}', {{ position }}){{ ',' if not loop.last }}
        {%- endfor %}
    ) as place (use_name, rule, position)
    where total.staged_row_count > 0
    {{- '\n    union all' if not loop.last }}
{%- endfor %}
),

final as (
    select
        cast({{ openchronic.build_year() }} as integer) as year,
        table_name,
        use_name,
        rule,
        cast(position as integer) as position,
        staged_row_count,
        staged_amount,
        cast(alone_row_count as bigint) as alone_row_count,
        cast(alone_amount as decimal(18, 2)) as alone_amount,
        cast(order_row_count as bigint) as order_row_count,
        cast(order_amount as decimal(18, 2)) as order_amount,
        case when order_row_count is not null then cast(staged_row_count - sum(order_row_count) over (
            partition by table_name, use_name order by position
        ) as bigint) end as remaining_row_count,
        case when order_row_count is not null then cast(staged_amount - sum(coalesce(order_amount, 0)) over (
            partition by table_name, use_name order by position
        ) as decimal(18, 2)) end as remaining_amount
    from counted
)

select * from final
