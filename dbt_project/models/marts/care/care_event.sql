{#
    Care outside hospital stays, as reimbursed: one event for each line, with its euros, and one for
    each detail of a line (drug, hospital drug, procedure, biology), without euros.
    Rule: euros are on events of type `claim` only, so a sum never counts a line twice. Reasons to
    leave a line out are flags, the quality rules of macros/rules; `is_used_for_<use>` follows from
    them. Negative quantities are netted against the same care of the same day (`net_quantity`). A
    detail whose line was never delivered belongs to its flux year and to nobody. Anchor: care date,
    or the flux year where it is missing. Grain: one row an event.
#}
{{ config(
    materialized='yearly',
    unique_key=['person_id', 'care_date', 'event_id'],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

{%- set same_care -%}
    event_type, psa, birth_rank, care_date, prestation_code, complement_type, performer_id,
            code, activity_code,
            case when psa is null or care_date is null then event_id end
{%- endset %}

with line as (
    select
        claim_key,
        copy_number,
        care_year,
        flux_month,
        person_id,
        person_status,
        care_date,
        care_end_date,
        prescription_date,
        prestation_code,
        complement_type,
        quantity,
        paid_amount,
        base_amount,
        reimbursed_amount,
        complement_base_amount,
        complement_reimbursed_amount,
        reimbursement_rate,
        insurance_nature,
        expense_qualifier,
        exemption_code,
        performer_id,
        performer_specialty,
        performer_activity,
        prescriber_id,
        prescriber_specialty,
        treating_doctor_id,
        psa,
        birth_rank,
        is_information_line,
        is_information_amount,
        is_supplement,
        is_complement_only,
        is_duplicate_key,
        {{ openchronic.rule_flag('ER_PRS_F', 'fictitious_nir') }}
    from {{ ref('int_care_line') }}
    where care_year = {{ openchronic.build_year() }}
),

context_ranked as (
    select
        claim_key,
        performing_finess,
        activity_funding,
        public_private_sector,
        establishment_category,
        treatment_mode,
        row_number() over (
            partition by claim_key order by source_file asc nulls last, source_line asc nulls last
        ) as place
    from {{ ref('stg_dcir__ete') }}
    where claim_key in (select line.claim_key from line)
),

claim as (
    select
        line.*,
        nullif(trim(context_ranked.performing_finess), '') as performing_finess,
        context_ranked.public_private_sector,
        context_ranked.establishment_category,
        {{ openchronic.rule_flag('ER_PRS_F', 'public_double_transmission') }},
        {{ openchronic.rule_flag('ER_PRS_F', 'public_hospital') }}
    from line
    left join context_ranked
        on line.claim_key = context_ranked.claim_key and context_ranked.place = 1
),

detail as (
    select
        detail.*,
        row_number() over (
            partition by detail.claim_key, detail.letter, detail.detail_number
            order by detail.source_file asc nulls last, detail.source_line asc nulls last
        ) as detail_copy
    from {{ ref('int_care_detail') }} as detail
    where detail.claim_key in (select line.claim_key from line)
),

-- A detail shares its flux month with its line, so only lines of its flux year can be its own.
orphan as (
    select
        detail.*,
        row_number() over (
            partition by detail.claim_key, detail.letter, detail.detail_number
            order by detail.source_file asc nulls last, detail.source_line asc nulls last
        ) as detail_copy
    from {{ ref('int_care_detail') }} as detail
    left join (
        select distinct prs.claim_key
        from {{ ref('stg_dcir__prs') }} as prs
        where prs.flux_year = {{ openchronic.build_year() }}
    ) as of_flux_year
        on detail.claim_key = of_flux_year.claim_key
    where
        detail.flux_year = {{ openchronic.build_year() }}
        and of_flux_year.claim_key is null
),

event as (
    select
        concat_ws(
            '-', claim_key,
            case when copy_number > 1 then cast(copy_number as {{ dbt.type_string() }}) end
        ) as event_id,
        claim_key,
        'claim' as event_type,
        person_id,
        person_status,
        care_date,
        care_end_date,
        prescription_date,
        flux_month,
        prestation_code,
        cast(null as {{ dbt.type_string() }}) as code_system,
        cast(null as {{ dbt.type_string() }}) as code,
        cast(null as {{ dbt.type_string() }}) as activity_code,
        quantity,
        paid_amount,
        base_amount,
        reimbursed_amount,
        complement_base_amount,
        complement_reimbursed_amount,
        cast(null as decimal(18, 2)) as detail_amount,
        reimbursement_rate,
        insurance_nature,
        exemption_code,
        complement_type,
        expense_qualifier,
        performer_id,
        performer_specialty,
        performer_activity,
        prescriber_id,
        prescriber_specialty,
        treating_doctor_id,
        performing_finess,
        public_private_sector,
        establishment_category,
        psa,
        birth_rank,
        is_information_line,
        is_information_amount,
        is_public_t2a,
        is_supplement,
        is_complement_only,
        is_fictitious,
        is_public_hospital,
        is_duplicate_key
    from claim

    union all

    select
        concat_ws(
            '-', detail.claim_key, detail.letter,
            cast(detail.detail_number as {{ dbt.type_string() }}),
            case when detail.detail_copy > 1 then cast(detail.detail_copy as {{ dbt.type_string() }}) end
        ) as event_id,
        detail.claim_key,
        detail.event_type,
        claim.person_id,
        claim.person_status,
        claim.care_date,
        claim.care_end_date,
        claim.prescription_date,
        claim.flux_month,
        claim.prestation_code,
        detail.code_system,
        detail.code,
        detail.activity_code,
        case
            when detail.event_type = 'procedure' then claim.quantity else detail.detail_quantity
        end as quantity,
        cast(null as decimal(18, 2)) as paid_amount,
        cast(null as decimal(18, 2)) as base_amount,
        cast(null as decimal(18, 2)) as reimbursed_amount,
        cast(null as decimal(18, 2)) as complement_base_amount,
        cast(null as decimal(18, 2)) as complement_reimbursed_amount,
        detail.detail_amount,
        claim.reimbursement_rate,
        claim.insurance_nature,
        claim.exemption_code,
        claim.complement_type,
        claim.expense_qualifier,
        claim.performer_id,
        claim.performer_specialty,
        claim.performer_activity,
        claim.prescriber_id,
        claim.prescriber_specialty,
        claim.treating_doctor_id,
        claim.performing_finess,
        claim.public_private_sector,
        claim.establishment_category,
        claim.psa,
        claim.birth_rank,
        claim.is_information_line,
        claim.is_information_amount,
        claim.is_public_t2a,
        claim.is_supplement,
        claim.is_complement_only,
        claim.is_fictitious,
        claim.is_public_hospital,
        detail.detail_copy > 1 as is_duplicate_key
    from detail
    inner join claim on detail.claim_key = claim.claim_key and claim.copy_number = 1

    union all

    select
        concat_ws(
            '-', claim_key, letter, cast(detail_number as {{ dbt.type_string() }}),
            case when detail_copy > 1 then cast(detail_copy as {{ dbt.type_string() }}) end
        ) as event_id,
        claim_key,
        event_type,
        cast(null as {{ dbt.type_string() }}) as person_id,
        'no_claim' as person_status,
        cast(null as date) as care_date,
        cast(null as date) as care_end_date,
        cast(null as date) as prescription_date,
        cast(null as date) as flux_month,
        cast(null as bigint) as prestation_code,
        code_system,
        code,
        activity_code,
        detail_quantity as quantity,
        cast(null as decimal(18, 2)) as paid_amount,
        cast(null as decimal(18, 2)) as base_amount,
        cast(null as decimal(18, 2)) as reimbursed_amount,
        cast(null as decimal(18, 2)) as complement_base_amount,
        cast(null as decimal(18, 2)) as complement_reimbursed_amount,
        detail_amount,
        cast(null as decimal(18, 2)) as reimbursement_rate,
        cast(null as bigint) as insurance_nature,
        cast(null as bigint) as exemption_code,
        cast(null as bigint) as complement_type,
        cast(null as bigint) as expense_qualifier,
        cast(null as {{ dbt.type_string() }}) as performer_id,
        cast(null as bigint) as performer_specialty,
        cast(null as bigint) as performer_activity,
        cast(null as {{ dbt.type_string() }}) as prescriber_id,
        cast(null as bigint) as prescriber_specialty,
        cast(null as {{ dbt.type_string() }}) as treating_doctor_id,
        cast(null as {{ dbt.type_string() }}) as performing_finess,
        cast(null as bigint) as public_private_sector,
        cast(null as bigint) as establishment_category,
        cast(null as {{ dbt.type_string() }}) as psa,
        cast(null as bigint) as birth_rank,
        false as is_information_line,
        false as is_information_amount,
        false as is_public_t2a,
        false as is_supplement,
        false as is_complement_only,
        false as is_fictitious,
        false as is_public_hospital,
        detail_copy > 1 as is_duplicate_key
    from orphan
),

-- What is left of a positive quantity once the negative ones of the same care are taken from it,
-- the earliest flux first. Care without a person or a date is netted with nothing.
same_care as (
    select
        *,
        sum(case when quantity > 0 then quantity else 0 end) over (
            partition by {{ same_care }}
            order by flux_month asc nulls first, event_id asc
            rows between unbounded preceding and current row
        ) as positive_so_far,
        -- In the same order, so that the engine sorts once.
        sum(case when quantity < 0 then -quantity else 0 end) over (
            partition by {{ same_care }}
            order by flux_month asc nulls first, event_id asc
            rows between unbounded preceding and unbounded following
        ) as taken_back
    from event
),

netted as (
    select
        *,
        case
            when quantity > 0
                then cast(
                    greatest(least(quantity, positive_so_far - taken_back), 0) as decimal(18, 2)
                )
            when quantity <= 0 then cast(0 as decimal(18, 2))
        end as net_quantity
    from same_care
),

flagged as (
    select
        *,
        {{ openchronic.rule_flag('ER_PRS_F', 'regularised') }},
        {{ openchronic.rule_flag('ER_PRS_F', 'without_quantity') }}
    from netted
),

final as (
    select
        event_id,
        claim_key as claim_id,
        cast({{ openchronic.build_year() }} as integer) as year,
        event_type,
        person_id,
        person_status,
        care_date,
        care_end_date,
        prescription_date,
        flux_month,
        prestation_code,
        code_system,
        code,
        activity_code,
        quantity,
        net_quantity,
        paid_amount,
        base_amount,
        reimbursed_amount,
        complement_base_amount,
        complement_reimbursed_amount,
        detail_amount,
        reimbursement_rate,
        insurance_nature,
        exemption_code,
        coalesce(exemption_code between 41 and 46, false) as has_ald_exemption,
        coalesce(exemption_code in (42, 44, 46), false) as is_ald_related,
        complement_type,
        expense_qualifier,
        performer_id,
        performer_specialty,
        performer_activity,
        prescriber_id,
        prescriber_specialty,
        treating_doctor_id,
        performing_finess,
        public_private_sector,
        establishment_category,
        is_information_line,
        is_information_amount,
        is_public_t2a,
        is_supplement,
        is_complement_only,
        is_regularised,
        is_without_quantity,
        is_fictitious,
        is_public_hospital,
        is_duplicate_key,
        {{ openchronic.is_used('ER_PRS_F', 'care') }},
        {{ openchronic.is_used('ER_PRS_F', 'spending') }},
        {{ openchronic.is_used('ER_PRS_F', 'persons') }}
    from flagged
)

select * from final
