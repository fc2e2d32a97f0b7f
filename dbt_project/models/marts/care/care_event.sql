{#
    Care outside hospital stays, as reimbursed: one event for each line, with its euros, and one for
    each detail of a line (drug, hospital drug, procedure, biology), without euros.
    Rule: euros are on events of type `claim` only, so a sum never counts a line twice. Reasons to
    leave a line out are flags, the quality rules of macros/rules; `is_used_for_<use>` follows from
    them. Negative quantities are netted against the same care of the same day (`net_quantity`). A
    detail whose line was never delivered belongs to its flux year and to nobody. An event is known
    from the month that made it available (FLX_DIS_DTD, `known_at`). Anchor: care date, or the flux
    year where it is missing. Grain: one row an event.
    Speed: rows are sorted by windows only where keys repeat or a quantity is negative; all others
    stream through (decision 0022). A year is made bucket by bucket of people (decision 0035).
#}
{{ config(
    materialized='yearly',
    unique_key=['person_id', 'care_date', 'event_id'],
    buckets=['int_care_year_line', 'int_care_year_detail'],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

{%- set string = dbt.type_string() -%}
{#- What a detail takes from its line. -#}
{%- set of_line = [
    'person_id', 'care_date', 'care_end_date', 'prescription_date', 'prestation_code',
    'reimbursement_rate', 'insurance_nature', 'exemption_code', 'complement_type',
    'expense_qualifier', 'performer_id', 'performer_specialty', 'performer_activity',
    'prescriber_id', 'prescriber_specialty', 'treating_doctor_id', 'performing_finess',
    'public_private_sector', 'establishment_category', 'psa', 'birth_rank',
] -%}
{%- set flags = [
    'is_information_line', 'is_information_amount', 'is_public_t2a', 'is_supplement',
    'is_complement_only', 'is_fictitious', 'is_public_hospital', 'has_inconsistent_amounts',
    'has_unknown_exemption', 'is_complement_without_act',
] -%}
{#- What it does not. -#}
{%- set euros = [
    'paid_amount', 'base_amount', 'reimbursed_amount', 'complement_base_amount',
    'complement_reimbursed_amount',
] -%}
{%- set same_care -%}
    event_type, psa, birth_rank, care_date, prestation_code, complement_type, performer_id, code,
            activity_code
{%- endset %}

with line as (
    select
        claim_key,
        copy_number,
        flux_month,
        person_status,
        quantity,
        {%- for column in euros %}
        {{ column }},
        {%- endfor %}
        {%- for column in of_line %}
        {{ column }},
        {%- endfor %}
        is_information_line,
        is_information_amount,
        is_supplement,
        is_complement_only,
        is_duplicate_key,
        {{ openchronic.rule_flag('ER_PRS_F', 'fictitious_nir') }},
        {{ openchronic.rule_flag('ER_PRS_F', 'amounts_inconsistent') }},
        {{ openchronic.rule_flag('ER_PRS_F', 'unknown_exemption') }},
        {{ openchronic.rule_flag('ER_PRS_F', 'public_double_transmission') }},
        {{ openchronic.rule_flag('ER_PRS_F', 'public_hospital') }}
    from {{ ref('int_care_year_line') }}
    where year = {{ openchronic.build_year() }}
),

seen_detail as (
    select *
    from {{ ref('int_care_year_detail') }}
    where year = {{ openchronic.build_year() }}
),

-- Only these days of a person can have something taken back. Care without a person or a date is
-- netted with nothing.
taken_back as (
    select distinct psa, birth_rank, care_date, prestation_code
    from line
    where
        psa is not null
        and care_date is not null
        and (
            quantity < 0
            or claim_key in (
                select taking.claim_key
                from seen_detail as taking
                where taking.detail_quantity < 0
            )
        )
),

-- Days on which a complement has its act. Joined by keys alone: DuckDB compares every row with every
-- row where an outer join has a condition on its own side too.
complement_day as (
    select distinct psa, birth_rank, care_date
    from line
    where is_complement_only and psa is not null and care_date is not null
),

act_day as (
    select distinct line.psa, line.birth_rank, line.care_date
    from line
    inner join complement_day
        on line.psa = complement_day.psa
        and line.birth_rank = complement_day.birth_rank
        and line.care_date = complement_day.care_date
    where not line.is_complement_only
),

placed as (
    select
        line.*,
        taken_back.psa is not null as may_be_netted,
        case
            when line.psa is not null and line.care_date is not null then act_day.psa is not null
        end as has_act_that_day
    from line
    left join taken_back
        on line.psa = taken_back.psa
        and line.birth_rank = taken_back.birth_rank
        and line.care_date = taken_back.care_date
        and line.prestation_code is not distinct from taken_back.prestation_code
    left join act_day
        on line.psa = act_day.psa
        and line.birth_rank = act_day.birth_rank
        and line.care_date = act_day.care_date
),

claim as (
    select *, {{ openchronic.rule_flag('ER_PRS_F', 'complement_without_act') }}
    from placed
),

repeated_detail as (
    select claim_key, letter, coalesce(detail_number, -1) as detail_number
    from seen_detail
    group by claim_key, letter, coalesce(detail_number, -1)
    having count(*) > 1
),

detail as (
    select
        detail.*,
        cast(1 as bigint) as detail_copy
    from seen_detail as detail
    left join repeated_detail
        on detail.claim_key = repeated_detail.claim_key
        and detail.letter = repeated_detail.letter
        and coalesce(detail.detail_number, -1) = repeated_detail.detail_number
    where repeated_detail.claim_key is null

    union all

    select
        detail.*,
        row_number() over (
            partition by detail.claim_key, detail.letter, detail.detail_number
            order by detail.source_file asc nulls last, detail.source_line asc nulls last
        ) as detail_copy
    from seen_detail as detail
    inner join repeated_detail
        on detail.claim_key = repeated_detail.claim_key
        and detail.letter = repeated_detail.letter
        and coalesce(detail.detail_number, -1) = repeated_detail.detail_number
),
{% for event in ('event', 'event_to_net') %}
{{ event }} as (
    select
        concat_ws(
            '-', claim.claim_key,
            case when claim.copy_number > 1 then cast(claim.copy_number as {{ string }}) end
        ) as event_id,
        claim.claim_key,
        'claim' as event_type,
        claim.person_status,
        claim.flux_month,
        cast(null as {{ string }}) as code_system,
        cast(null as {{ string }}) as code,
        cast(null as {{ string }}) as activity_code,
        claim.quantity,
        {%- for column in euros %}
        claim.{{ column }},
        {%- endfor %}
        cast(null as decimal(18, 2)) as detail_amount,
        {%- for column in of_line + flags %}
        claim.{{ column }},
        {%- endfor %}
        claim.is_duplicate_key
    from claim
    where {{ '' if event == 'event_to_net' else 'not ' }}claim.may_be_netted
    {%- for source in (('detail', 'orphan') if event == 'event' else ('detail',)) %}

    union all

    select
        concat_ws(
            '-', detail.claim_key, detail.letter, cast(detail.detail_number as {{ string }}),
            case when detail.detail_copy > 1 then cast(detail.detail_copy as {{ string }}) end
        ) as event_id,
        detail.claim_key,
        detail.event_type,
        coalesce(claim.person_status, 'no_claim') as person_status,
        detail.flux_month,
        detail.code_system,
        detail.code,
        detail.activity_code,
        case
            when detail.event_type = 'procedure' then claim.quantity else detail.detail_quantity
        end as quantity,
        {%- for column in euros %}
        cast(null as decimal(18, 2)) as {{ column }},
        {%- endfor %}
        detail.detail_amount,
        {%- for column in of_line %}
        claim.{{ column }},
        {%- endfor %}
        {%- for column in flags %}
        coalesce(claim.{{ column }}, false) as {{ column }},
        {%- endfor %}
        detail.detail_copy > 1 as is_duplicate_key
    {%- if source == 'detail' %}
    from detail
    inner join claim on detail.claim_key = claim.claim_key and claim.copy_number = 1
    where {{ '' if event == 'event_to_net' else 'not ' }}claim.may_be_netted
    {%- else %}
    from detail
    left join claim on detail.claim_key = claim.claim_key and claim.copy_number = 1
    where detail.is_orphan
    {%- endif %}
    {%- endfor %}
),
{% endfor %}
-- What is left of a positive quantity once the negative ones of the same care are taken from it,
-- the earliest flux first.
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
    from event_to_net
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

    union all

    select
        *,
        cast(null as decimal(38, 2)) as positive_so_far,
        cast(null as decimal(38, 2)) as taken_back,
        case
            when quantity > 0 then cast(quantity as decimal(18, 2))
            when quantity <= 0 then cast(0 as decimal(18, 2))
        end as net_quantity
    from event
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
        flux_month as known_at,
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
        has_inconsistent_amounts,
        has_unknown_exemption,
        is_complement_without_act,
        {{ openchronic.is_used('ER_PRS_F', 'care') }},
        {{ openchronic.is_used('ER_PRS_F', 'spending') }},
        {{ openchronic.is_used('ER_PRS_F', 'persons') }}
    from flagged
)

select * from final
