{#
    Reimbursement lines with the person they are for and the reasons why an analysis may leave them
    out. Nothing is dropped and no amount is changed.
    Rule: the person is that of the pair (pseudonym, rank); fictitious NIR are linked to nobody and
    keep their euros (domain decision 12). The flags are the quality rules (macros/rules). A line
    whose nine keys repeat is kept and numbered within its year. Grain: one row of ER_PRS_F.
    A view: all is by care year, so that a reader of one year computes that year only.
#}
{{ config(materialized='view') }}

with delivered as (
    select
        claim_key,
        care_year,
        flux_month,
        flux_year,
        psa,
        key_status,
        coalesce(birth_rank, -1) as birth_rank,
        {{ openchronic.is_fictitious_nir('nir_type') }} as is_fictitious_nir,
        {{ openchronic.known_date('care_start_date') }} as care_date,
        {{ openchronic.known_date('care_end_date') }} as care_end_date,
        {{ openchronic.known_date('prescription_date') }} as prescription_date,
        prestation_code,
        base_nature_code,
        complement_level,
        complement_type,
        quantity,
        act_count,
        coefficient,
        paid_amount,
        base_amount,
        reimbursed_amount,
        complement_base_amount,
        complement_reimbursed_amount,
        reimbursement_rate,
        insurance_nature,
        expense_qualifier,
        sent_expense_qualifier,
        exemption_code,
        performer_id,
        performer_specialty,
        performer_activity,
        prescriber_id,
        prescriber_specialty,
        prescriber_activity,
        treating_doctor_id,
        pathway_code,
        source_file,
        source_line
    from {{ ref('stg_dcir__prs') }}
),

-- Few keys repeat, if any: only their lines are put in order.
repeated as (
    select care_year, claim_key
    from {{ ref('stg_dcir__prs') }}
    group by care_year, claim_key
    having count(*) > 1
),

again as (
    select
        prs.care_year,
        prs.claim_key,
        prs.source_file,
        prs.source_line,
        row_number() over (
            partition by prs.care_year, prs.claim_key
            order by prs.source_file asc nulls last, prs.source_line asc nulls last
        ) as place
    from {{ ref('stg_dcir__prs') }} as prs
    inner join repeated
        on prs.care_year = repeated.care_year and prs.claim_key = repeated.claim_key
),

line as (
    select delivered.*, coalesce(again.place, 1) as copy_number
    from delivered
    left join again
        on delivered.care_year = again.care_year
        and delivered.claim_key = again.claim_key
        and delivered.source_file is not distinct from again.source_file
        and delivered.source_line is not distinct from again.source_line
),

final as (
    select
        line.claim_key,
        line.copy_number,
        line.care_year,
        line.flux_month,
        line.flux_year,
        case when not line.is_fictitious_nir then int_person_key.person_id end as person_id,
        {{ openchronic.person_status('line', 'int_person_key', 'line.is_fictitious_nir') }} as person_status,
        line.care_date,
        line.care_end_date,
        line.prescription_date,
        line.prestation_code,
        line.complement_type,
        line.quantity,
        line.act_count,
        line.coefficient,
        line.paid_amount,
        line.base_amount,
        line.reimbursed_amount,
        line.complement_base_amount,
        line.complement_reimbursed_amount,
        line.reimbursement_rate,
        line.insurance_nature,
        line.expense_qualifier,
        line.exemption_code,
        line.performer_id,
        line.performer_specialty,
        line.performer_activity,
        line.prescriber_id,
        line.prescriber_specialty,
        line.prescriber_activity,
        line.treating_doctor_id,
        line.pathway_code,
        line.psa,
        line.birth_rank,
        -- Fictitious lines have no person: their pair has one all the same.
        {{ openchronic.cell('coalesce(int_person_key.person_id, line.psa, line.claim_key)') }} as cell,
        {{ openchronic.rule_flag('ER_PRS_F', 'information_line') }},
        {{ openchronic.rule_flag('ER_PRS_F', 'information_amount') }},
        {{ openchronic.rule_flag('ER_PRS_F', 'supplement') }},
        {{ openchronic.rule_flag('ER_PRS_F', 'complement_only') }},
        {{ openchronic.rule_flag('ER_PRS_F', 'repeated_line') }}
    from line
    left join {{ ref('int_person_key') }} as int_person_key
        on line.psa = int_person_key.psa and line.birth_rank = int_person_key.birth_rank
)

select * from final
