{#
    Treating doctors that people declared, and for how long.
    Rule: each delivered period keeps its row, with the person of its pair. Start: that of the
    contract, else its deposit. 1600-01-01 is unknown; an end unknown or in 2099 is open. Source:
    domain decision 13 (IR_MTT_R, and not IR_ORC_R, which is complementary cover).
    Grain: one row of IR_MTT_R.
#}
{{ config(
    materialized='history',
    unique_key=['person_id', 'start_date', 'source_file', 'source_line'],
    meta={'kind': 'history', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

with declared as (
    select
        psa,
        coalesce(birth_rank, -1) as birth_rank,
        key_status,
        treating_doctor_id,
        {{ openchronic.known_date('start_date') }} as start_date,
        {{ openchronic.known_date('deposit_date') }} as deposit_date,
        {{ openchronic.known_date('end_date') }} as end_date,
        source_file,
        source_line
    from {{ ref('stg_referential__mtt') }}
),

final as (
    select
        int_person_key.person_id,
        {{ openchronic.person_status('declared', 'int_person_key') }} as person_status,
        declared.treating_doctor_id,
        coalesce(declared.start_date, declared.deposit_date) as start_date,
        case when year(declared.end_date) < 2099 then declared.end_date end as end_date,
        declared.source_file,
        declared.source_line
    from declared
    left join {{ ref('int_person_key') }} as int_person_key
        on declared.psa = int_person_key.psa and declared.birth_rank = int_person_key.birth_rank
)

select * from final
