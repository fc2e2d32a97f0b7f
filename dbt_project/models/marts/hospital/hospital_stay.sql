{#
    Acute hospital stays (MCO), each with its parts counted. Nothing is dropped: error groups,
    doubles, sessions and bad chaining are flags, the quality rules of macros/rules; `is_used_for_<use>` follows from them.
    Anchor: year of discharge, that of the PMSI table. Grain: one row a stay.
#}
{{ config(
    materialized='yearly',
    unique_key=['person_id', 'stay_id'],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

with diagnosis as (
    select finess, rsa_num, cast(count(*) as bigint) as associated_diagnosis_count
    from {{ ref('stg_mco__d') }}
    where table_year = {{ openchronic.build_year() }}
    group by finess, rsa_num
),

act as (
    select finess, rsa_num, cast(count(*) as bigint) as act_row_count
    from {{ ref('stg_mco__a') }}
    where table_year = {{ openchronic.build_year() }}
    group by finess, rsa_num
),

unit as (
    select finess, rsa_num, cast(count(*) as bigint) as unit_passage_count
    from {{ ref('stg_mco__um') }}
    where table_year = {{ openchronic.build_year() }}
    group by finess, rsa_num
),

final as (
    select
        stay.stay_id,
        stay.year,
        stay.person_id,
        stay.person_status,
        stay.finess,
        stay.rsa_num,
        stay.entry_date,
        stay.discharge_date,
        stay.discharge_month,
        stay.length_of_stay,
        stay.is_session,
        stay.session_count,
        stay.ghm_code,
        stay.ghs_number,
        stay.main_diagnosis,
        stay.related_diagnosis,
        coalesce(diagnosis.associated_diagnosis_count, 0) as associated_diagnosis_count,
        coalesce(act.act_row_count, 0) as act_row_count,
        coalesce(unit.unit_passage_count, 0) as unit_passage_count,
        stay.entry_mode,
        stay.entry_origin,
        stay.exit_mode,
        stay.exit_destination,
        stay.age_years,
        stay.sex,
        stay.residence_department_pmsi,
        stay.valuation_code,
        cast(stay.total_amount as decimal(18, 2)) as total_amount,
        stay.is_chained,
        stay.is_finess_duplicate,
        stay.is_error_ghm,
        stay.is_generated,
        stay.is_service_for_other_hospital,
        stay.is_duplicate_key,
        stay.is_without_key,
        stay.has_bad_return,
        stay.is_other_year,
        stay.is_unpriced,
        stay.is_not_valued,
        {{ openchronic.is_used('T_MCOaaB', 'stays') }},
        {{ openchronic.is_used('T_MCOaaB', 'persons') }},
        {{ openchronic.is_used('T_MCOaaB', 'spending') }}
    from {{ ref('int_hospital_stay') }} as stay
    left join diagnosis on stay.finess = diagnosis.finess and stay.rsa_num = diagnosis.rsa_num
    left join act on stay.finess = act.finess and stay.rsa_num = act.rsa_num
    left join unit on stay.finess = unit.finess and stay.rsa_num = unit.rsa_num
    where stay.year = {{ openchronic.build_year() }}
)

select * from final
