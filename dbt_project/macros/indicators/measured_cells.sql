{#
    The rows of all measure tables in the year of the build, one under the other. Written into each of
    the queries that read it, so that people are joined once and not once a family.
#}
{% macro measured_rows() -%}
    (
    {%- for family in openchronic.measure_families() %}
        select person_id, measure, condition, unit_id, finess, num, den, excl_code
        from {{ ref('measure_' ~ family) }}
        where year = {{ openchronic.build_year() }}
        {%- if not loop.last %}

        union all
        {% endif %}
    {%- endfor %}
    )
{%- endmacro %}

{#
    The cells of the measure tables: by department for everybody and by condition, by territory of the
    user's, and by establishment.
#}
{% macro measured_cells() -%}
    select
        measured.measure,
        measured.condition,
        'department' as place_level,
        '' as place_kind,
        person.department as place_code,
        person.region,
        person.sex,
        person.age_group,
        {{ openchronic.cell_sums('measured') }}
    from {{ openchronic.measured_rows() }} as measured
    inner join {{ ref('int_indicator_person') }} as person
        on measured.person_id = person.person_id
        and person.year = {{ openchronic.build_year() }}
    group by
        measured.measure, measured.condition, person.department, person.region, person.sex,
        person.age_group

    union all

    select
        measured.measure,
        asked.condition,
        'department' as place_level,
        '' as place_kind,
        person.department as place_code,
        person.region,
        person.sex,
        person.age_group,
        {{ openchronic.cell_sums('measured') }}
    from {{ openchronic.measured_rows() }} as measured
    inner join told_by_condition as asked on measured.measure = asked.measure
    inner join {{ ref('int_indicator_condition') }} as held
        on measured.person_id = held.person_id
        and asked.condition = held.condition
        and held.year = {{ openchronic.build_year() }}
    inner join {{ ref('int_indicator_person') }} as person
        on measured.person_id = person.person_id
        and person.year = {{ openchronic.build_year() }}
    where measured.condition = 'all'
    group by
        measured.measure, asked.condition, person.department, person.region, person.sex,
        person.age_group

    union all

    select
        measured.measure,
        measured.condition,
        'territory' as place_level,
        place.territory_kind as place_kind,
        place.territory_code as place_code,
        '' as region,
        person.sex,
        person.age_group,
        {{ openchronic.cell_sums('measured') }}
    from {{ openchronic.measured_rows() }} as measured
    inner join {{ ref('int_indicator_place') }} as place
        on measured.person_id = place.person_id
        and place.year = {{ openchronic.build_year() }}
    inner join {{ ref('int_indicator_person') }} as person
        on measured.person_id = person.person_id
        and person.year = {{ openchronic.build_year() }}
    group by
        measured.measure, measured.condition, place.territory_kind, place.territory_code, person.sex,
        person.age_group

    union all

    select
        measured.measure,
        measured.condition,
        'establishment' as place_level,
        '' as place_kind,
        measured.finess as place_code,
        '' as region,
        'all' as sex,
        'all' as age_group,
        {{ openchronic.cell_sums('measured') }}
    from {{ openchronic.measured_rows() }} as measured
    where
        measured.finess is not null
        and measured.measure in (
            select indicator.measure from {{ ref('ref_indicator') }} as indicator
            where indicator.is_by_establishment
        )
    group by measured.measure, measured.condition, measured.finess
{%- endmacro %}
