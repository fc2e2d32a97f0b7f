{#
    Outpatient visits of public hospitals (MCO ACE), one a chaining row, with the person and what
    the visit was valued at.
    Rule: header and valuation are one to one with the chaining; where they repeat, the first counts.
    Flags are the quality rules (macros/rules). Grain: one row of T_MCOaaCSTC.
#}
{{ config(materialized='view') }}

with base as (
    select
        *,
        row_number() over (
            partition by table_year, finess, sequence_number order by source_file asc, source_line asc
        ) as copy_number
    from {{ ref('stg_mco__cstc') }}
),

valuation as (
    select
        *,
        row_number() over (
            partition by table_year, finess, sequence_number order by source_file asc, source_line asc
        ) as copy_number
    from {{ ref('stg_mco__valoace') }}
),

named as (
    select
        cast(base.table_year as integer) as year,
        base.copy_number,
        base.finess,
        base.sequence_number,
        base.psa,
        base.key_status,
        int_psa.person_id,
        {{ openchronic.pmsi_person_status('base', 'true') }} as person_status,
        coalesce(base.entry_date, cast(base.care_start_time as date)) as entry_date,
        cast(valuation.base_amount as decimal(18, 2)) as base_amount,
        cast(valuation.reimbursed_amount as decimal(18, 2)) as reimbursed_amount,
        coalesce(
            base.nir_return = '0' and base.birth_return = '0' and base.sex_return = '0'
            and base.administrative_return = '0'
            and (base.table_year < 2009 or base.entry_return = '0'),
            false
        ) as good_returns
    from base
    left join valuation
        on base.table_year = valuation.table_year
        and base.finess = valuation.finess
        and base.sequence_number = valuation.sequence_number
        and base.copy_number = valuation.copy_number
    left join {{ ref('int_psa') }} as int_psa on base.psa = int_psa.psa
),

flagged as (
    select
        *,
        {{ openchronic.rule_flag('T_MCOaaCSTC', 'legal_entity_duplicate') }},
        {{ openchronic.rule_flag('T_MCOaaCSTC', 'repeated_visit') }},
        {{ openchronic.rule_flag('T_MCOaaCSTC', 'without_patient_key') }},
        {{ openchronic.rule_flag('T_MCOaaCSTC', 'bad_chaining_return') }}
    from named
),

final as (
    select
        *,
        {{ openchronic.is_used('T_MCOaaCSTC', 'care') }},
        {{ openchronic.is_used('T_MCOaaCSTC', 'persons') }},
        {{ openchronic.is_used('T_MCOaaCSTC', 'spending') }}
    from flagged
)

select * from final
