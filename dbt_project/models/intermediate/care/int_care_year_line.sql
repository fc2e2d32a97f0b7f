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

-- Months that no line of the year has are not read, of lines nor of contexts, which share theirs.
with flux as (
    select distinct flux_month
    from {{ ref('stg_dcir__prs') }}
    where care_year = {{ openchronic.build_year() }}
),

line as (
    select *
    from {{ ref('int_care_line') }}
    where
        care_year = {{ openchronic.build_year() }}
        and flux_month in (select flux.flux_month from flux)
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
        context.treatment_mode
    from line
    left join context_ranked as context
        on line.claim_key = context.claim_key and context.place = 1
)

select * from final
