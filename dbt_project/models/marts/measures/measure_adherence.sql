{#
    Adherence to drugs, person by person: what drug_adherence tells, as measures.
    Rule, by class of ref_drug_class (`condition` is drug_<class>): `adherent`, PDC of at least
    0.80; `pdc_mean`, the PDC; `mpr_mean`, the MPR; `persistent`, no break of more than 60 days in
    the window. Rule, all classes apart, for adults, after the PQA: `adherent_diabetes` (without
    insulin), `adherent_ras` (without sacubitril), `adherent_statin`, and `statin_in_diabetes`, a
    statin dispensed in the year to people of 40 to 75 years with two days of antidiabetics.
    Left out, the first that holds: dialysis, palliative care (the PQA's measures only), insulin or
    sacubitril, one day of dispensing, a window of fewer than 91 days. PDC, MPR and breaks are those
    of drug_adherence: there is no second definition. Age: years reached in the year.
    Source: indicators 4.3; PQA PDC-DR, PDC-RASA, PDC-STA, SUPD, exclusions in their manner [A].
    Anchor: year of dispensing. Grain: one row a person, measure and class.
#}
{{ config(
    materialized='yearly',
    unique_key=['person_id', 'measure', 'condition', 'unit_id'],
    meta={
        'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true,
        'population_scope': 'drug_users'
    }
) }}

{%- set of_class = [
    ('adherent', 'case when is_adherent then 1 else 0 end'),
    ('pdc_mean', 'pdc'),
    ('mpr_mean', 'mpr'),
    ('persistent', 'case when is_persistent then 1 else 0 end'),
] %}

with person as (
    select person_id, age_years
    from {{ ref('person_year') }}
    where year = {{ openchronic.build_year() }}
),

adherence as (
    select
        adherence.person_id,
        adherence.drug_class,
        person.age_years,
        adherence.pdc,
        adherence.mpr,
        adherence.is_adherent,
        adherence.is_persistent,
        adherence.dispensing_count,
        case
            when adherence.is_eligible then null
            when adherence.dispensing_count < 2 then 'one_dispensing'
            else 'window_short'
        end as excl_code
    from {{ ref('drug_adherence') }} as adherence
    inner join person on adherence.person_id = person.person_id
    where adherence.year = {{ openchronic.build_year() }}
),

dialysis as (
    select distinct person_id
    from {{ ref('person_pathology') }}
    where
        year = {{ openchronic.build_year() }}
        and carto_version = 'G6-like'
        and top = 'top_RDialyse_ind'
),

palliative as (
    select distinct person_id
    from {{ ref('stay_diagnosis') }}
    where
        year = {{ openchronic.build_year() }}
        and substr(diagnosis_code, 1, 4) = 'Z515'
        and is_used_for_stays
        and person_id is not null
),

-- Drugs beside which adherence to a class says little.
beside as (
    select distinct
        person_id,
        case drug_class when 'insulin' then 'diabetes' else 'ras' end as drug_class,
        case drug_class when 'insulin' then 'insulin' else 'sacubitril' end as excl_code
    from adherence
    where drug_class in ('insulin', 'arni')
),

class_code as (
    {{ openchronic.drug_class_codes() }}
),

-- Days on which something against diabetes was dispensed, insulin or not, each once.
diabetes as (
    select
        dispensed.person_id,
        person.age_years
    from {{ ref('int_drug_day') }} as dispensed
    inner join class_code
        on dispensed.atc_class = class_code.atc_class
        and class_code.drug_class in ('diabetes', 'insulin')
    inner join person on dispensed.person_id = person.person_id
    where
        dispensed.dispensing_date
        between {{ openchronic.year_start() }} and {{ openchronic.year_end() }}
        and person.age_years between 40 and 75
    group by dispensed.person_id, person.age_years
    having count(distinct dispensed.dispensing_date) >= 2
),

measured as (
    {%- for measure, value in of_class %}
    select
        person_id,
        '{{ measure }}' as measure,
        concat('drug_', drug_class) as condition,
        {{ value }} as num,
        excl_code
    from adherence

    union all
    {% endfor %}
    select
        adherence.person_id,
        concat('adherent_', adherence.drug_class) as measure,
        'all' as condition,
        case when adherence.is_adherent then 1 else 0 end as num,
        case
            when dialysis.person_id is not null then 'dialysis'
            when palliative.person_id is not null then 'palliative'
            when beside.person_id is not null then beside.excl_code
            else adherence.excl_code
        end as excl_code
    from adherence
    left join dialysis on adherence.person_id = dialysis.person_id
    left join palliative on adherence.person_id = palliative.person_id
    left join beside
        on adherence.person_id = beside.person_id and adherence.drug_class = beside.drug_class
    where adherence.drug_class in ('diabetes', 'ras', 'statin') and adherence.age_years >= 18

    union all

    select
        diabetes.person_id,
        'statin_in_diabetes' as measure,
        'all' as condition,
        case when statin.person_id is not null then 1 else 0 end as num,
        case
            when dialysis.person_id is not null then 'dialysis'
            when palliative.person_id is not null then 'palliative'
        end as excl_code
    from diabetes
    left join dialysis on diabetes.person_id = dialysis.person_id
    left join palliative on diabetes.person_id = palliative.person_id
    left join adherence as statin
        on diabetes.person_id = statin.person_id and statin.drug_class = 'statin'
),

final as (
    select
        person_id,
        cast({{ openchronic.build_year() }} as integer) as year,
        measure,
        condition,
        '' as unit_id,
        cast(null as {{ dbt.type_string() }}) as finess,
        cast(case when excl_code is null then num else 0 end as double) as num,
        cast(case when excl_code is null then 1 else 0 end as double) as den,
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
