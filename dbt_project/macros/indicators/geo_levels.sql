{#
    The rows under which a cell of a place is told: the place itself, and for a department its region
    and the country; with `sexes` and `ages`, both sexes together, and ages in groups, bands and
    together, as far as the level bears it. Places: department, establishment, or a kind of territory
    of the user's. Columns: place_level, geo_level, sex_kind ('all', 'own'), age_kind ('all', 'band',
    'group').
#}
{% macro geo_levels() -%}
    {%- set levels = [
        ('department', 'country', ['all', 'own'], ['all', 'band', 'group']),
        ('department', 'region', ['all', 'own'], ['all', 'band', 'group']),
        ('department', 'department', ['all', 'own'], ['all', 'band']),
        ('establishment', 'establishment', ['all'], ['all']),
        ('territory', 'territory', ['all', 'own'], ['all']),
    ] -%}
    {%- set rows = [] -%}
    {%- for place, geo, sexes, ages in levels -%}
        {%- for sex in sexes -%}
            {%- for age in ages -%}
                {%- do rows.append(
                    "select '" ~ place ~ "' as place_level, '" ~ geo ~ "' as geo_level, '" ~ sex
                    ~ "' as sex_kind, '" ~ age ~ "' as age_kind"
                ) -%}
            {%- endfor -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ rows | join('\n    union all\n    ') }}
{%- endmacro %}

{# The code of a cell's place at a level: FR, the region, or the place. #}
{% macro geo_code(geo_level, region, place_code) -%}
    case
        when {{ geo_level }} = 'country' then 'FR'
        when {{ geo_level }} = 'region' then {{ region }}
        else {{ place_code }}
    end
{%- endmacro %}

{# The level as it is told: a territory is of a kind of the user's. #}
{% macro geo_level_name(geo_level, place_kind) -%}
    case when {{ geo_level }} = 'territory' then concat('territory:', {{ place_kind }}) else {{ geo_level }} end
{%- endmacro %}

{# The age under which a cell is told: its group, its band, or all. #}
{% macro age_told(age_kind, age_group) -%}
    case
        when {{ age_kind }} = 'all' then 'all'
        when {{ age_kind }} = 'band' then {{ openchronic.age_band(age_group) }}
        else {{ age_group }}
    end
{%- endmacro %}

{# An unknown age is told once where both groups and bands are. #}
{% macro is_told(level, age_group) -%}
    not (
        {{ level }}.age_kind = 'band'
        and {{ age_group }} = 'unknown'
        and {{ level }}.geo_level in ('country', 'region')
    )
{%- endmacro %}
