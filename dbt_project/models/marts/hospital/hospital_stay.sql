{#
    Hospital stays: acute care (MCO), rehabilitation (SSR), home hospitalisation (HAD), psychiatry;
    `field` says which. Nothing is dropped: error groups, doubles, sessions, bad dates and bad
    chaining are flags, the quality rules of macros/rules; `is_used_for_<use>` follows from them.
    Rule: a stay keeps the number of its year's table; those of the other fields are grouped from
    their parts (int_field_stay). Planned or not is ours, after the AHRQ logic of planned
    readmission turned into GHM terms [A] (macro planned_rule). Amounts never mix: `total_amount` is
    the valuation of public MCO stays (VALO), `daily_tariff_amount` what daily tariffs billed (TJP).
    What the patient of a public hospital pays is not delivered: NULL with a reason, not 0.
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

acute as (
    select
        'mco' as field,
        stay.stay_id,
        stay.year,
        stay.person_id,
        stay.person_status,
        stay.finess,
        stay.rsa_num,
        stay.rsa_num as stay_number,
        stay.entry_date,
        stay.discharge_date,
        stay.discharge_month,
        stay.length_of_stay,
        stay.is_session,
        stay.session_count,
        stay.ghm_code,
        stay.ghs_number,
        stay.ghm_code as group_code,
        stay.main_diagnosis,
        stay.related_diagnosis,
        coalesce(diagnosis.associated_diagnosis_count, 0) as associated_diagnosis_count,
        coalesce(act.act_row_count, 0) as act_row_count,
        coalesce(unit.unit_passage_count, 0) as unit_passage_count,
        cast(null as bigint) as part_count,
        cast(null as bigint) as days_present,
        cast(null as bigint) as half_days_present,
        cast(null as {{ dbt.type_string() }}) as care_form,
        stay.entry_mode,
        stay.entry_origin,
        stay.exit_mode,
        stay.exit_destination,
        stay.age_years,
        stay.sex,
        stay.residence_department_pmsi,
        stay.is_emergency_unit,
        stay.is_palliative_bed,
        case
            when stay.is_session then false
            else coalesce(
                stay.length_of_stay,
                {{ openchronic.days_between('stay.entry_date', 'stay.discharge_date') }}
            ) > 0
        end as is_full_stay,
        stay.valuation_code,
        cast(stay.total_amount as decimal(18, 2)) as total_amount,
        stay.has_chaining,
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
),

other_field as (
    select
        field,
        stay_id,
        year,
        person_id,
        person_status,
        finess,
        cast(null as {{ dbt.type_string() }}) as rsa_num,
        stay_number,
        entry_date,
        discharge_date,
        cast(month(discharge_date) as integer) as discharge_month,
        cast({{ openchronic.days_between('entry_date', 'discharge_date') }} as bigint) as length_of_stay,
        false as is_session,
        cast(null as bigint) as session_count,
        cast(null as {{ dbt.type_string() }}) as ghm_code,
        cast(null as {{ dbt.type_string() }}) as ghs_number,
        group_code,
        main_diagnosis,
        related_diagnosis,
        cast(null as bigint) as associated_diagnosis_count,
        cast(null as bigint) as act_row_count,
        cast(null as bigint) as unit_passage_count,
        part_count,
        days_present,
        half_days_present,
        care_form,
        entry_mode,
        entry_origin,
        exit_mode,
        exit_destination,
        age_years,
        sex,
        residence_department_pmsi,
        false as is_emergency_unit,
        false as is_palliative_bed,
        is_full_stay,
        cast(null as {{ dbt.type_string() }}) as valuation_code,
        cast(null as decimal(18, 2)) as total_amount,
        has_chaining,
        good_returns and psa is not null as is_chained,
        is_finess_duplicate,
        is_error_ghm,
        is_generated,
        false as is_service_for_other_hospital,
        false as is_duplicate_key,
        is_without_key,
        has_bad_return,
        coalesce(year(discharge_date) <> year, false) as is_other_year,
        false as is_unpriced,
        true as is_not_valued,
        is_used_for_stays,
        is_used_for_persons,
        false as is_used_for_spending
    from {{ ref('int_field_stay') }}
    where year = {{ openchronic.build_year() }}
),

stay as (
    select * from acute
    union all
    select * from other_field
),

daily_tariff as (
    {%- for field, model, number in [
        ('ssr', 'stg_ssr__stc', 'stay_number_ssr'), ('had', 'stg_had__stc', 'stay_number_had'),
        ('psy', 'stg_rip__stc', 'stay_number_rip'),
    ] %}
    select
        '{{ field }}' as field,
        finess,
        {{ number }} as stay_number,
        cast(sum(total_amount) as decimal(18, 2)) as daily_tariff_amount
    from {{ ref(model) }}
    where table_year = {{ openchronic.build_year() }}
    group by finess, {{ number }}
    {{- '\n    union all' if not loop.last }}
    {%- endfor %}
),

decided as (
    select
        stay.*,
        {{ openchronic.days_between('stay.entry_date', 'stay.discharge_date') }} as date_nights,
        case when stay.field = 'mco' then {{ openchronic.planned_rule('stay', 'acute_diagnosis') }} end
            as planned_rule,
        daily_tariff.daily_tariff_amount
    from stay
    left join {{ ref('ref_acute_diagnosis') }} as acute_diagnosis
        on substr(stay.main_diagnosis, 1, 3) = acute_diagnosis.cim10_category
    left join daily_tariff
        on stay.field = daily_tariff.field
        and stay.finess = daily_tariff.finess
        and stay.stay_number = daily_tariff.stay_number
),

final as (
    select
        field,
        stay_id,
        year,
        person_id,
        person_status,
        finess,
        rsa_num,
        stay_number,
        entry_date,
        discharge_date,
        discharge_month,
        length_of_stay,
        is_session,
        session_count,
        ghm_code,
        ghs_number,
        group_code,
        main_diagnosis,
        related_diagnosis,
        associated_diagnosis_count,
        act_row_count,
        unit_passage_count,
        part_count,
        days_present,
        half_days_present,
        care_form,
        entry_mode,
        entry_origin,
        exit_mode,
        exit_destination,
        coalesce(entry_origin = '5', false) as is_through_emergency,
        coalesce(exit_mode = '9', false) as is_death,
        age_years,
        sex,
        residence_department_pmsi,
        is_emergency_unit,
        is_palliative_bed,
        is_full_stay,
        cast(
            case
                when field = 'had' or is_session or not is_full_stay then 0
                when is_full_stay then coalesce(length_of_stay, date_nights)
            end as bigint
        ) as night_count,
        case
            when planned_rule in ('error_group', 'no_group') then cast(null as boolean)
            else planned_rule <> 'none'
        end as is_planned,
        planned_rule,
        valuation_code,
        total_amount,
        daily_tariff_amount,
        case
            when field = 'mco' and not is_not_valued then 'VALO'
            when daily_tariff_amount is not null then 'TJP'
        end as valuation_method,
        cast(null as decimal(18, 2)) as out_of_pocket_amount,
        case
            when valuation_code is not null or daily_tariff_amount is not null then 'public_not_delivered'
            else 'not_valued_here'
        end as out_of_pocket_status,
        is_chained,
        is_finess_duplicate,
        is_error_ghm,
        is_generated,
        is_service_for_other_hospital,
        is_duplicate_key,
        is_without_key,
        has_bad_return,
        is_other_year,
        is_unpriced,
        is_not_valued,
        {{ openchronic.rule_flag('T_MCOaaB', 'without_chaining_row') }},
        {{ openchronic.rule_flag('T_MCOaaB', 'without_dates') }},
        {{ openchronic.rule_flag('T_MCOaaB', 'discharge_before_entry') }},
        {{ openchronic.rule_flag('T_MCOaaB', 'length_unlike_dates') }},
        {{ openchronic.rule_flag('T_MCOaaB', 'without_main_diagnosis') }},
        is_used_for_stays,
        is_used_for_persons,
        is_used_for_spending
    from decided
)

select * from final
