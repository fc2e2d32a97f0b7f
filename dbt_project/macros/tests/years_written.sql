{#
    The years of a model that this build writes. The others are as an earlier build left them: the
    raw lake may hold more by now, and they are stale, not wrong.
#}
{% macro years_written(model) -%}
    select planned.year
    from plan.model_file as planned
    where planned.model = '{{ model.identifier }}' and planned.state <> 'carried'
{%- endmacro %}
