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
    select *
    from (
        values
        {%- for each in openchronic.quality_rules() %}
        (
            {{ openchronic.text(each.table) }},
            {{ openchronic.text(each.rule) }},
            cast({{ loop.index }} as integer),
            {{ openchronic.text(each.flag) }},
            {{ openchronic.text(each.when | trim) }},
            {{ openchronic.text(each.missing) }},
            {{ openchronic.text(each.uses | join(' ')) }},
            {{ openchronic.text(each.fr | trim) }},
            {{ openchronic.text(each.en | trim) }},
            {{ openchronic.text(each.source) }}
        ){{ ',' if not loop.last }}
        {%- endfor %}
    ) as rule (
        table_name, rule, position, flag, flagged_when, when_missing, uses, description_fr,
        description_en, source
    )
)

select * from final
