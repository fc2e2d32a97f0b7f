{#
    Exemptions after supersession: a row is added at each change and the old one stays.
    Rule: one chain a (person, nature, three-character CIM-10); it starts at the earliest start of
    its rows, superseded ones included, and ends when the row inserted last says. A row without a
    code chains with the rows of the same delivered number. Source: domain decision 4.
    Grain: one row a chain.
#}
{{ config(
    materialized='history',
    unique_key=['person_id', 'exemption_nature', 'chain_code'],
    meta={'kind': 'history', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

with linked as (
    select
        *,
        coalesce(
            left(cim10, 3),
            -- concat() of DuckDB skips a NULL, that of Spark is NULL.
            case
                when ald_num_delivered is not null
                    then concat('ALD ', cast(ald_num_delivered as {{ dbt.type_string() }}))
            end,
            'unknown'
        ) as chain_code
    from {{ ref('int_ald_exemption') }}
    where is_used_for_ald
),

ranked as (
    select
        *,
        row_number() over (
            partition by person_id, exemption_nature, chain_code
            order by
                insert_date desc nulls last,
                start_date desc nulls last,
                end_date desc nulls first,
                source_file desc nulls last,
                source_line desc nulls last
        ) as place,
        first_value(cim10) over (
            partition by person_id, exemption_nature, chain_code
            order by
                insert_date asc nulls first,
                start_date asc nulls first,
                source_file asc nulls first,
                source_line asc nulls first
        ) as cim10_first
    from linked
),

whole as (
    select
        person_id,
        exemption_nature,
        chain_code,
        min(start_date) as start_date,
        min(insert_date) as first_insert_date,
        max(case when has_end_before_start then 1 else 0 end) as inverted,
        cast(count(*) as bigint) as row_count
    from linked
    group by person_id, exemption_nature, chain_code
),

final as (
    select
        ranked.person_id,
        ranked.exemption_nature,
        ranked.chain_code,
        ranked.ald_num,
        ranked.ald_num_delivered,
        ranked.ald_num_cim10,
        ranked.ald_num_source,
        ranked.cim10_first,
        ranked.cim10 as cim10_last,
        whole.start_date,
        ranked.end_date,
        ranked.end_date is null as is_open,
        ranked.is_end_2099,
        coalesce(ranked.end_date < whole.start_date, false) or whole.inverted = 1
            as has_end_before_start,
        whole.first_insert_date,
        ranked.insert_date as last_insert_date,
        whole.row_count
    from ranked
    inner join whole
        on ranked.person_id = whole.person_id
        and ranked.exemption_nature = whole.exemption_nature
        and ranked.chain_code = whole.chain_code
    where ranked.place = 1
)

select * from final
