{#
    MCO stays with their chaining, one to one, and the person they are attached to.
    Rule: stays and their parts are joined by year, establishment and number, because numbers are
    unique only within a year's table. The year of a stay is its table's year, which is that of
    discharge. A stay that repeats a key is kept and numbered. The flags
    are the quality rules (macros/rules). Grain: one row of T_MCOaaB.
    A view: windows are by year, so that a reader of one year computes that year only.
#}
{{ config(materialized='view') }}

with stay as (
    select
        *,
        row_number() over (
            partition by table_year, finess, rsa_num order by source_file asc, source_line asc
        ) as copy_number
    from {{ ref('stg_mco__b') }}
),

chaining as (
    select
        *,
        row_number() over (
            partition by table_year, finess, rsa_num order by source_file asc, source_line asc
        ) as copy_number
    from {{ ref('stg_mco__c') }}
),

valuation as (
    select
        *,
        row_number() over (
            partition by table_year, finess, rsa_num order by source_file asc, source_line asc
        ) as copy_number
    from {{ ref('stg_mco__valo') }}
),

joined as (
    select
        stay.table_year,
        cast(stay.table_year as integer) as year,
        stay.finess,
        stay.rsa_num,
        stay.copy_number,
        chaining.psa,
        chaining.key_status,
        chaining.rsa_num is not null as has_chaining,
        coalesce(chaining.entry_date, cast(chaining.care_start_time as date)) as entry_date,
        coalesce(chaining.discharge_date, cast(chaining.care_end_time as date)) as discharge_date,
        stay.discharge_month,
        stay.length_of_stay,
        stay.session_count,
        stay.is_emergency_unit_code,
        stay.palliative_bed_code,
        stay.ghm_code,
        stay.ghs_number,
        stay.main_diagnosis,
        stay.related_diagnosis,
        stay.entry_mode,
        stay.entry_origin,
        stay.exit_mode,
        stay.exit_destination,
        stay.age_years,
        stay.sex_code,
        stay.residence_department_pmsi,
        stay.stay_type,
        stay.generation_type,
        nullif(trim(valuation.valuation_code), '') as valuation_code,
        valuation.total_amount,
        {{ openchronic.good_returns('chaining', 'stay.table_year') }} as good_returns,
        ref_finess_duplicate.finess as duplicate_finess
    from stay
    left join chaining
        on stay.table_year = chaining.table_year
        and stay.finess = chaining.finess
        and stay.rsa_num = chaining.rsa_num
        and chaining.copy_number = 1
    -- A repeated stay is worth nothing more.
    left join valuation
        on stay.table_year = valuation.table_year
        and stay.finess = valuation.finess
        and stay.rsa_num = valuation.rsa_num
        and stay.copy_number = valuation.copy_number
    left join {{ ref('ref_finess_duplicate') }} as ref_finess_duplicate
        on stay.finess = ref_finess_duplicate.finess
),

named as (
    select
        concat_ws(
            '-', cast(joined.table_year as {{ dbt.type_string() }}), joined.finess, joined.rsa_num,
            case when joined.copy_number > 1 then cast(joined.copy_number as {{ dbt.type_string() }}) end
        ) as stay_id,
        joined.year,
        int_psa.person_id,
        {{ openchronic.pmsi_person_status('joined', 'joined.has_chaining') }} as person_status,
        joined.finess,
        joined.rsa_num,
        joined.entry_date,
        joined.discharge_date,
        cast(joined.discharge_month as integer) as discharge_month,
        joined.length_of_stay,
        joined.session_count,
        joined.has_chaining,
        coalesce(trim(joined.is_emergency_unit_code) = '1', false) as is_emergency_unit,
        coalesce(trim(joined.palliative_bed_code) = '1', false) as is_palliative_bed,
        nullif(trim(joined.ghm_code), '') as ghm_code,
        nullif(trim(joined.ghs_number), '') as ghs_number,
        nullif(replace(upper(trim(joined.main_diagnosis)), '.', ''), '') as main_diagnosis,
        nullif(replace(upper(trim(joined.related_diagnosis)), '.', ''), '') as related_diagnosis,
        nullif(trim(joined.entry_mode), '') as entry_mode,
        nullif(trim(joined.entry_origin), '') as entry_origin,
        nullif(trim(joined.exit_mode), '') as exit_mode,
        nullif(trim(joined.exit_destination), '') as exit_destination,
        joined.age_years,
        case when trim(joined.sex_code) in ('1', '2') then trim(joined.sex_code) end as sex,
        nullif(trim(joined.residence_department_pmsi), '') as residence_department_pmsi,
        joined.psa,
        joined.valuation_code,
        joined.total_amount,
        joined.copy_number,
        nullif(trim(joined.stay_type), '') as stay_type,
        nullif(trim(joined.generation_type), '') as generation_type,
        joined.good_returns,
        joined.duplicate_finess
    from joined
    left join {{ ref('int_psa') }} as int_psa on joined.psa = int_psa.psa
),

final as (
    select
        *,
        good_returns and psa is not null as is_chained,
        {{ openchronic.rule_flag('T_MCOaaB', 'finess_duplicate') }},
        {{ openchronic.rule_flag('T_MCOaaB', 'error_group') }},
        {{ openchronic.rule_flag('T_MCOaaB', 'generated_summary') }},
        {{ openchronic.rule_flag('T_MCOaaB', 'service_for_other_hospital') }},
        {{ openchronic.rule_flag('T_MCOaaB', 'session') }},
        {{ openchronic.rule_flag('T_MCOaaB', 'repeated_stay') }},
        {{ openchronic.rule_flag('T_MCOaaB', 'without_patient_key') }},
        {{ openchronic.rule_flag('T_MCOaaB', 'bad_chaining_return') }},
        {{ openchronic.rule_flag('T_MCOaaB', 'other_year') }},
        {{ openchronic.rule_flag('T_MCOaaB', 'unpriced_stay') }},
        {{ openchronic.rule_flag('T_MCOaaB', 'not_valued') }}
    from named
)

select * from final
