{#
    Where a person lived and to which scheme they belonged, as the reimbursement lines of a year say,
    and the first and last dates of that care.
    Rule: the residence of a line is that of the date of care; the last one of the year speaks, ties
    to the smallest code, and so for the scheme. Lines without a known date say nothing. Decoding:
    macros/residence. Source: snds_model D10, indicators 4.0. Anchor: care date.
    Grain: one row a person and year with dated care.
#}
{{ config(
    materialized='yearly',
    unique_key=['person_id'],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

-- What is written of a residence, once for all the lines that write it alike.
with written as (
    select
        psa,
        coalesce(birth_rank, -1) as birth_rank,
        {{ openchronic.residence_code('residence_department_snds') }} as snds_department,
        {{ openchronic.residence_code('residence_commune_snds') }} as snds_commune,
        nullif(trim(affiliation_body), '') as affiliation_body,
        min(care_start_date) as first_date,
        max(care_start_date) as last_date
    from {{ ref('stg_dcir__prs') }}
    where
        care_year = {{ openchronic.build_year() }}
        and year(care_start_date) > 1600
        and psa is not null
        and not {{ openchronic.is_fictitious_nir('nir_type') }}
    group by
        psa,
        coalesce(birth_rank, -1),
        {{ openchronic.residence_code('residence_department_snds') }},
        {{ openchronic.residence_code('residence_commune_snds') }},
        nullif(trim(affiliation_body), '')
),

decoded as (
    select
        int_person_key.person_id,
        ref_department.department,
        {{ openchronic.residence_commune('ref_department.department', 'written.snds_commune') }} as commune,
        left(written.affiliation_body, 3) as scheme,
        written.first_date,
        written.last_date
    from written
    inner join {{ ref('int_person_key') }} as int_person_key
        on written.psa = int_person_key.psa and written.birth_rank = int_person_key.birth_rank
    left join {{ ref('ref_department') }} as ref_department
        on {{ openchronic.residence_department('written.snds_department', 'written.snds_commune', 'written.affiliation_body') }}
        = ref_department.department
    where int_person_key.person_id is not null
),

ranked as (
    select
        *,
        row_number() over (
            partition by person_id
            order by
                case when department is null then 1 else 0 end,
                last_date desc,
                department asc,
                commune asc nulls last
        ) as place_last,
        row_number() over (
            partition by person_id
            order by case when department is null then 1 else 0 end, first_date asc, department asc
        ) as place_first,
        row_number() over (
            partition by person_id
            order by case when scheme is null then 1 else 0 end, last_date desc, scheme asc
        ) as place_scheme
    from decoded
),

final as (
    select
        person_id,
        cast({{ openchronic.build_year() }} as integer) as year,
        max(case when place_last = 1 then department end) as department,
        max(case when place_last = 1 then commune end) as commune,
        max(case when place_first = 1 then department end) as department_first,
        cast(count(distinct department) as integer) as department_count,
        cast(count(distinct commune) as integer) as commune_count,
        max(case when place_scheme = 1 then scheme end) as scheme,
        min(first_date) as first_care_date,
        max(last_date) as last_care_date
    from ranked
    group by person_id
)

select * from final
