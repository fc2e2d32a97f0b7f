{#
    Sequences of psychiatric hospitalisation (RIM-P) with the chaining of their stay and the person.
    Rule: the person is that of the key where it stands for one alone; flags are the quality rules
    (macros/rules). The year is the table's. Grain: one row of T_RIPaaRSA.
#}
{{ config(materialized='view') }}

with base as (
    select
        *,
        row_number() over (
            partition by table_year, finess, stay_number_rip, sequence_number order by source_file asc, source_line asc
        ) as copy_number
    from {{ ref('stg_rip__rsa') }}
),

chaining as (
    select
        *,
        row_number() over (
            partition by table_year, finess, stay_number_rip order by source_file asc, source_line asc
        ) as place
    from {{ ref('stg_rip__c') }}
),

named as (
    select
        cast(base.table_year as integer) as year,
        base.copy_number,
        base.finess,
        base.stay_number_rip,
        base.sequence_number,
        base.local_patient_key,
        base.activity_form,
        base.care_nature,
        base.legal_mode,
        base.main_diagnosis,
        base.days_present,
        base.half_days_present,
        base.entry_mode,
        base.entry_origin,
        base.exit_mode,
        base.exit_destination,
        base.age_years,
        base.sex_code,
        chaining.psa,
        chaining.key_status,
        int_psa.person_id,
        {{ openchronic.pmsi_person_status('chaining', '(chaining.table_year is not null)') }}
            as person_status,
        coalesce(chaining.entry_date, cast(chaining.care_start_time as date)) as entry_date,
        coalesce(chaining.discharge_date, cast(chaining.care_end_time as date)) as discharge_date,
        chaining.table_year is not null as has_chaining,
        {{ openchronic.good_returns('chaining', 'base.table_year') }} as good_returns
    from base
    left join chaining
        on base.table_year = chaining.table_year
        and base.finess = chaining.finess
        and base.stay_number_rip = chaining.stay_number_rip
        and chaining.place = 1
    left join {{ ref('int_psa') }} as int_psa on chaining.psa = int_psa.psa
),

flagged as (
    select
        *,
        {{ openchronic.rule_flag('T_RIPaaRSA', 'repeated_sequence') }},
        {{ openchronic.rule_flag('T_RIPaaRSA', 'without_patient_key') }},
        {{ openchronic.rule_flag('T_RIPaaRSA', 'bad_chaining_return') }}
    from named
),

final as (
    select
        *,
        {{ openchronic.is_used('T_RIPaaRSA', 'stays') }},
        {{ openchronic.is_used('T_RIPaaRSA', 'persons') }}
    from flagged
)

select * from final
