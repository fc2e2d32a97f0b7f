{#
    Whom the marts of this build hold: everybody ('exhaustive'), or the people of a panel. The build
    says so (docs/panel.md); the two never meet in one catalogue.
#}
{% macro population_scope() -%}
    '{{ 'panel' if var('panel_fraction', none) is not none else 'exhaustive' }}'
{%- endmacro %}

{# How many people each one stands for: the inverse of the share drawn, 1 where all are there. #}
{% macro panel_weight() -%}
    cast({{ 1 / (var('panel_fraction', 1) | float) }} as double)
{%- endmacro %}

{#
    The people drawn, where the build holds a panel: `where` this, in the models that read rows of
    everybody (the referential and what tells who is who). All other raw rows are the panel's already.
#}
{% macro in_panel(person_id) -%}
    {%- if var('panel_fraction', none) is not none -%}
    {{ person_id }} in (select panel_person.person_id from plan.panel_person as panel_person)
    {%- else -%}
    1 = 1
    {%- endif -%}
{%- endmacro %}
