{#
    Spending by item, exemption and residence: what is presented, reimbursed, left to patients.
    Rule: euros of `cost`, added up, so that cells make the whole; of people with at least one ALD in
    the year ('ald'), without ('no_ald'), and of nobody known ('unlinked'). Out of pocket, overrun
    and franchises are those of city care and private clinics (scope DCIR), NULL in public hospitals,
    where `out_of_pocket_status` says why. `consumer_count`: consumers of the department and
    condition, whatever they spent, to say euros a person. Scopes are never added without saying so.
    Source: indicators 4.2, domain decisions 8 and 9. Anchor: care date.
    Grain: one row a department, condition, item, exemption and valuation scope.
#}
{{ config(
    materialized='yearly',
    unique_key=['department', 'condition', 'item', 'exemption', 'valuation_scope'],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

with person as (
    select
        person_year.person_id,
        coalesce(person_year.department, 'unknown') as department,
        case when held.person_id is null then 'no_ald' else 'ald' end as condition,
        person_year.is_consumer
    from {{ ref('person_year') }} as person_year
    left join (
        select distinct person_id from {{ ref('ald_year') }}
        where year = {{ openchronic.build_year() }}
    ) as held
        on person_year.person_id = held.person_id
    where person_year.year = {{ openchronic.build_year() }}
),

consumer as (
    select department, condition, count(*) as consumers
    from person
    where is_consumer
    group by department, condition
),

-- By person first: a person with several months counts once.
spent as (
    select
        person_id,
        item,
        exemption,
        valuation_scope,
        out_of_pocket_status,
        sum(line_count) as lines,
        {%- for amount in ['spent', 'base', 'reimbursed', 'complement', 'franchise', 'other_public',
            'overrun', 'out_of_pocket'] %}
        sum({{ amount }}) as {{ amount }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ ref('cost') }}
    where year = {{ openchronic.build_year() }}
    group by person_id, item, exemption, valuation_scope, out_of_pocket_status
),

summed as (
    select
        coalesce(person.department, 'unknown') as department,
        coalesce(person.condition, 'unlinked') as condition,
        spent.item,
        spent.exemption,
        spent.valuation_scope,
        spent.out_of_pocket_status,
        count(person.person_id) as people,
        sum(spent.lines) as lines,
        {%- for amount in ['spent', 'base', 'reimbursed', 'complement', 'franchise', 'other_public',
            'overrun', 'out_of_pocket'] %}
        sum(spent.{{ amount }}) as {{ amount }}{{ ',' if not loop.last }}
        {%- endfor %}
    from spent
    left join person on spent.person_id = person.person_id
    group by
        coalesce(person.department, 'unknown'), coalesce(person.condition, 'unlinked'), spent.item,
        spent.exemption, spent.valuation_scope, spent.out_of_pocket_status
),

final as (
    select
        cast({{ openchronic.build_year() }} as integer) as year,
        summed.department,
        summed.condition,
        summed.item,
        summed.exemption,
        summed.valuation_scope,
        cast(summed.people as bigint) as person_count,
        cast(coalesce(consumer.consumers, 0) as bigint) as consumer_count,
        cast(summed.lines as bigint) as line_count,
        {%- for amount in ['spent', 'base', 'reimbursed', 'complement', 'franchise', 'other_public',
            'overrun', 'out_of_pocket'] %}
        cast(summed.{{ amount }} as decimal(18, 2)) as {{ amount }},
        {%- endfor %}
        summed.out_of_pocket_status
    from summed
    left join consumer
        on summed.department = consumer.department and summed.condition = consumer.condition
)

select * from final
