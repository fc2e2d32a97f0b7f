{#
    What care cost, by person, month, item and exemption.
    Rule: euros of reimbursement lines as delivered, negative ones included, less the lines that the
    rules of spending leave out (sent for information, public hospitals already in the PMSI):
    spent = PRS_PAI_MNT; base = BSE_REM_BSE + CPL_REM_BSE; reimbursed = BSE_REM_MNT; complement =
    CPL_REM_MNT, franchises (negative) included; other public payers = ARO_REM_MNT of every type but
    10 (ACS, not public); overrun = spent - base; out of pocket after compulsory insurance = spent -
    reimbursed - complement - other public. Filters on supplements and quantities never apply to
    euros. Public stays: VALO.MNT_TOT_AM where VALO is 1 to 5; their outpatient care: VALOACE. What
    a patient paid there is not known: NULL with a reason, never 0. Scopes are never mixed in a row.
    Public rehabilitation, hospitalisation at home and psychiatry: what daily tariffs billed (TJP),
    another scope, because most of their money is a yearly grant that no stay carries.
    Source: domain decisions 8 and 9; Health Data Hub, fiches montant des soins de ville and dépenses
    de l'hôpital public; items: ref_cost_item, ref_cost_item_rule.
    Anchor: care date (stay: discharge). Grain: one row a person, month, item, exemption and scope.
#}
{{ config(
    materialized='yearly',
    unique_key=['person_id', 'month', 'item', 'exemption', 'valuation_scope'],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

{%- set codes = [
    'prestation_code', 'performer_specialty', 'performer_activity', 'public_private_sector',
    'establishment_category',
] -%}
{%- set sums = [
    'spent', 'base', 'reimbursed', 'complement', 'franchise', 'other_public', 'acs',
    'overrun', 'out_of_pocket', 'out_of_pocket_without_franchise',
] -%}

-- Rules are tried on the few distinct combinations of codes, not on each line.
with combination as (
    select distinct
        {{ codes | join(', ') }}
    from {{ ref('care_event') }}
    where year = {{ openchronic.build_year() }} and event_type = 'claim'
),

grouped as (
    select
        {{ codes | join(', ') }},
        {{ openchronic.performer_group('performer_specialty', 'performer_activity') }} as performer,
        {{ openchronic.establishment_sector('public_private_sector') }} as sector,
        {{ openchronic.establishment_kind('public_private_sector', 'establishment_category') }}
            as establishment
    from combination
),

ranked as (
    select
        {%- for code in codes %}
        grouped.{{ code }},
        {%- endfor %}
        rule.item,
        row_number() over (
            partition by
                {%- for code in codes %}
                grouped.{{ code }}{{ ',' if not loop.last }}
                {%- endfor %}
            order by rule.priority asc, rule.rule_id asc
        ) as place
    from grouped
    inner join {{ ref('ref_cost_item_rule') }} as rule
        on coalesce(grouped.prestation_code, 0) between rule.first_prestation and rule.last_prestation
        and (rule.performer is null or rule.performer = grouped.performer)
        and (
            rule.establishment is null
            or rule.establishment = grouped.sector
            or rule.establishment = grouped.establishment
        )
),

classified as (
    select
        {{ codes | join(', ') }},
        item
    from ranked
    where place = 1
),

claim as (
    select
        event.claim_id,
        event.is_duplicate_key,
        event.flux_month,
        event.person_id,
        cast(month(event.care_date) as integer) as month,
        {%- for code in codes %}
        event.{{ code }},
        {%- endfor %}
        {{ openchronic.exemption_group('event.exemption_code') }} as exemption,
        coalesce(event.paid_amount, 0) as spent,
        coalesce(event.base_amount, 0) + coalesce(event.complement_base_amount, 0) as base,
        coalesce(event.reimbursed_amount, 0) as reimbursed,
        coalesce(event.complement_reimbursed_amount, 0) as complement,
        case
            when event.is_supplement and event.complement_type = 16
                then coalesce(event.complement_reimbursed_amount, 0)
            else 0
        end as franchise
    from {{ ref('care_event') }} as event
    where
        event.year = {{ openchronic.build_year() }}
        and event.event_type = 'claim'
        and event.is_used_for_spending
),

-- Several lines a claim, one a type of payer. Euros of a claim whose keys repeat are those of its
-- first line.
other_payer as (
    select
        claim_key,
        sum(case when coalesce(reimbursement_type, 0) <> 10 then other_reimbursed_amount end)
            as other_public,
        sum(case when reimbursement_type = 10 then other_reimbursed_amount end) as acs
    from {{ ref('stg_dcir__aro') }}
    where flux_month in (select distinct claim.flux_month from claim)
    group by claim_key
),

line as (
    select
        claim.person_id,
        claim.month,
        coalesce(classified.item, 'other_city') as item,
        claim.exemption,
        claim.spent,
        claim.base,
        claim.reimbursed,
        claim.complement,
        claim.franchise,
        case when claim.is_duplicate_key then 0 else coalesce(other_payer.other_public, 0) end
            as other_public,
        case when claim.is_duplicate_key then 0 else coalesce(other_payer.acs, 0) end as acs
    from claim
    left join classified
        on
            {%- for code in codes %}
            {{ 'and ' if not loop.first }}claim.{{ code }} is not distinct from classified.{{ code }}
            {%- endfor %}
    left join other_payer on claim.claim_id = other_payer.claim_key
),

reimbursed_care as (
    select
        person_id,
        month,
        item,
        exemption,
        'DCIR' as valuation_scope,
        count(*) as line_count,
        sum(spent) as spent,
        sum(base) as base,
        sum(reimbursed) as reimbursed,
        sum(complement) as complement,
        sum(franchise) as franchise,
        sum(other_public) as other_public,
        sum(acs) as acs,
        sum(spent - base) as overrun,
        sum(spent - reimbursed - complement - other_public) as out_of_pocket,
        sum(spent - reimbursed - complement - other_public + franchise)
            as out_of_pocket_without_franchise,
        'computed' as out_of_pocket_status
    from line
    group by person_id, month, item, exemption
),

public_stay as (
    select
        person_id,
        cast(month(discharge_date) as integer) as month,
        case field
            when 'mco' then 'public_mco_stay'
            when 'ssr' then 'public_rehabilitation'
            when 'had' then 'public_home_hospitalisation'
            else 'public_psychiatry'
        end as item,
        valuation_method as valuation_scope,
        count(*) as line_count,
        cast(null as decimal(18, 2)) as base,
        sum(coalesce(total_amount, daily_tariff_amount, 0)) as reimbursed,
        'public_stay' as out_of_pocket_status
    from {{ ref('hospital_stay') }}
    where
        year = {{ openchronic.build_year() }}
        and valuation_method in ('VALO', 'TJP')
        and case when field = 'mco' then is_used_for_spending else is_used_for_stays end
    group by person_id, cast(month(discharge_date) as integer), field, valuation_method
),

public_outpatient as (
    select
        person_id,
        cast(month(entry_date) as integer) as month,
        'public_outpatient' as item,
        'VALOACE' as valuation_scope,
        count(*) as line_count,
        sum(coalesce(base_amount, 0)) as base,
        sum(coalesce(reimbursed_amount, 0)) as reimbursed,
        'public_outpatient' as out_of_pocket_status
    from {{ ref('int_outpatient_visit') }}
    where year = {{ openchronic.build_year() }} and is_used_for_spending
    group by person_id, cast(month(entry_date) as integer)
),

public_care as (
    select
        public_valued.person_id,
        public_valued.month,
        public_valued.item,
        'unknown' as exemption,
        public_valued.valuation_scope,
        public_valued.line_count,
        cast(null as decimal(18, 2)) as spent,
        public_valued.base,
        public_valued.reimbursed,
        {%- for column in sums if column not in ('spent', 'base', 'reimbursed') %}
        cast(null as decimal(18, 2)) as {{ column }},
        {%- endfor %}
        public_valued.out_of_pocket_status
    from (
        select * from public_stay
        union all
        select * from public_outpatient
    ) as public_valued
),

final as (
    select
        person_id,
        cast({{ openchronic.build_year() }} as integer) as year,
        month,
        item,
        exemption,
        exemption in ('ald_related', 'ald_unrelated') as has_ald_exemption,
        exemption = 'ald_related' as is_ald_related,
        valuation_scope,
        cast(line_count as bigint) as line_count,
        {%- for column in sums %}
        cast({{ column }} as decimal(18, 2)) as {{ column }},
        {%- endfor %}
        out_of_pocket_status
    from (
        select * from reimbursed_care
        union all
        select * from public_care
    ) as every_scope
)

select * from final
