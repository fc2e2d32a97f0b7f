{#
    CCAM procedures of hospital stays: acute care (MCO), rehabilitation, home hospitalisation,
    psychiatry (since 2017). Nothing is dropped: a procedure whose stay was never delivered, or
    outside the dates of its stay, is flagged (macros/rules).
    Rule: the day is that of entry plus the delay; the delay of rehabilitation runs from entry into
    the unit and that of home hospitalisation from the beginning of the sub-sequence, which are not
    delivered, so no day is told there (`date_status`). Activity 4 is anaesthesia: count operations
    within one activity. Source: SNDS schema, T_MCOaaA. Anchor: year of the PMSI table.
    Grain: one delivered row.
#}
{{ config(
    materialized='yearly',
    unique_key=['person_id', 'stay_id', 'procedure_number'],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

{%- set sources = [
    ('mco', 'stg_mco__a', 'rsa_num', true), ('ssr', 'stg_ssr__ccam', 'stay_number_ssr', false),
    ('had', 'stg_had__a', 'stay_number_had', false), ('psy', 'stg_rip__ccam', 'stay_number_rip', true),
] %}

with listed as (
    {%- for field, model, number, from_entry in sources %}
    select
        '{{ field }}' as field,
        finess,
        {{ number }} as stay_number,
        nullif(substr(upper(trim(ccam_code)), 1, 7), '') as procedure_code,
        nullif(trim(activity_code), '') as activity_code,
        nullif(trim(phase_code), '') as phase_code,
        cast(days_from_entry as integer) as days_from_entry,
        {{ from_entry }} as is_from_entry,
        cast(act_count as bigint) as quantity,
        row_number() over (
            partition by finess, {{ number }} order by source_file asc, source_line asc
        ) as procedure_number
    from {{ ref(model) }}
    where table_year = {{ openchronic.build_year() }}
    {{- '\n    union all' if not loop.last }}
    {%- endfor %}
),

stay as (
    select field, finess, stay_number, stay_id, person_id, entry_date, discharge_date, is_used_for_stays
    from {{ ref('hospital_stay') }}
    where year = {{ openchronic.build_year() }} and not is_duplicate_key
),

dated as (
    select
        listed.*,
        stay.stay_id,
        stay.person_id,
        stay.entry_date,
        stay.discharge_date,
        stay.is_used_for_stays,
        case
            when listed.is_from_entry
                then {{ openchronic.add_days('stay.entry_date', 'listed.days_from_entry') }}
        end as procedure_date
    from listed
    left join stay
        on listed.field = stay.field
        and listed.finess = stay.finess
        and listed.stay_number = stay.stay_number
),

flagged as (
    select
        *,
        {{ openchronic.rule_flag('T_MCOaaA', 'act_without_stay') }},
        {{ openchronic.rule_flag('T_MCOaaA', 'act_outside_stay') }},
        {{ openchronic.rule_flag('T_MCOaaA', 'act_without_code') }}
    from dated
),

final as (
    select
        person_id,
        coalesce(
            stay_id,
            concat_ws(
                '-', case when field <> 'mco' then field end,
                cast({{ openchronic.build_year() }} as {{ dbt.type_string() }}), finess, stay_number
            )
        ) as stay_id,
        cast(procedure_number as bigint) as procedure_number,
        cast({{ openchronic.build_year() }} as integer) as year,
        field,
        entry_date,
        discharge_date,
        procedure_code,
        activity_code,
        phase_code,
        procedure_date,
        case
            when procedure_date is not null then 'from_entry'
            when not is_from_entry then 'delay_from_unit'
            when entry_date is null then 'no_entry_date'
            else 'no_delay'
        end as date_status,
        quantity,
        is_without_stay,
        is_outside_stay,
        is_without_code,
        coalesce(is_used_for_stays, false) as is_used_for_stays,
        {{ openchronic.is_used('T_MCOaaA', 'care') }}
    from flagged
)

select * from final
