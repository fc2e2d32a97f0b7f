{#
    Polypharmacy and risky prescribing of older people, a person and measure.
    Rule: consumers who reach 65 (75 for the measures that end in _75 and the list of Laroche) in the
    year. A substance is an ATC class of seven characters, or what is known of it; a combination
    counts as its substances (seed ref_drug_component). Cumulative: substances dispensed in a quarter,
    mean of the four quarters, at least 5 or 10. Continuous: substances dispensed on three days of the
    year, or on two where a large pack is among them, at least 5 or 10. Long benzodiazepine: more than
    12 weeks in a row with benzodiazepines or related drugs at home, on a day of the year (stock
    periods of drug_exposure, any substance, up to 31 December). Anticholinergic, Laroche subset: at
    least one dispensing [A]. Triple: a NSAID, a renin-angiotensin inhibitor and a diuretic in the
    same quarter [A]. Lists: seed ref_drug_risk_list.
    Exclusions, in order: died_in_year, not_fully_observed (person_year), drugs_not_delivered (a
    quarter of the year without a single dispensing of known class, or flux that ends before
    December). Town pharmacies only. Source: Irdes (Questions d'économie de la santé 213).
    Anchor: year of dispensing. Grain: one row a person and measure.
#}
{{ config(
    materialized='yearly',
    unique_key=['person_id', 'measure', 'condition', 'unit_id'],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

{%- set lists = ['anticholinergic', 'pim_laroche', 'nsaid', 'ras', 'diuretic'] %}
{%- set trio = ['nsaid', 'ras', 'diuretic'] %}

with delivered as (
    select
        count(distinct quarter(dispensing_date)) = 4
        and last_day(max(known_at)) >= {{ openchronic.year_end() }} as is_whole
    from {{ ref('drug_dispensing') }}
    where year = {{ openchronic.build_year() }} and is_used_for_exposure
),

person as (
    select
        person_year.person_id,
        person_year.age_years >= 75 as is_75,
        case
            when person_year.death_date is not null then 'died_in_year'
            when not person_year.is_fully_observed then 'not_fully_observed'
            when not coalesce(delivered.is_whole, false) then 'drugs_not_delivered'
        end as excl
    from {{ ref('person_year') }} as person_year
    cross join delivered
    where
        person_year.year = {{ openchronic.build_year() }}
        and person_year.is_consumer
        and person_year.age_years >= 65
),

dispensed as (
    select
        person_id,
        atc_class,
        dispensing_date,
        max(case when is_large_pack then 1 else 0 end) as large_pack
    from {{ ref('drug_dispensing') }}
    where
        year = {{ openchronic.build_year() }}
        and is_used_for_exposure
        and not is_hospital_drug
        and person_id in (select person_id from person where excl is null)
    group by person_id, atc_class, dispensing_date
),

substance as (
    select known.atc_class, coalesce(component.component, known.atc_class) as substance
    from (select distinct atc_class from dispensed) as known
    left join {{ ref('ref_drug_component') }} as component
        on known.atc_class = component.atc_code
),

listed as (
    select
        known.substance,
        {%- for name in lists %}
        max(case when included.list_name = '{{ name }}' then 1 else 0 end) as {{ name }}
            {{- ',' if not loop.last }}
        {%- endfor %}
    from (select distinct substance from substance) as known
    inner join {{ ref('ref_drug_risk_list') }} as included
        on not included.is_excluded
        and substr(known.substance, 1, length(included.atc_prefix)) = included.atc_prefix
    left join {{ ref('ref_drug_risk_list') }} as excluded
        on excluded.is_excluded
        and included.list_name = excluded.list_name
        and substr(known.substance, 1, length(excluded.atc_prefix)) = excluded.atc_prefix
    where excluded.list_name is null
    group by known.substance
),

by_day as (
    select
        dispensed.person_id,
        substance.substance,
        dispensed.dispensing_date,
        max(dispensed.large_pack) as large_pack
    from dispensed
    inner join substance on dispensed.atc_class = substance.atc_class
    group by dispensed.person_id, substance.substance, dispensed.dispensing_date
),

by_substance as (
    select
        person_id,
        substance,
        count(*) as day_count,
        max(large_pack) as large_pack,
        {%- for n in range(1, 5) %}
        max(case when quarter(dispensing_date) = {{ n }} then 1 else 0 end) as quarter_{{ n }}
            {{- ',' if not loop.last }}
        {%- endfor %}
    from by_day
    group by person_id, substance
),

counted as (
    select
        by_substance.person_id,
        sum(
            by_substance.quarter_1 + by_substance.quarter_2 + by_substance.quarter_3
            + by_substance.quarter_4
        ) as quarter_total,
        sum(
            case
                when by_substance.day_count >= 3 then 1
                when by_substance.day_count >= 2 and by_substance.large_pack = 1 then 1
                else 0
            end
        ) as continuous_count,
        max(coalesce(listed.anticholinergic, 0)) as anticholinergic,
        max(coalesce(listed.pim_laroche, 0)) as pim_laroche,
        {%- for n in range(1, 5) %}
        {%- for name in trio %}
        max(by_substance.quarter_{{ n }} * coalesce(listed.{{ name }}, 0)) as {{ name }}_{{ n }}
            {{- ',' if not (loop.last and n == 4) }}
        {%- endfor %}
        {%- endfor %}
    from by_substance
    left join listed on by_substance.substance = listed.substance
    group by by_substance.person_id
),

-- Times with a benzodiazepine at home that touch the year, whichever the substance.
benzodiazepine as (
    select
        exposure.person_id,
        exposure.start_date,
        least(exposure.end_date, {{ openchronic.year_end() }}) as end_date
    from {{ ref('drug_exposure') }} as exposure
    inner join {{ ref('ref_drug_risk_list') }} as included
        on included.list_name = 'benzodiazepine'
        and substr(exposure.atc_class, 1, length(included.atc_prefix)) = included.atc_prefix
    where
        exposure.exposure_rule = 'stock'
        and exposure.start_date <= {{ openchronic.year_end() }}
        and exposure.end_date >= {{ openchronic.year_start() }}
),

benzodiazepine_compared as (
    select
        *,
        max(end_date) over (
            partition by person_id
            order by start_date asc, end_date asc
            rows between unbounded preceding and 1 preceding
        ) as end_before
    from benzodiazepine
),

benzodiazepine_numbered as (
    select
        *,
        sum(
            case when {{ openchronic.days_between('end_before', 'start_date') }} <= 1 then 0 else 1 end
        ) over (
            partition by person_id
            order by start_date asc, end_date asc
            rows between unbounded preceding and current row
        ) as run
    from benzodiazepine_compared
),

long_benzodiazepine as (
    select distinct person_id
    from (
        select
            person_id,
            {{ openchronic.days_between('min(start_date)', 'max(end_date)') }} + 1 as day_count
        from benzodiazepine_numbered
        group by person_id, run
    ) as runs
    where day_count > 84
),

measured as (
    select
        person.person_id,
        person.is_75,
        person.excl,
        coalesce(counted.quarter_total, 0) as quarter_total,
        coalesce(counted.continuous_count, 0) as continuous_count,
        coalesce(counted.anticholinergic, 0) as anticholinergic,
        coalesce(counted.pim_laroche, 0) as pim_laroche,
        coalesce(
            {%- for n in range(1, 5) %}
            {{ 'or ' if not loop.first }}(counted.nsaid_{{ n }} + counted.ras_{{ n }} + counted.diuretic_{{ n }} = 3)
            {%- endfor %},
            false
        ) as has_trio,
        long_benzodiazepine.person_id is not null as has_long_benzodiazepine
    from person
    left join counted on person.person_id = counted.person_id
    left join long_benzodiazepine on person.person_id = long_benzodiazepine.person_id
),

final as (
    {{ openchronic.measure_rows('measured', [
        {'measure': 'polypharmacy_cumulative_5', 'num': 'quarter_total >= 20', 'excl': 'excl'},
        {'measure': 'polypharmacy_cumulative_10', 'num': 'quarter_total >= 40', 'excl': 'excl'},
        {'measure': 'polypharmacy_continuous_5', 'num': 'continuous_count >= 5', 'excl': 'excl'},
        {'measure': 'polypharmacy_continuous_10', 'num': 'continuous_count >= 10', 'excl': 'excl'},
        {'measure': 'polypharmacy_cumulative_5_75', 'num': 'quarter_total >= 20', 'excl': 'excl', 'where': 'is_75'},
        {'measure': 'polypharmacy_cumulative_10_75', 'num': 'quarter_total >= 40', 'excl': 'excl', 'where': 'is_75'},
        {'measure': 'polypharmacy_continuous_5_75', 'num': 'continuous_count >= 5', 'excl': 'excl', 'where': 'is_75'},
        {'measure': 'polypharmacy_continuous_10_75', 'num': 'continuous_count >= 10', 'excl': 'excl', 'where': 'is_75'},
        {'measure': 'substances_per_quarter', 'value': 'cast(quarter_total as double) / 4', 'excl': 'excl'},
        {'measure': 'benzodiazepine_over_12_weeks', 'num': 'has_long_benzodiazepine', 'excl': 'excl'},
        {'measure': 'anticholinergic_drug', 'num': 'anticholinergic = 1', 'excl': 'excl'},
        {'measure': 'triple_whammy', 'num': 'has_trio', 'excl': 'excl'},
        {'measure': 'inappropriate_drug_75', 'num': 'pim_laroche = 1', 'excl': 'excl', 'where': 'is_75'},
    ]) }}
)

select * from final
