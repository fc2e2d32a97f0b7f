{#
    The user's own territories (health territories, groupings of communes…) in which each person
    lives.
    Rule: territories are given commune by commune; a commune given twice to the same kind of
    territory counts for the smallest code, so that a person is in one territory of a kind. People
    whose commune is unknown, or in no territory of a kind, are in none.
    Source: indicators 4.0. Grain: one row a person, year and kind of territory.
#}
{{ config(
    materialized='yearly',
    unique_key=['person_id', 'territory_kind'],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

with territory as (
    select territory_kind, upper(trim(commune)) as commune, min(territory_code) as territory_code
    from {{ ref('stg_open__territory') }}
    where territory_kind is not null and territory_code is not null and commune is not null
    group by territory_kind, upper(trim(commune))
),

final as (
    select
        person.person_id,
        cast({{ openchronic.build_year() }} as integer) as year,
        territory.territory_kind,
        territory.territory_code
    from {{ ref('int_indicator_person') }} as person
    inner join territory on person.commune = territory.commune
    where person.year = {{ openchronic.build_year() }}
)

select * from final
