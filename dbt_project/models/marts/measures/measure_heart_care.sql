{#
    Care after a myocardial infarction and after a stay for heart failure.
    Rule, infarction (BASI): people alive on 1 January whose first infarction (main diagnosis I21 of
    the first or last stay of an acute episode) in five years, as far back as stays are delivered but
    at least a year, was discharged alive the year before. Treated at twelve months: 80 % of the
    days 274 to 364 after discharge covered by a drug of the class (as drug_adherence: stock carried
    over, days in hospital left out), for each of beta blocker, antiplatelet, statin, renin-
    angiotensin inhibitor, and all four. Not counted, the first reason of: died before day 365
    (death), more than 60 days in rehabilitation since discharge (rehabilitation), data that stop
    before (no_follow_up), no care of the year of the infarction or no stays of one before it
    (no_look_back), in hospital all those days (in_hospital); for the beta blocker and all four, asthma: an exemption in force,
    or drugs of obstructive airways on three days of the year after discharge (contraindicated).
    Rule, heart failure: each acute episode with that main diagnosis (first or last stay) ended in
    the year, of adults. Contacts from day 1 after discharge: generalist (consultation, visit or
    teleconsultation) or cardiologist within 7 and 14 days, cardiologist within 60, nurse within 7;
    the three classes dispensed by day 60; a new acute episode of heart failure by day 30 and 90.
    Not counted, the first reason of: died there (death_in_hospital), not gone home, mode 8
    (not_home), palliative (palliative), no night (day_case), data that stop before the last day asked
    about (no_follow_up), and, but for readmission, died by then (early_death). No drug measure where
    no class of drugs is delivered (not_delivered).
    Source: indicators 4.5; ESC, HAS, CNAM (retour à domicile). Codes: ref_measure_code. Anchor: year
    after that of discharge (infarction), year of discharge (heart failure). Grain: one row a person
    and measure, or an episode and measure.
#}
{{ config(
    materialized='yearly',
    unique_key=['person_id', 'measure', 'condition', 'unit_id'],
    meta={'kind': 'yearly', 'look_back': 6, 'look_ahead': 1, 'reads_referentials': true}
) }}

{%- set classes = ['beta_blocker_plain', 'antiplatelet', 'statin', 'ras_inhibitor'] %}

with listed as (
    select list_name, code
    from {{ ref('ref_measure_code') }}
    where system = 'CIM10' and list_name in ('infarction', 'heart_failure', 'asthma')
),

acute as (
    select
        person_id,
        episode_id,
        year,
        entry_date,
        discharge_date,
        exit_mode,
        exit_finess,
        age_years,
        is_full_stay,
        is_death,
        is_palliative,
        first_main_diagnosis,
        last_main_diagnosis
    from {{ ref('hospital_episode') }}
    where
        year between {{ openchronic.build_year(-6) }} and {{ openchronic.build_year(1) }}
        and field = 'mco'
        and not is_service_only
        and not is_after_death
        and discharge_date is not null
),

of_heart as (
    select distinct
        acute.person_id,
        acute.episode_id,
        listed.list_name
    from acute
    inner join listed
        on substr(acute.first_main_diagnosis, 1, length(listed.code)) = listed.code
        or substr(acute.last_main_diagnosis, 1, length(listed.code)) = listed.code
),

-- Infarction ------------------------------------------------------------------------------------

infarction as (
    select acute.*
    from acute
    inner join of_heart
        on acute.episode_id = of_heart.episode_id and of_heart.list_name = 'infarction'
),

-- The last infarction that ended before each begins.
numbered_infarction as (
    select
        *,
        max(discharge_date) over (
            partition by person_id
            order by entry_date asc, discharge_date asc, episode_id asc
            rows between unbounded preceding and 1 preceding
        ) as discharged_before
    from infarction
),

survivor as (
    select
        index_stay.person_id,
        index_stay.episode_id,
        index_stay.discharge_date,
        {{ openchronic.add_days('index_stay.discharge_date', 274) }} as window_start,
        {{ openchronic.add_days('index_stay.discharge_date', 365) }} as window_end
    from numbered_infarction as index_stay
    inner join {{ ref('person_year') }} as person
        on index_stay.person_id = person.person_id
        and person.year = {{ openchronic.build_year() }}
    where
        index_stay.year = {{ openchronic.build_year(-1) }}
        and not index_stay.is_death
        and (
            index_stay.discharged_before is null
            or index_stay.discharged_before < {{ openchronic.add_days('index_stay.entry_date', -1826) }}
        )
),

point as (
    select person_id, window_start as point_date from survivor
    union
    select person_id, window_end as point_date from survivor
),

clocked as (
    {{ openchronic.city_days('point', 'point_date') }}
),

windowed as (
    select
        survivor.*,
        coalesce(started.city_day, {{ openchronic.day_number('survivor.window_start') }}) as city_start,
        coalesce(ended.city_day, {{ openchronic.day_number('survivor.window_end') }}) as city_end
    from survivor
    left join clocked as started
        on survivor.person_id = started.person_id and survivor.window_start = started.point_date
    left join clocked as ended
        on survivor.person_id = ended.person_id and survivor.window_end = ended.point_date
),

drug_class as (
    {{ openchronic.listed_drug_classes() }}
),

cover as (
    select
        windowed.person_id,
        drug_class.list_name,
        greatest(cover.city_start, windowed.city_start) as cover_start,
        least(cover.city_end, windowed.city_end) as cover_end
    from windowed
    inner join {{ ref('int_drug_cover') }} as cover
        on windowed.person_id = cover.person_id
        and cover.city_start < windowed.city_end
        and cover.city_end > windowed.city_start
    inner join drug_class
        on cover.atc_class = drug_class.atc_class
        and drug_class.list_name in ('{{ classes | join("', '") }}')
),

joined as (
    select
        *,
        max(cover_end) over (
            partition by person_id, list_name
            order by cover_start asc, cover_end asc
            rows between unbounded preceding and 1 preceding
        ) as end_before
    from cover
),

covered as (
    select
        person_id,
        {%- for class in classes %}
        sum(
            case
                when list_name = '{{ class }}'
                    then greatest(cover_end - greatest(cover_start, coalesce(end_before, cover_start)), 0)
                else 0
            end
        ) as {{ class }}_days{{ ',' if not loop.last }}
        {%- endfor %}
    from joined
    group by person_id
),

rehabilitation as (
    select
        survivor.person_id,
        sum(
            {{ openchronic.days_between(
                'stay.entry_date',
                'least(coalesce(stay.discharge_date, survivor.window_end), survivor.window_end)',
            ) }}
        ) as night_count
    from survivor
    inner join {{ ref('hospital_episode') }} as stay
        on survivor.person_id = stay.person_id
        and stay.field = 'ssr'
        and stay.entry_date >= survivor.discharge_date
        and stay.entry_date < survivor.window_end
    where stay.year between {{ openchronic.build_year(-1) }} and {{ openchronic.build_year(1) }}
    group by survivor.person_id
),

airway as (
    select survivor.person_id
    from survivor
    inner join {{ ref('int_listed_care') }} as care
        on survivor.person_id = care.person_id
        and care.list_name = 'obstructive_airway'
        and care.care_date > survivor.discharge_date
        and care.care_date <= survivor.window_end
    where care.year between {{ openchronic.build_year(-1) }} and {{ openchronic.build_year() }}
    group by survivor.person_id
    having count(*) >= 3

    union

    select survivor.person_id
    from survivor
    inner join {{ ref('int_ald_chain') }} as ald
        on survivor.person_id = ald.person_id
        and ald.start_date <= survivor.window_end
        and (ald.is_open or ald.end_date >= survivor.discharge_date)
    inner join listed
        on listed.list_name = 'asthma' and substr(ald.cim10_last, 1, length(listed.code)) = listed.code
),

delivered as (
    select
        max(case when year = {{ openchronic.build_year() }} and has_claims then claims_to end) as claims_to,
        max(case when year = {{ openchronic.build_year() }} and has_drug_classes then 1 else 0 end) as has_drug_classes,
        max(case when year = {{ openchronic.build_year(-1) }} and has_claims then 1 else 0 end) as has_claims_before,
        max(case when year < {{ openchronic.build_year(-1) }} and has_stays then 1 else 0 end) as has_stays_before
    from {{ ref('int_delivered_year') }}
    where year between {{ openchronic.build_year(-6) }} and {{ openchronic.build_year() }}
),

infarction_judged as (
    select
        windowed.person_id,
        {%- for class in classes %}
        coalesce(covered.{{ class }}_days, 0) * 10 >= (windowed.city_end - windowed.city_start) * 8
            as has_{{ class }},
        {%- endfor %}
        case
            when death.death_date < windowed.window_end then 'death'
            when rehabilitation.night_count > 60 then 'rehabilitation'
            when coalesce(delivered.claims_to < windowed.window_end, true) then 'no_follow_up'
            when delivered.has_claims_before = 0 or delivered.has_stays_before = 0 then 'no_look_back'
            when windowed.city_end <= windowed.city_start then 'in_hospital'
            when delivered.has_drug_classes = 0 then 'not_delivered'
        end as excluded,
        case when airway.person_id is not null then 'contraindicated' end as contraindicated
    from windowed
    cross join delivered
    left join covered on windowed.person_id = covered.person_id
    left join rehabilitation on windowed.person_id = rehabilitation.person_id
    left join airway on windowed.person_id = airway.person_id
    left join {{ ref('int_death') }} as death on windowed.person_id = death.person_id
),

infarction_decided as (
    select
        *,
        coalesce(excluded, contraindicated) as excl_beta_blocker
    from infarction_judged
),

-- Heart failure ---------------------------------------------------------------------------------

failure as (
    select
        acute.*,
        {{ openchronic.days_between('acute.discharge_date', 'death.death_date') }} as days_to_death
    from acute
    inner join of_heart
        on acute.episode_id = of_heart.episode_id and of_heart.list_name = 'heart_failure'
    inner join {{ ref('person_year') }} as person
        on acute.person_id = person.person_id and person.year = {{ openchronic.build_year() }}
    left join {{ ref('int_death') }} as death on acute.person_id = death.person_id
    where acute.year = {{ openchronic.build_year() }} and acute.age_years >= 18
),

contact as (
    select
        failure.episode_id,
        min(case when care.list_name in ('gp_contact', 'cardiologist') then day_count end) as first_contact,
        min(case when care.list_name = 'cardiologist' then day_count end) as first_cardiologist,
        min(case when care.list_name = 'nurse' then day_count end) as first_nurse,
        min(case when care.list_name = 'ras_inhibitor' then day_count end) as first_ras,
        min(case when care.list_name = 'beta_blocker' then day_count end) as first_beta_blocker,
        min(case when care.list_name = 'mra_or_gliflozin' then day_count end) as first_third
    from failure
    inner join (
        select
            failure.episode_id,
            care.list_name,
            {{ openchronic.days_between('failure.discharge_date', 'care.care_date') }} as day_count
        from failure
        inner join {{ ref('int_listed_care') }} as care on failure.person_id = care.person_id
        where
            care.year between {{ openchronic.build_year() }} and {{ openchronic.build_year(1) }}
            and care.list_name in (
                'gp_contact', 'cardiologist', 'nurse', 'ras_inhibitor', 'beta_blocker',
                'mra_or_gliflozin'
            )
            and care.care_date > failure.discharge_date
            and care.care_date <= {{ openchronic.add_days('failure.discharge_date', 60) }}
    ) as care
        on failure.episode_id = care.episode_id
    group by failure.episode_id
),

again as (
    select
        failure.episode_id,
        min({{ openchronic.days_between('failure.discharge_date', 'later.entry_date') }}) as days_to_next
    from failure
    inner join acute as later
        on failure.person_id = later.person_id
        and later.entry_date > failure.discharge_date
        and later.is_full_stay
    inner join of_heart
        on later.episode_id = of_heart.episode_id and of_heart.list_name = 'heart_failure'
    group by failure.episode_id
),

horizon as (
    {{ openchronic.followed_to() }}
),

failure_judged as (
    select
        failure.person_id,
        failure.episode_id,
        failure.exit_finess,
        failure.days_to_death,
        contact.first_contact,
        contact.first_cardiologist,
        contact.first_nurse,
        contact.first_ras,
        contact.first_beta_blocker,
        contact.first_third,
        again.days_to_next,
        horizon.has_drug_classes,
        {{ openchronic.days_between('failure.discharge_date', 'horizon.claims_to') }} as claim_days,
        {{ openchronic.days_between('failure.discharge_date', 'horizon.stays_to') }} as stay_days,
        case
            when failure.is_death then 'death_in_hospital'
            when coalesce(failure.exit_mode, '') <> '8' then 'not_home'
            when failure.is_palliative then 'palliative'
            when not failure.is_full_stay then 'day_case'
        end as excluded
    from failure
    cross join horizon
    left join contact on failure.episode_id = contact.episode_id
    left join again on failure.episode_id = again.episode_id
),

failure_decided as (
    select
        *,
        {%- for days in (7, 14, 60) %}
        coalesce(
            excluded,
            case
                when coalesce(claim_days, -1) < {{ days }} then 'no_follow_up'
                when days_to_death <= {{ days }} then 'early_death'
            end
        ) as excl_{{ days }},
        {%- endfor %}
        {%- for days in (30, 90) %}
        coalesce(excluded, case when coalesce(stay_days, -1) < {{ days }} then 'no_follow_up' end)
            as excl_readmission_{{ days }}{{ ',' if not loop.last }}
        {%- endfor %}
    from failure_judged
),

failure_told as (
    select
        *,
        coalesce(excl_60, case when not has_drug_classes then 'not_delivered' end) as excl_drug
    from failure_decided
),

final as (
    {{- openchronic.measure_rows('infarction_decided', [
        {'measure': 'mi_beta_blocker_12m', 'num': 'has_beta_blocker_plain', 'excl': 'excl_beta_blocker'},
        {'measure': 'mi_antiplatelet_12m', 'num': 'has_antiplatelet', 'excl': 'excluded'},
        {'measure': 'mi_statin_12m', 'num': 'has_statin', 'excl': 'excluded'},
        {'measure': 'mi_ras_inhibitor_12m', 'num': 'has_ras_inhibitor', 'excl': 'excluded'},
        {
            'measure': 'mi_basi_12m', 'excl': 'excl_beta_blocker',
            'num': 'has_beta_blocker_plain and has_antiplatelet and has_statin and has_ras_inhibitor',
        },
    ]) }}

    union all
    {{ openchronic.measure_rows('failure_told', [
        {'measure': 'hf_contact_7d', 'num': 'first_contact <= 7', 'excl': 'excl_7'},
        {'measure': 'hf_contact_14d', 'num': 'first_contact <= 14', 'excl': 'excl_14'},
        {'measure': 'hf_nurse_7d', 'num': 'first_nurse <= 7', 'excl': 'excl_7'},
        {'measure': 'hf_cardiologist_60d', 'num': 'first_cardiologist <= 60', 'excl': 'excl_60'},
        {
            'measure': 'hf_triple_therapy_60d', 'excl': 'excl_drug',
            'num': 'first_ras <= 60 and first_beta_blocker <= 60 and first_third <= 60',
        },
        {'measure': 'hf_readmission_30d', 'num': 'days_to_next <= 30', 'excl': 'excl_readmission_30'},
        {'measure': 'hf_readmission_90d', 'num': 'days_to_next <= 90', 'excl': 'excl_readmission_90'},
    ], unit_id='episode_id', finess='exit_finess') }}
)

select * from final
