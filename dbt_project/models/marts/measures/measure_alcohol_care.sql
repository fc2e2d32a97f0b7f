{#
    Care for alcohol use disorders, person by person and stay by stay.
    Rule, people: `alcohol_identified`, a sign of alcohol in the year's care (a diagnosis of the list
    sign in a stay, a drug of N07BB, the alcohol group of the pathologies); `alcohol_stays`, full
    stays (acute care or psychiatry) with a main diagnosis F10; `alcohol_drug_treated`, a drug of
    N07BB in the year among adults with a dependence (list dependence in a stay, or the group).
    Rule, stays: adults leaving a full stay with a main diagnosis F10: `alcohol_gp_30`, a
    general practitioner seen from day 1 to 30; `alcohol_drug_90`, N07BB from day 0
    to 90; `alcohol_rehabilitation_30`, a rehabilitation stay begun from day 0 to 30, transfers
    included; `alcohol_return_30`, another such stay begun from day 1 to 30.
    Left out, the first that holds: people dead in the year or not observed all of it; stays ended by
    death, those transferred (but for rehabilitation), those not followed long enough, death within
    the window. Followed: for care in town to the end of the last flux month and of the last year that
    is there; for stays to the last discharge (int_delivered_year).
    Source: families of indicators 4; codes of ref_alcohol_code with their flag; windows ours [A].
    Anchor: year, that of discharge for stays. Grain: one row a person or stay, and measure.
#}
{{ config(
    materialized='yearly',
    unique_key=['person_id', 'measure', 'condition', 'unit_id'],
    meta={
        'kind': 'yearly', 'look_back': 0, 'look_ahead': 1, 'reads_referentials': true,
        'population_scope': 'referential'
    }
) }}

{%- set years = openchronic.build_year() ~ ' and ' ~ openchronic.build_year(1) %}
{#- Measure, column of its first day, days of its window, data it needs, whether a transfer stays in. -#}
{%- set measures = [
    ('alcohol_gp_30', 'contact_day', 30, 'claim_end', false),
    ('alcohol_drug_90', 'drug_day', 90, 'claim_end', false),
    ('alcohol_rehabilitation_30', 'rehabilitation_day', 30, 'stay_end', true),
    ('alcohol_return_30', 'return_day', 30, 'stay_end', false),
] %}

with person as (
    select
        person_id,
        age_years,
        case
            when death_date is not null then 'died'
            when not is_fully_observed then 'not_observed'
        end as excl_code
    from {{ ref('person_year') }}
    where year = {{ openchronic.build_year() }}
),

diagnosis as (
    select
        diagnosis.person_id,
        diagnosis.stay_id,
        diagnosis.field,
        diagnosis.year,
        listed.list_name,
        max(case when diagnosis.role = 'DP' then 1 else 0 end) as is_main
    from {{ ref('stay_diagnosis') }} as diagnosis
    inner join {{ ref('ref_alcohol_code') }} as listed
        on listed.system = 'CIM10'
        and substr(diagnosis.diagnosis_code, 1, length(listed.code)) = listed.code
    where
        diagnosis.year between {{ years }}
        and diagnosis.is_used_for_stays
        and diagnosis.person_id is not null
    group by 1, 2, 3, 4, 5
),

drug_class as (
    select distinct known.atc_class
    from {{ ref('int_drug_reference') }} as known
    inner join {{ ref('ref_alcohol_code') }} as listed
        on listed.system = 'ATC'
        and substr(known.atc_class, 1, length(listed.code)) = listed.code
),

drug as (
    select distinct
        person_id,
        dispensing_date
    from {{ ref('drug_dispensing') }}
    where
        year between {{ years }}
        and atc_class in (select atc_class from drug_class)
        and is_used_for_exposure
        and box_count > 0
        and person_id is not null
        and dispensing_date is not null
),

disorder as (
    select distinct person_id
    from {{ ref('person_pathology') }}
    where
        year = {{ openchronic.build_year() }}
        and carto_version = 'G6-like'
        and top = 'sup_PAddAlc_ind'
),

sign as (
    select person_id from diagnosis where list_name = 'sign' and year = {{ openchronic.build_year() }}
    union
    select person_id from drug where dispensing_date <= {{ openchronic.year_end() }}
    union
    select person_id from disorder
),

dependent as (
    select person_id from diagnosis where list_name = 'dependence' and year = {{ openchronic.build_year() }}
    union
    select person_id from disorder
),

-- Full stays for alcohol, of this year and the next.
alcohol_stay as (
    select
        stay.person_id,
        stay.stay_id,
        stay.year,
        stay.finess,
        stay.entry_date,
        stay.discharge_date,
        stay.exit_mode
    from {{ ref('hospital_stay') }} as stay
    inner join diagnosis
        on stay.stay_id = diagnosis.stay_id
        and diagnosis.list_name = 'disorder'
        and diagnosis.is_main = 1
    where
        stay.year between {{ years }}
        and stay.field in ('mco', 'psy')
        and stay.is_full_stay
        and not coalesce(stay.is_session, false)
        and stay.is_used_for_stays
        and stay.is_used_for_persons
        and stay.discharge_date is not null
),

left_hospital as (
    select
        stay.*,
        death.death_date
    from alcohol_stay as stay
    inner join person on stay.person_id = person.person_id
    left join {{ ref('int_death') }} as death on stay.person_id = death.person_id
    where stay.year = {{ openchronic.build_year() }} and person.age_years >= 18
),

seen_in_town as (
    select
        left_hospital.stay_id,
        min({{ openchronic.days_between('left_hospital.discharge_date', 'contact.contact_date') }}) as contact_day
    from {{ ref('int_doctor_contact') }} as contact
    inner join left_hospital
        on contact.person_id = left_hospital.person_id
        and contact.contact_date > left_hospital.discharge_date
    where contact.year between {{ years }} and contact.is_general_practitioner
    group by left_hospital.stay_id
),

treated as (
    select
        left_hospital.stay_id,
        min({{ openchronic.days_between('left_hospital.discharge_date', 'drug.dispensing_date') }}) as drug_day
    from left_hospital
    inner join drug
        on left_hospital.person_id = drug.person_id
        and drug.dispensing_date >= left_hospital.discharge_date
    group by left_hospital.stay_id
),

rehabilitated as (
    select
        left_hospital.stay_id,
        min({{ openchronic.days_between('left_hospital.discharge_date', 'later.entry_date') }}) as rehabilitation_day
    from left_hospital
    inner join {{ ref('hospital_stay') }} as later
        on left_hospital.person_id = later.person_id
        and later.entry_date >= left_hospital.discharge_date
    where
        later.year between {{ years }}
        and later.field = 'ssr'
        and later.is_used_for_stays
        and later.is_used_for_persons
    group by left_hospital.stay_id
),

returned as (
    select
        left_hospital.stay_id,
        min({{ openchronic.days_between('left_hospital.discharge_date', 'later.entry_date') }}) as return_day
    from left_hospital
    inner join alcohol_stay as later
        on left_hospital.person_id = later.person_id
        and later.entry_date > left_hospital.discharge_date
    group by left_hospital.stay_id
),

-- Care of a year that was not built is not seen, whatever the flux months of this one.
data_end as (
    select
        max(least(claims_to, make_date(year, 12, 31))) as claim_end,
        max(stays_to) as stay_end
    from {{ ref('int_delivered_year') }}
    where year between {{ years }}
),

followed as (
    select
        left_hospital.*,
        seen_in_town.contact_day,
        treated.drug_day,
        rehabilitated.rehabilitation_day,
        returned.return_day,
        {{ openchronic.days_between('left_hospital.discharge_date', 'data_end.claim_end') }} as claim_end,
        {{ openchronic.days_between('left_hospital.discharge_date', 'data_end.stay_end') }} as stay_end,
        {{ openchronic.days_between('left_hospital.discharge_date', 'left_hospital.death_date') }} as death_day
    from left_hospital
    cross join data_end
    left join seen_in_town on left_hospital.stay_id = seen_in_town.stay_id
    left join treated on left_hospital.stay_id = treated.stay_id
    left join rehabilitated on left_hospital.stay_id = rehabilitated.stay_id
    left join returned on left_hospital.stay_id = returned.stay_id
),

measured as (
    select
        person.person_id,
        'alcohol_identified' as measure,
        '' as unit_id,
        cast(null as {{ dbt.type_string() }}) as finess,
        1 as num,
        cast(null as integer) as den,
        cast(null as {{ dbt.type_string() }}) as excl_code
    from person
    inner join sign on person.person_id = sign.person_id

    union all

    select
        person.person_id,
        'alcohol_stays' as measure,
        '' as unit_id,
        cast(null as {{ dbt.type_string() }}) as finess,
        count(distinct alcohol_stay.stay_id) as num,
        cast(null as integer) as den,
        cast(null as {{ dbt.type_string() }}) as excl_code
    from person
    inner join alcohol_stay
        on person.person_id = alcohol_stay.person_id
        and alcohol_stay.year = {{ openchronic.build_year() }}
    group by person.person_id

    union all

    select
        person.person_id,
        'alcohol_drug_treated' as measure,
        '' as unit_id,
        cast(null as {{ dbt.type_string() }}) as finess,
        case when drug.person_id is not null then 1 else 0 end as num,
        1 as den,
        person.excl_code
    from person
    inner join dependent on person.person_id = dependent.person_id
    left join (
        select distinct person_id
        from drug
        where dispensing_date <= {{ openchronic.year_end() }}
    ) as drug on person.person_id = drug.person_id
    where person.age_years >= 18
    {%- for measure, day, days, needed, keeps_transfers in measures %}

    union all

    select
        person_id,
        '{{ measure }}' as measure,
        stay_id as unit_id,
        finess,
        case when {{ day }} <= {{ days }} then 1 else 0 end as num,
        1 as den,
        case
            when exit_mode = '9' then 'died_in_stay'
            {%- if not keeps_transfers %}
            when exit_mode in ('0', '6', '7') then 'transferred'
            {%- endif %}
            when {{ needed }} is null or {{ needed }} < {{ days }} then 'no_follow_up'
            when death_day <= {{ days }} then 'died_after'
        end as excl_code
    from followed
    {%- endfor %}
),

final as (
    select
        person_id,
        cast({{ openchronic.build_year() }} as integer) as year,
        measure,
        'all' as condition,
        unit_id,
        finess,
        cast(case when excl_code is null then num else 0 end as double) as num,
        cast(case when excl_code is null then den else 0 end as double) as den,
        excl_code
    from measured
)

select
    person_id,
    year,
    measure,
    condition,
    unit_id,
    finess,
    num,
    den,
    excl_code
from final
