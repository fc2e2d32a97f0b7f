{#
    Reimbursement lines of care_event with what their person's death and exemption say against them:
    the flags that care_event cannot have without being made again at each death.
    Rule: macros/rules, table ER_PRS_F; a line stays whatever it is flagged for. Death:
    int_death (decision 7). Anchor: care date, or the flux year where it is missing.
    Grain: one row a line, as care_event has it.
#}
{{ config(materialized='view') }}

with claim as (
    select
        event.event_id,
        event.year,
        event.person_id,
        event.care_date,
        event.exemption_code,
        event.has_ald_exemption,
        event.paid_amount,
        event.is_information_line,
        event.is_information_amount,
        event.is_public_t2a,
        event.is_supplement,
        event.is_complement_only,
        event.is_regularised,
        event.is_without_quantity,
        event.is_fictitious,
        event.is_public_hospital,
        event.is_duplicate_key,
        event.has_inconsistent_amounts,
        event.has_unknown_exemption,
        event.is_complement_without_act,
        event.is_used_for_care,
        event.is_used_for_spending,
        event.is_used_for_persons,
        death.death_date
    from {{ ref('care_event') }} as event
    left join {{ ref('int_death') }} as death on event.person_id = death.person_id
    where event.event_type = 'claim'
),

final as (
    select
        *,
        {{ openchronic.rule_flag('ER_PRS_F', 'care_after_death') }},
        {{ openchronic.rule_flag('ER_PRS_F', 'exemption_without_person') }}
    from claim
)

select * from final
