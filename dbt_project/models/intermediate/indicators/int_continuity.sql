{#
    How much a person's contacts of the year stay with the same doctors, among all doctors and among
    general practitioners alone.
    Rule: contacts of int_doctor_contact whose doctor is known, in the order of days (of doctors
    within a day). With n contacts of each of M doctors, N in all: UPC = max n / N; COC of Bice and
    Boxerman = (sum of n² - N) / (N (N - 1)); SECON = share of pairs of following contacts with the
    same doctor; MMCI = (1 - M / (N + 0.1)) / (1 - 1 / (N + 0.1)); K = (N - M) / (N - 1); entropy =
    - sum of (n / N) ln (n / N). All but UPC and entropy need two contacts. Terms of the entropy are
    added as decimals, so that the order of rows does not show.
    Source: BMC Health Services Research 2022, 22, 07953, table 2. Anchor: contact date.
    Grain: one row a person and scope.
#}
{{ config(
    materialized='yearly',
    unique_key=['person_id', 'scope'],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

with visit as (
    select person_id, 'all_doctors' as scope, contact_date, doctor_id
    from {{ ref('int_doctor_contact') }}
    where year = {{ openchronic.build_year() }} and doctor_id is not null

    union all

    select person_id, 'general_practitioner' as scope, contact_date, doctor_id
    from {{ ref('int_doctor_contact') }}
    where
        year = {{ openchronic.build_year() }}
        and doctor_id is not null
        and is_general_practitioner
),

followed as (
    select
        person_id,
        scope,
        doctor_id,
        lag(doctor_id) over (
            partition by person_id, scope order by contact_date asc, doctor_id asc
        ) as doctor_before
    from visit
),

by_doctor as (
    select
        person_id,
        scope,
        doctor_id,
        count(*) as n,
        sum(case when doctor_before = doctor_id then 1 else 0 end) as same_as_before
    from followed
    group by person_id, scope, doctor_id
),

counted as (
    select
        person_id,
        scope,
        cast(sum(n) as integer) as visit_count,
        cast(count(*) as integer) as doctor_count,
        cast(max(n) as double) as most,
        cast(sum(n * n) as double) as squares,
        cast(sum(same_as_before) as double) as same_as_before,
        cast(sum(cast(n * ln(n) as decimal(28, 12))) as double) as logarithms
    from by_doctor
    group by person_id, scope
),

final as (
    select
        person_id,
        cast({{ openchronic.build_year() }} as integer) as year,
        scope,
        visit_count,
        doctor_count,
        most / visit_count as upc,
        case
            when visit_count > 1
                then (squares - visit_count) / (cast(visit_count as double) * (visit_count - 1))
        end as coc,
        case when visit_count > 1 then same_as_before / (visit_count - 1) end as secon,
        case
            when visit_count > 1 then
                (1 - doctor_count / (visit_count + cast(0.1 as double)))
                / (1 - 1 / (visit_count + cast(0.1 as double)))
        end as mmci,
        case
            when visit_count > 1
                then cast(visit_count - doctor_count as double) / (visit_count - 1)
        end as k_index,
        -- Twelve decimals, those of the terms: one doctor alone is exactly 0.
        round(ln(visit_count) - logarithms / visit_count, 12) as visit_entropy
    from counted
)

select * from final
