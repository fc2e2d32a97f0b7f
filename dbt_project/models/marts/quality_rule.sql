{#
    The quality rules of this build, as data: what docs/quality-rules.md tells.
    Source: macros/rules/quality_rules.sql. Grain: one row a rule of a table.
#}
{{ config(
    materialized='history',
    unique_key=['table_name', 'rule'],
    meta={'kind': 'history', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': false}
) }}

with final as (
    {%- for each in openchronic.quality_rules() %}
    select
        {{ openchronic.text(each.table) }} as table_name,
        {{ openchronic.text(each.rule) }} as rule,
        cast({{ loop.index }} as integer) as position,
        {{ openchronic.text(each.flag) }} as flag,
        {{ openchronic.text(each.when | trim) }} as flagged_when,
        {{ openchronic.text(each.missing) }} as when_missing,
        {{ openchronic.text(each.uses | join(' ')) }} as uses,
        {{ openchronic.text(each.fr | trim) }} as description_fr,
        {{ openchronic.text(each.en | trim) }} as description_en,
        {{ openchronic.text(each.source) }} as source
    {{ 'union all' if not loop.last }}
    {%- endfor %}
)

select * from final
