{#
    Sub-sequences of home hospitalisation (HAD) with the chaining of their stay and the person.
    Rule: the person is that of the key where it stands for one alone; flags are the quality rules
    (macros/rules). The year is the table's. Grain: one row of T_HADaaB.
#}
{{ config(materialized='view') }}

with base as (
    select
        *,
        row_number() over (
            partition by table_year, finess, stay_number_had, sequence_number, subsequence_number order by source_file asc, source_line asc
        ) as copy_number
    from {{ ref('stg_had__b') }}
),

chaining as (
    select
        *,
        row_number() over (
            partition by table_year, finess, stay_number_had order by source_file asc, source_line asc
        ) as place
    from {{ ref('stg_had__c') }}
),

named as (
    select
        cast(base.table_year as integer) as year,
        base.copy_number,
        base.finess,
        base.stay_number_had,
        base.sequence_number,
        base.subsequence_number,
        nullif(trim(grouping_row.ghpc_code), '') as ghpc_code,
        base.main_diagnosis,
        base.main_care_mode,
        base.associated_care_mode,
        base.subsequence_days,
        base.entry_mode,
        base.entry_origin,
        base.exit_mode,
        base.exit_destination,
        base.age_years,
        base.sex_code,
        base.residence_department_pmsi,
        chaining.psa,
        chaining.key_status,
        int_psa.person_id,
        {{ openchronic.pmsi_person_status('chaining', '(chaining.table_year is not null)') }}
            as person_status,
        coalesce(chaining.entry_date, cast(chaining.care_start_time as date)) as entry_date,
        coalesce(chaining.discharge_date, cast(chaining.care_end_time as date)) as discharge_date,
        chaining.table_year is not null as has_chaining,
        {{ openchronic.good_returns('chaining', 'base.table_year', had=true) }} as good_returns,
        ref_finess_duplicate.finess as duplicate_finess
    from base
    left join chaining
        on base.table_year = chaining.table_year
        and base.finess = chaining.finess
        and base.stay_number_had = chaining.stay_number_had
        and chaining.place = 1
    -- Before 2010 a sub-sequence has no number of sequence.
    left join (
        select
            *,
            row_number() over (
                partition by table_year, finess, stay_number_had, sequence_number, subsequence_number
                order by source_file asc, source_line asc
            ) as place
        from {{ ref('stg_had__grp') }}
    ) as grouping_row
        on base.table_year = grouping_row.table_year
        and base.finess = grouping_row.finess
        and base.stay_number_had = grouping_row.stay_number_had
        and coalesce(base.sequence_number, '') = coalesce(grouping_row.sequence_number, '')
        and coalesce(base.subsequence_number, '') = coalesce(grouping_row.subsequence_number, '')
        and grouping_row.place = 1
    left join {{ ref('int_psa') }} as int_psa on chaining.psa = int_psa.psa
    left join {{ ref('ref_finess_duplicate') }} as ref_finess_duplicate
        on base.finess = ref_finess_duplicate.finess
),

flagged as (
    select
        *,
        {{ openchronic.rule_flag('T_HADaaB', 'finess_duplicate') }},
        {{ openchronic.rule_flag('T_HADaaB', 'error_group') }},
        {{ openchronic.rule_flag('T_HADaaB', 'repeated_subsequence') }},
        {{ openchronic.rule_flag('T_HADaaB', 'without_patient_key') }},
        {{ openchronic.rule_flag('T_HADaaB', 'bad_chaining_return') }}
    from named
),

final as (
    select
        *,
        {{ openchronic.is_used('T_HADaaB', 'stays') }},
        {{ openchronic.is_used('T_HADaaB', 'persons') }}
    from flagged
)

select * from final
