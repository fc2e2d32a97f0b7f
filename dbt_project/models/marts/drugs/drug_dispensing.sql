{#
    Drugs dispensed: one row a line of a town pharmacy or of hospital drugs billed by unit, with its
    class, what is left of its quantity and the days that it lasts.
    Rule: code, person and dates are those of care_event; `box_count` is its net quantity, negative
    quantities taken from the positive ones of the same care. Class, pack and days a box lasts come
    from IR_PHA_R (int_drug_reference); `atc_status` says why there is none. `days_supply` is by
    units where daily units are known, else by pack [A]; hospital units have none. What an exposure
    leaves out is flagged by the quality rules of ER_PHA_F (macros/rules).
    Anchor: care date, or the flux year where it is missing. Grain: one row an event.
#}
{{ config(
    materialized='yearly',
    unique_key=['person_id', 'dispensing_date', 'event_id'],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

with event as (
    select
        event_id,
        claim_id,
        event_type,
        person_id,
        person_status,
        care_date,
        prescription_date,
        flux_month,
        prestation_code,
        complement_type,
        code_system,
        code,
        quantity,
        net_quantity,
        performer_id,
        prescriber_id,
        prescriber_specialty,
        has_ald_exemption,
        is_ald_related,
        is_used_for_care
    from {{ ref('care_event') }}
    where
        year = {{ openchronic.build_year() }}
        and event_type in ('drug', 'hospital_drug')
),

-- Care with a negative quantity, and what its quantities add up to: few, so joined and not windowed.
taken_back as (
    select
        person_id,
        care_date,
        code,
        coalesce(prestation_code, -1) as prestation_code,
        coalesce(complement_type, -1) as complement_type,
        coalesce(performer_id, '') as performer_id
    from event
    where quantity < 0 and person_id is not null and care_date is not null
    group by 1, 2, 3, 4, 5, 6
),

care_balance as (
    select
        taken_back.person_id,
        taken_back.care_date,
        taken_back.code,
        taken_back.prestation_code,
        taken_back.complement_type,
        taken_back.performer_id,
        sum(event.quantity) as total_quantity
    from event
    inner join taken_back
        on event.person_id = taken_back.person_id
        and event.care_date = taken_back.care_date
        and event.code = taken_back.code
        and coalesce(event.prestation_code, -1) = taken_back.prestation_code
        and coalesce(event.complement_type, -1) = taken_back.complement_type
        and coalesce(event.performer_id, '') = taken_back.performer_id
    group by 1, 2, 3, 4, 5, 6
),

described as (
    select
        event.event_id,
        event.claim_id,
        event.event_type = 'hospital_drug' as is_hospital_drug,
        event.person_id,
        event.person_status,
        event.care_date as dispensing_date,
        event.prescription_date,
        event.flux_month as known_at,
        event.code_system,
        event.code,
        event.quantity,
        event.net_quantity as box_count,
        event.performer_id as dispenser_id,
        event.prescriber_id,
        event.prescriber_specialty,
        event.has_ald_exemption,
        event.is_ald_related,
        event.is_used_for_care,
        care_balance.total_quantity,
        -- What days are counted for: a quantity keyed in cents must not overflow them.
        case when event.net_quantity > 1000 then 1000 else event.net_quantity end as supplied_boxes,
        drug.code as reference_code,
        drug.cip13,
        drug.atc_class,
        drug.atc_code,
        drug.drug_label,
        drug.units_per_pack,
        coalesce(drug.is_large_pack, false) as is_large_pack,
        coalesce(drug.is_repeated, false) as is_repeated,
        coalesce(drug.is_conflicting, false) as is_conflicting,
        case when event.event_type = 'drug' then coalesce(
            drug.days_per_box_pack, {{ openchronic.drug_parameter('days_small_pack') }}
        ) end as days_per_box_pack,
        case when event.event_type = 'drug' then drug.days_per_box_units end as days_per_box_units
    from event
    left join {{ ref('int_drug_reference') }} as drug
        on event.code_system = drug.code_system and event.code = drug.code
    left join care_balance
        on event.person_id = care_balance.person_id
        and event.care_date = care_balance.care_date
        and event.code = care_balance.code
        and coalesce(event.prestation_code, -1) = care_balance.prestation_code
        and coalesce(event.complement_type, -1) = care_balance.complement_type
        and coalesce(event.performer_id, '') = care_balance.performer_id
),

flagged as (
    select
        *,
        {{ openchronic.rule_flag('ER_PHA_F', 'line_left_out') }},
        {{ openchronic.rule_flag('ER_PHA_F', 'without_person') }},
        {{ openchronic.rule_flag('ER_PHA_F', 'without_date') }},
        {{ openchronic.rule_flag('ER_PHA_F', 'without_class') }},
        {{ openchronic.rule_flag('ER_PHA_F', 'absurd_quantity') }},
        {{ openchronic.rule_flag('ER_PHA_F', 'without_pack_size') }},
        {{ openchronic.rule_flag('ER_PHA_F', 'before_prescription') }},
        {{ openchronic.rule_flag('ER_PHA_F', 'negative_without_positive') }},
        {{ openchronic.rule_flag('ER_PHA_F', 'repeated_presentation') }},
        {{ openchronic.rule_flag('ER_PHA_F', 'conflicting_classes') }}
    from described
),

final as (
    select
        event_id,
        claim_id,
        cast({{ openchronic.build_year() }} as integer) as year,
        person_id,
        person_status,
        dispensing_date,
        prescription_date,
        known_at,
        code_system,
        code,
        case when code_system = 'cip13' then code else cip13 end as cip13,
        atc_code,
        atc_class,
        case
            when code is null then 'no_code'
            when reference_code is null then 'not_in_reference'
            when atc_class is null then 'no_class'
            when atc_code is null then 'partial'
            else 'known'
        end as atc_status,
        drug_label,
        is_hospital_drug,
        is_large_pack,
        units_per_pack,
        quantity,
        box_count,
        cast(floor(supplied_boxes * days_per_box_pack) as integer) as days_supply_pack,
        cast(floor(supplied_boxes * days_per_box_units) as integer) as days_supply_units,
        cast(
            floor(supplied_boxes * coalesce(days_per_box_units, days_per_box_pack))
            as integer
        ) as days_supply,
        case
            when is_hospital_drug then 'none'
            when box_count is null then 'none'
            when days_per_box_units is not null then 'units'
            when reference_code is null then 'default'
            when is_large_pack then 'large_pack'
            else 'small_pack'
        end as days_supply_source,
        prescriber_id,
        prescriber_specialty,
        dispenser_id,
        has_ald_exemption,
        is_ald_related,
        is_line_left_out,
        is_without_person,
        is_without_date,
        is_without_class,
        is_absurd_quantity,
        is_without_pack_size,
        is_before_prescription,
        is_negative_without_positive,
        is_repeated_presentation,
        has_conflicting_classes,
        {{ openchronic.is_used('ER_PHA_F', 'exposure') }}
    from flagged
)

select * from final
