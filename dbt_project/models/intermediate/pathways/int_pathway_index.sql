{#
    The event from which a person's pathway is told, by pathway of the registry ref_pathway: the
    first stay with such a main diagnosis, the first start of an ALD, the first dispensing of a drug
    class.
    Rule: the first known, in all years. `reference_date` is when the person is home again:
    discharge of a stay, else the day itself. Data run from the first to the last month of flux;
    `is_incident` when the data show the 365 days before (washout [A]; an ALD start is dated by its
    register and needs none) and the event itself. Source: indicators of pathways.
    Grain: one row a person and pathway.
#}
{{ config(
    materialized='history',
    unique_key=['person_id', 'pathway'],
    meta={'kind': 'history', 'look_back': 'all', 'look_ahead': 'all', 'reads_referentials': true}
) }}

with class_code as (
    {{ openchronic.drug_class_codes() }}
),

data_bounds as (
    select
        min(known_at) as data_start,
        last_day(max(known_at)) as data_end
    from {{ ref('care_event') }}
),

-- Codes by pathway, as long as a dictionary.
stay_code as (
    select distinct
        ref_pathway.pathway,
        listed.diagnosis_code
    from (
        select distinct diagnosis_code
        from {{ ref('stay_diagnosis') }}
        where field = 'mco' and role = 'DP'
    ) as listed
    inner join {{ ref('ref_pathway') }} as ref_pathway
        on ref_pathway.kind = 'stay'
        and substr(listed.diagnosis_code, 1, length(ref_pathway.code)) = ref_pathway.code
),

stay as (
    select
        stay.person_id,
        stay_code.pathway,
        stay.entry_date as index_date,
        stay.discharge_date as reference_date,
        stay.stay_id as index_event_id
    from {{ ref('stay_diagnosis') }} as diagnosis
    inner join stay_code on diagnosis.diagnosis_code = stay_code.diagnosis_code
    inner join {{ ref('hospital_stay') }} as stay
        on diagnosis.stay_id = stay.stay_id and diagnosis.year = stay.year
    where
        diagnosis.field = 'mco'
        and diagnosis.role = 'DP'
        and stay.person_id is not null
        and stay.entry_date <= stay.discharge_date
        and stay.is_used_for_stays
        and stay.is_used_for_persons
),

ald as (
    select
        ald.person_id,
        ref_pathway.pathway,
        ald.start_date as index_date,
        ald.start_date as reference_date,
        cast(null as {{ dbt.type_string() }}) as index_event_id
    from {{ ref('ald_episode') }} as ald
    inner join {{ ref('ref_pathway') }} as ref_pathway
        on ref_pathway.kind = 'ald'
        and cast(ald.ald_num as {{ dbt.type_string() }}) = ref_pathway.code
),

drug as (
    select
        dispensed.person_id,
        ref_pathway.pathway,
        dispensed.dispensing_date as index_date,
        dispensed.dispensing_date as reference_date,
        cast(null as {{ dbt.type_string() }}) as index_event_id
    from {{ ref('int_drug_day') }} as dispensed
    inner join class_code on dispensed.atc_class = class_code.atc_class
    inner join {{ ref('ref_pathway') }} as ref_pathway
        on ref_pathway.kind = 'drug_class' and class_code.drug_class = ref_pathway.code
),

candidate as (
    select * from stay
    union all
    select * from ald
    union all
    select * from drug
),

ranked as (
    select
        *,
        row_number() over (
            partition by person_id, pathway
            order by index_date asc, reference_date asc, index_event_id asc nulls first
        ) as place
    from candidate
),

final as (
    select
        ranked.person_id,
        ranked.pathway,
        ranked.index_date,
        ranked.reference_date,
        ranked.index_event_id,
        person.death_date,
        data_bounds.data_start,
        data_bounds.data_end,
        coalesce(
            ranked.index_date <= data_bounds.data_end
            and {{ openchronic.days_between('data_bounds.data_start', 'ranked.index_date') }}
            >= kinds.washout_days,
            false
        ) as is_incident
    from ranked
    cross join data_bounds
    inner join (
        select distinct
            pathway,
            case when kind = 'ald' then 0 else {{ openchronic.pathway_parameter('washout_days') }} end
                as washout_days
        from {{ ref('ref_pathway') }}
    ) as kinds
        on ranked.pathway = kinds.pathway
    left join {{ ref('person') }} as person on ranked.person_id = person.person_id
    where ranked.place = 1
)

select * from final
