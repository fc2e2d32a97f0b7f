{#
    Details of the reimbursement lines of one care year, in the cells of their lines, and those of
    the flux year whose line was never delivered.
    Rule: a detail belongs to the first of the lines that share its nine keys. One without a line
    belongs to its flux year, in a cell of its key.
    Anchor: the care year of the line, or the flux year. Grain: one row of a detail table.
#}
{{ config(
    materialized='spread',
    spread={'cell': 'cell', 'readers': ['care_event'], 'rows': 500000}
) }}

with line as (
    select claim_key, flux_month, cell
    from {{ ref('int_care_year_line') }}
    where year = {{ openchronic.build_year() }} and copy_number = 1
),

-- A line shares its flux month with its details: months that no line of the year has are not read.
flux as (
    select flux_month from line
    union
    select flux_month from {{ ref('int_care_detail') }}
    where flux_year = {{ openchronic.build_year() }}
),

-- Read once: their keys cost more to make than all the rest of them.
seen as (
    select detail.*, line.cell
    from {{ ref('int_care_detail') }} as detail
    left join line on detail.claim_key = line.claim_key
    where detail.flux_month in (select flux.flux_month from flux)
),

-- A detail shares its flux month with its line, so only lines of its flux year can be its own.
candidate as (
    select distinct claim_key
    from seen
    where cell is null and flux_year = {{ openchronic.build_year() }}
),

lost as (
    select claim_key from candidate
    except
    select claim_key
    from {{ ref('stg_dcir__prs') }}
    where
        flux_year = {{ openchronic.build_year() }}
        and claim_key in (select candidate.claim_key from candidate)
),

final as (
    select
        seen.claim_key,
        seen.flux_year,
        seen.flux_month,
        seen.event_type,
        seen.letter,
        seen.detail_number,
        seen.code_system,
        seen.code,
        seen.detail_quantity,
        seen.detail_amount,
        seen.activity_code,
        seen.source_file,
        seen.source_line,
        cast({{ openchronic.build_year() }} as integer) as year,
        lost.claim_key is not null as is_orphan,
        coalesce(seen.cell, {{ openchronic.cell('seen.claim_key') }}) as cell
    from seen
    left join lost on seen.claim_key = lost.claim_key
    where seen.cell is not null or lost.claim_key is not null
)

select * from final
