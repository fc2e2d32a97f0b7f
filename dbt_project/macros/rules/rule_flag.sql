{# The flags of a table, by their columns: what `rule_flag` writes and `is_used` reads. #}
{% macro rules_of(table) %}
    {{ return(openchronic.quality_rules() | selectattr('table', 'equalto', table) | list) }}
{% endmacro %}

{# The condition of one rule as a flag, never NULL. The columns it reads must be in scope. #}
{% macro rule_flag(table, name) -%}
    {%- set found = openchronic.rules_of(table) | selectattr('rule', 'equalto', name) | list -%}
    {%- if found | length != 1 -%}
        {%- do exceptions.raise_compiler_error("no quality rule " ~ name ~ " of " ~ table) -%}
    {%- endif -%}
    coalesce({{ found[0].when }}, false) as {{ found[0].flag }}
{%- endmacro %}

{# The uses of a table, in the order in which its rules name them. #}
{% macro uses_of(table) %}
    {%- set found = [] -%}
    {%- for rule in openchronic.rules_of(table) -%}
        {%- for use in rule.uses if use not in found -%}{%- do found.append(use) -%}{%- endfor -%}
    {%- endfor -%}
    {{ return(found) }}
{% endmacro %}

{# `is_used_for_<use>`: no rule of that use flags the row. The flags must be in scope. #}
{% macro is_used(table, use) -%}
    {%- set flags = [] -%}
    {%- for rule in openchronic.rules_of(table) if use in rule.uses -%}
        {%- do flags.append(rule.flag) -%}
    {%- endfor -%}
    not ({{ flags | join(' or ') }}) as is_used_for_{{ use }}
{%- endmacro %}
