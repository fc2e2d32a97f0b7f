{#
    Rows of each table of a year by what became of their link to a person.
    Rule: the status that each model gave its rows; deaths and mappings by their own keys. Ambulatory
    psychiatry has local patients only. Source: domain decisions 1, 2, 12.
    Grain: one row a table and reason.
#}
{{ config(
    materialized='yearly',
    unique_key=['table_name', 'reason'],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

with row_listed as (
    select 'ER_PRS_F' as table_name, person_status as reason
    from {{ ref('care_event') }}
    where year = {{ openchronic.build_year() }} and event_type = 'claim'
    union all
    select 'T_MCOaaB' as table_name, person_status as reason
    from {{ ref('hospital_stay') }}
    where year = {{ openchronic.build_year() }} and field = 'mco'
    {%- for table, model in [
        ('T_MCOaaCSTC', 'int_outpatient_visit'), ('T_SSRaaB', 'int_ssr_week'),
        ('T_HADaaB', 'int_had_subsequence'), ('T_RIPaaRSA', 'int_psychiatric_sequence'),
    ] %}
    union all
    select '{{ table }}' as table_name, person_status as reason
    from {{ ref(model) }}
    where year = {{ openchronic.build_year() }}
    {%- endfor %}
    -- Ambulatory psychiatry knows its patients inside one establishment only.
    union all
    select 'T_RIPaaR3A' as table_name, 'local_patient' as reason
    from {{ ref('stg_rip__r3a') }}
    where table_year = {{ openchronic.build_year() }}
    union all
    select
        'KI_CCI_R' as table_name,
        case
            when death.named_id is null then 'no_key'
            when alias.person_alias is not null and alias.person_id is null then 'ambiguous_renewal'
            when int_person.person_id is null then 'not_in_referential'
            else 'linked'
        end as reason
    from (
        select
            coalesce(person_pseudonym, own_nir_pseudonym) as named_id,
            {{ openchronic.known_date('death_date') }} as death_date
        from {{ ref('stg_cepidc__cci') }}
    ) as death
    left join {{ ref('int_person_alias') }} as alias on death.named_id = alias.person_alias
    left join {{ ref('int_person') }} as int_person
        on case when alias.person_alias is null then death.named_id else alias.person_id end
        = int_person.person_id
    where year(death.death_date) = {{ openchronic.build_year() }}
    union all
    select
        'CT_IDE_AAAA_GN' as table_name,
        {{ openchronic.person_status('mapping', 'int_person_key') }} as reason
    from {{ ref('stg_mapping__ide') }} as mapping
    left join {{ ref('int_person_key') }} as int_person_key
        on mapping.psa = int_person_key.psa
        and coalesce(mapping.birth_rank, -1) = int_person_key.birth_rank
    where mapping.table_year = {{ openchronic.build_year() }}
),

final as (
    select
        cast({{ openchronic.build_year() }} as integer) as year,
        table_name,
        reason,
        cast(count(*) as bigint) as row_count
    from row_listed
    group by table_name, reason
)

select * from final
