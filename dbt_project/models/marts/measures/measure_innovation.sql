{#
    Uptake of innovative treatments, person by person; `condition` is treatment_<treatment>.
    Rule: `innovation_users`, whoever was given the treatment in the year, among a population counted
    apart; `innovation_eligible`, the same among people with a disease that the treatment is for
    (ref_innovation_eligible, pathologies of the year): a share of the sick, not of a label's
    indication. Who is given it without that disease is in the first alone.
    Source: families of indicators 4; classes and diseases ours [A] (ref_innovation,
    ref_innovation_eligible). Anchor: year of dispensing. Grain: one row a person, measure, treatment.
#}
{{ config(
    materialized='yearly',
    unique_key=['person_id', 'measure', 'condition', 'unit_id'],
    meta={
        'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true,
        'population_scope': 'referential'
    }
) }}

with person as (
    select person_id
    from {{ ref('person_year') }}
    where year = {{ openchronic.build_year() }}
),

given as (
    select used.person_id, used.treatment
    from {{ ref('int_innovation_use') }} as used
    inner join person on used.person_id = person.person_id
    where used.year = {{ openchronic.build_year() }}
),

eligible as (
    select distinct
        pathology.person_id,
        listed.treatment
    from {{ ref('person_pathology') }} as pathology
    inner join {{ ref('ref_innovation_eligible') }} as listed on pathology.top = listed.top
    inner join person on pathology.person_id = person.person_id
    where
        pathology.year = {{ openchronic.build_year() }}
        and pathology.carto_version = 'G6-like'
),

measured as (
    select
        person_id,
        treatment,
        'innovation_users' as measure,
        1 as num,
        cast(null as integer) as den
    from given

    union all

    select
        eligible.person_id,
        eligible.treatment,
        'innovation_eligible' as measure,
        case when given.person_id is not null then 1 else 0 end as num,
        1 as den
    from eligible
    left join given
        on eligible.person_id = given.person_id and eligible.treatment = given.treatment
),

final as (
    select
        person_id,
        cast({{ openchronic.build_year() }} as integer) as year,
        measure,
        concat('treatment_', treatment) as condition,
        '' as unit_id,
        cast(null as {{ dbt.type_string() }}) as finess,
        cast(num as double) as num,
        cast(den as double) as den,
        cast(null as {{ dbt.type_string() }}) as excl_code
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
