{#
    Rows of the medical service that grant an ALD, each with its person and three ALD numbers.
    Rule: only natures 41, 43 and 45 (47 exempts from nothing). The number as delivered is often 0,
    so it is also found from the CIM-10 code, and resolved: the list was renumbered in 2004 and
    2011, so rows inserted before 19 January 2011 believe the code first; 32 is never inferred from
    nature 45. What is wrong with a row is flagged by the quality rules of IR_IMB_R (macros/rules).
    Source: domain decisions 4 and 5. Grain: one row of IR_IMB_R.
#}
{{ config(
    materialized='history',
    unique_key=['person_id', 'source_file', 'source_line'],
    meta={'kind': 'history', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

with exemption as (
    select
        psa,
        key_status,
        coalesce(birth_rank, -1) as birth_rank,
        ald_num_delivered,
        exemption_nature,
        case
            when upper(trim(reason_nomenclature)) = 'CIM10'
                then nullif(replace(upper(trim(reason_code)), '.', ''), '')
        end as cim10,
        {{ openchronic.known_date('start_date') }} as start_date,
        {{ openchronic.known_date('end_date') }} as end_date,
        {{ openchronic.known_date('insert_date') }} as insert_date,
        source_file,
        source_line
    from {{ ref('stg_referential__imb') }}
    where exemption_nature in (41, 43, 45)
),

-- The table of codes is on four characters at most; longer codes are cut to four.
official as (
    select cim10_code, match_type, ald_num from {{ ref('ref_ald_cim10') }} where origin = 'official'
),

override as (
    select cim10_code, match_type, ald_num from {{ ref('ref_ald_cim10') }} where origin = 'override'
),

coded as (
    select
        exemption.*,
        coalesce(official_4.ald_num, official_3.ald_num) as official_num,
        coalesce(override_4.ald_num, override_3.ald_num) as override_num
    from exemption
    left join official as official_4 on left(exemption.cim10, 4) = official_4.cim10_code
    left join official as official_3
        on left(exemption.cim10, 3) = official_3.cim10_code and official_3.match_type = 'prefix'
    left join override as override_4 on left(exemption.cim10, 4) = override_4.cim10_code
    left join override as override_3
        on left(exemption.cim10, 3) = override_3.cim10_code and override_3.match_type = 'prefix'
),

resolved as (
    select
        *,
        case
            when insert_date < date '2011-01-19' and official_num is not null then 'cim10'
            when ald_num_delivered between 1 and 32 then 'delivered'
            when official_num is not null then 'cim10'
            when exemption_nature = 41 and override_num is not null then 'override'
            when exemption_nature = 43 then 'nature'
            else 'unresolved'
        end as ald_num_source
    from coded
),

named as (
    select
        int_person_key.person_id,
        {{ openchronic.person_status('resolved', 'int_person_key') }} as person_status,
        resolved.exemption_nature,
        resolved.cim10,
        cast(resolved.ald_num_delivered as integer) as ald_num_delivered,
        cast(coalesce(
            resolved.official_num,
            case when resolved.exemption_nature = 41 then resolved.override_num end
        ) as integer) as ald_num_cim10,
        cast(case resolved.ald_num_source
            when 'cim10' then resolved.official_num
            when 'delivered' then resolved.ald_num_delivered
            when 'override' then resolved.override_num
            when 'nature' then 31
            else 99
        end as integer) as ald_num,
        resolved.ald_num_source,
        resolved.start_date,
        case when year(resolved.end_date) < 2099 then resolved.end_date end as end_date,
        coalesce(year(resolved.end_date) >= 2099, false) as is_end_2099,
        resolved.insert_date,
        resolved.source_file,
        resolved.source_line
    from resolved
    left join {{ ref('int_person_key') }} as int_person_key
        on resolved.psa = int_person_key.psa
        and resolved.birth_rank = int_person_key.birth_rank
),

flagged as (
    select
        *,
        {{ openchronic.rule_flag('IR_IMB_R', 'without_person') }},
        {{ openchronic.rule_flag('IR_IMB_R', 'without_start') }},
        {{ openchronic.rule_flag('IR_IMB_R', 'end_before_start') }},
        {{ openchronic.rule_flag('IR_IMB_R', 'inserted_before_start') }},
        {{ openchronic.rule_flag('IR_IMB_R', 'unresolved_number') }}
    from named
),

final as (
    select *, {{ openchronic.is_used('IR_IMB_R', 'ald') }}
    from flagged
)

select * from final
