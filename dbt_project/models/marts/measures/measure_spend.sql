{#
    What care costs each consumer and their insurance, as rows of the contract of indicators.
    Rule: amounts of `cost`, added up by person; negative lines count. Of each consumer:
    `spend_reimbursed`, reimbursed and complements, franchises taken off, of city care, private
    clinics, public acute stays and outpatient care (scopes DCIR, VALO, VALOACE: daily tariffs are
    never added to them); and, in city care and private clinics alone (scope DCIR), `spend_presented`,
    `spend_rac` (out of pocket after compulsory insurance), `spend_rac_over_1000` (more than 1,000
    euros), `spend_overrun`, `spend_franchise` (what patients pay, positive). What a patient pays in a
    public hospital is not in the data: whoever has public care only is excluded from these,
    `public_care_only`, and whoever has only daily tariffs from the first, `daily_tariff_only`.
    By exemption, of those who had care under it: `rac_ald_related`, `rac_ald_unrelated`,
    `rac_no_exemption`, and `coverage_…`, reimbursed over presented. By item, of those who had some:
    `reimbursed_<item>` of ref_cost_item.
    Source: indicators 4.2 and 0, domain decisions 8 and 9. Anchor: care date.
    Grain: one row a person and measure.
#}
{{ config(
    materialized='yearly',
    unique_key=['person_id', 'measure', 'condition', 'unit_id'],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

{%- set of_city = {
    'spend_presented': 'spent', 'spend_rac': 'out_of_pocket', 'spend_overrun': 'overrun',
    'spend_franchise': '-franchise',
} %}
{%- set regimes = {
    'ald_related': 'ald_related', 'ald_unrelated': 'ald_unrelated', 'none': 'no_exemption',
} %}

with consumer as (
    select person_id
    from {{ ref('person_year') }}
    where year = {{ openchronic.build_year() }} and is_consumer
),

spent as (
    select
        person_id,
        item,
        exemption,
        valuation_scope,
        sum(spent) as spent,
        sum(reimbursed + coalesce(complement, 0)) as reimbursed,
        sum(franchise) as franchise,
        sum(overrun) as overrun,
        sum(out_of_pocket) as out_of_pocket
    from {{ ref('cost') }}
    where
        year = {{ openchronic.build_year() }}
        and valuation_scope <> 'TJP'
        and person_id in (select consumer.person_id from consumer)
    group by person_id, item, exemption, valuation_scope
),

summed as (
    select
        person_id,
        sum(case when valuation_scope = 'DCIR' then 1 else 0 end) as city_count,
        sum(reimbursed) as all_reimbursed,
        sum(spent) as spent,
        sum(franchise) as franchise,
        sum(overrun) as overrun,
        sum(out_of_pocket) as out_of_pocket
    from spent
    group by person_id
),

-- A consumer may have daily tariffs alone: no amount known here, and a row all the same.
total as (
    select
        consumer.person_id,
        summed.person_id is not null as has_spend,
        coalesce(summed.city_count, 0) > 0 as has_city_care,
        summed.all_reimbursed,
        summed.spent,
        summed.franchise,
        summed.overrun,
        summed.out_of_pocket
    from consumer
    left join summed on consumer.person_id = summed.person_id
),

by_regime as (
    select
        spent.person_id,
        spent.exemption,
        sum(spent.spent) as spent,
        sum(spent.reimbursed) as reimbursed,
        sum(spent.out_of_pocket) as out_of_pocket
    from spent
    where spent.valuation_scope = 'DCIR'
    group by spent.person_id, spent.exemption
),

by_item as (
    select person_id, item, sum(reimbursed) as reimbursed
    from spent
    group by person_id, item
),

measured as (
    select
        person_id,
        'spend_reimbursed' as measure,
        cast(all_reimbursed as double) as num,
        cast(1 as double) as den,
        case when not has_spend then 'daily_tariff_only' end as excl_code
    from total
    {%- for measure, amount in of_city.items() %}

    union all

    select
        person_id,
        '{{ measure }}' as measure,
        cast({{ amount }} as double) as num,
        cast(1 as double) as den,
        case when not has_city_care then 'public_care_only' end as excl_code
    from total
    {%- endfor %}

    union all

    select
        person_id,
        'spend_rac_over_1000' as measure,
        cast(case when out_of_pocket > 1000 then 1 else 0 end as double) as num,
        cast(1 as double) as den,
        case when not has_city_care then 'public_care_only' end as excl_code
    from total
    {%- for exemption, name in regimes.items() %}

    union all

    select
        person_id,
        'rac_{{ name }}' as measure,
        cast(out_of_pocket as double) as num,
        cast(1 as double) as den,
        cast(null as {{ dbt.type_string() }}) as excl_code
    from by_regime
    where exemption = '{{ exemption }}'

    union all

    select
        person_id,
        'coverage_{{ name }}' as measure,
        cast(reimbursed as double) as num,
        cast(spent as double) as den,
        cast(null as {{ dbt.type_string() }}) as excl_code
    from by_regime
    where exemption = '{{ exemption }}'
    {%- endfor %}

    union all

    select
        person_id,
        concat('reimbursed_', item) as measure,
        cast(reimbursed as double) as num,
        cast(1 as double) as den,
        cast(null as {{ dbt.type_string() }}) as excl_code
    from by_item
),

final as (
    select
        person_id,
        cast({{ openchronic.build_year() }} as integer) as year,
        measure,
        'all' as condition,
        '' as unit_id,
        cast(null as {{ dbt.type_string() }}) as finess,
        cast(case when excl_code is null then num else 0 end as double) as num,
        cast(case when excl_code is null then den else 0 end as double) as den,
        excl_code
    from measured
)

select * from final
