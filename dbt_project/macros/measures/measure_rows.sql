{#
    Rows of a measure table (the contract of indicators) from a relation with one row a unit: one row
    a unit and measure. `measures` is a list of mappings: `measure`, its name; `num`, a condition
    (proportions); `excl`, an expression of the reason why the unit is not counted, NULL where it is;
    `where`, an optional condition on the units that the measure asks about; `value`, an expression
    in place of `num` where the measure is an amount, with `den` beside it (else 1). Excluded units
    are rows with neither numerator nor denominator.
#}
{% macro measure_rows(relation, measures, unit_id="''", finess='null') -%}
    {%- for each in measures %}
    select
        person_id,
        cast({{ openchronic.build_year() }} as integer) as year,
        cast('{{ each.measure }}' as {{ dbt.type_string() }}) as measure,
        cast('all' as {{ dbt.type_string() }}) as condition,
        cast({{ unit_id }} as {{ dbt.type_string() }}) as unit_id,
        cast({{ finess }} as {{ dbt.type_string() }}) as finess,
        cast(
            case
                when {{ each.excl }} is not null then 0
                {%- if 'value' in each %}
                else {{ each.value }}
                {%- else %}
                when {{ each.num }} then 1
                else 0
                {%- endif %}
            end as double
        ) as num,
        cast(case when {{ each.excl }} is null then {{ each.den | default(1) }} else 0 end as double) as den,
        cast({{ each.excl }} as {{ dbt.type_string() }}) as excl_code
    from {{ relation }}
    {%- if 'where' in each %}
    where {{ each.where }}
    {%- endif %}
    {{- '\n\n    union all\n' if not loop.last }}
    {%- endfor %}
{%- endmacro %}
