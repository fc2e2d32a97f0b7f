{#
    The two populations of long-term conditions and where they meet: people with an ALD in the
    referential of the medical service, and people with exempted care.
    Rule: in the referential, at least one ALD in force in the year (ald_year, unresolved numbers
    included); exempted, at least one line of EXO_MTF 41 to 46 that was not taken back, related to the
    ALD when 42, 44 or 46; active, both. Exempted spenders without a row of the referential are kept
    and flagged: 0.6 million in 2017, where 2.1 of 13.9 million of the referential had no exempted
    care. Source: domain decision 5, indicators 0. Grain: one row a person and year.
#}
{{ config(
    materialized='yearly',
    unique_key=['person_id'],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

with holder as (
    select
        person_id,
        cast(count(*) as integer) as ald_count,
        max(case when is_prevalent_31_12 then 1 else 0 end) as at_end
    from {{ ref('ald_year') }}
    where year = {{ openchronic.build_year() }}
    group by person_id
),

spender as (
    select
        person_id,
        max(case when is_ald_related then 1 else 0 end) as related,
        cast(count(*) as bigint) as exempted_line_count
    from {{ ref('care_event') }}
    where
        year = {{ openchronic.build_year() }}
        and event_type = 'claim'
        and has_ald_exemption
        and not is_regularised
        and person_id is not null
    group by person_id
),

final as (
    select
        coalesce(holder.person_id, spender.person_id) as person_id,
        cast({{ openchronic.build_year() }} as integer) as year,
        holder.person_id is not null as in_referential,
        coalesce(holder.at_end = 1, false) as in_referential_31_12,
        coalesce(holder.ald_count, 0) as ald_count,
        spender.person_id is not null as has_exempted_care,
        coalesce(spender.related = 1, false) as has_related_care,
        coalesce(spender.exempted_line_count, 0) as exempted_line_count,
        holder.person_id is not null and spender.person_id is not null as is_active,
        holder.person_id is not null and coalesce(spender.related = 1, false) as is_active_related,
        holder.person_id is null as is_exempted_without_referential
    from holder
    full outer join spender on holder.person_id = spender.person_id
)

select * from final
