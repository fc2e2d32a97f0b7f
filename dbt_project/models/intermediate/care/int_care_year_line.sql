{#
    Reimbursement lines of one care year with the establishment that performed them, spread over
    256 cells of people, so that care_event need never hold a year of everybody at once.
    Rule: the first delivered context of a line counts (ER_ETE_F, same nine keys). Lines of the same
    pair (pseudonym, rank) share a cell, whatever else they are: what is netted is netted within it.
    Anchor: care date, or the flux year where it is missing. Grain: one row of ER_PRS_F.
#}
{{ config(
    materialized='spread',
    spread={'cell': 'cell', 'readers': ['care_event'], 'rows': 500000}
) }}

with line as (
    select *
    from {{ ref('int_care_line') }}
    where care_year = {{ openchronic.build_year() }}
),

-- A line shares its flux month with its context: months that no line of the year has are not read.
flux as (
    select distinct flux_month
    from {{ ref('stg_dcir__prs') }}
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
    where flux_month in (select flux.flux_month from flux)
),

final as (
    select
        line.*,
        cast({{ openchronic.build_year() }} as integer) as year,
        nullif(trim(context.performing_finess), '') as performing_finess,
        context.activity_funding,
        context.public_private_sector,
        context.establishment_category,
        context.treatment_mode,
        {{ openchronic.cell('coalesce(int_person_key.person_id, line.psa, line.claim_key)') }} as cell
    from line
    left join context_ranked as context
        on line.claim_key = context.claim_key and context.place = 1
    -- Fictitious lines have no person: their pair has one all the same.
    left join {{ ref('int_person_key') }} as int_person_key
        on line.psa = int_person_key.psa and line.birth_rank = int_person_key.birth_rank
)

select * from final
