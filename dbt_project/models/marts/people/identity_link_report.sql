{#
    How many rows link to a person, how many do not, and why.
    Rule: linked; unlinked (the key is in no referential, or the row has none); ambiguous (several
    people share the key: flagged, never guessed); sentinel (a filler of failed chaining);
    fictitious (NIR types that name nobody). Referentials have no year. Source: snds_model 3.1,
    domain decisions 1, 2, 12. Grain: one row a table, year and reason.
#}
{{ config(
    materialized='history',
    unique_key=['table_name', 'year', 'reason'],
    meta={'kind': 'history', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

with listed as (
    select year, table_name, reason, row_count from {{ ref('int_identity_link') }}
    union all
    select
        cast(null as integer) as year,
        'IR_IMB_R' as table_name,
        person_status as reason,
        cast(count(*) as bigint) as row_count
    from {{ ref('int_ald_exemption') }}
    group by person_status
),

final as (
    select
        year,
        table_name,
        case
            when reason = 'linked' then 'linked'
            when reason in ('ambiguous_psa', 'ambiguous_renewal') then 'ambiguous'
            when reason = 'sentinel_key' then 'sentinel'
            when reason = 'fictitious' then 'fictitious'
            else 'unlinked'
        end as status,
        reason,
        row_count,
        cast(row_count as double)
        / cast(sum(row_count) over (partition by table_name, year) as double) as share
    from listed
)

select * from final
