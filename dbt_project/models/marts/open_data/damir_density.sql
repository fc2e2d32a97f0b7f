{#
    Doctors and visits by region and year: what Open DAMIR and the user's population files say.
    Rule: the 13 regions of Open DAMIR, all of them every year; what cannot be said is NULL and
    `absent_reason` tells the first that lacks: no_damir (no line of a resident), no_population,
    no_insured_population, no_professionals. GP visits: acts (PRS_ACT_NBR, types of reimbursement 0 and
    1) of the natures of ref_damir_visit performed by a GP (specialty 1, 22, 23), by region of
    residence; FLT_ACT_NBR and PRS_ACT_QTE beside as a cross-check. Densities are doctors of the
    region for 100,000 residents (1 January), else insured people (31 December): `density_population`.
    `gp_density_reached` weighs the densities of the regions where residents' visits were made.
    Standardised visits: those of each age and sex a head, weighted by the insured people of all
    regions; visits whose age or sex is unknown are out of them; NULL where the file has no ages.
    Source: indicators 3.6 Q2, domain decisions 6 and 10. Anchor: year of care.
    Grain: one row a region and year.
#}
{{ config(
    materialized='yearly',
    unique_key=['region'],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

with line as (
    select
        damir.region,
        damir.performer_region,
        damir.age_code,
        damir.sex_code,
        damir.care_month,
        coalesce(damir.spend_amount, 0) as spend,
        coalesce(damir.basic_reimbursed_amount, 0) + coalesce(damir.supplement_amount, 0) as reimbursed,
        coalesce(damir.counted_act_count, 0) as acts,
        coalesce(damir.counted_quantity, 0) as quantity,
        case when damir.is_supplement then 0 else coalesce(damir.filtered_act_count, 0) end
            as filtered_acts,
        case
            when visit.kind = 'gp_visit' and damir.performer_specialty in (1, 22, 23) then 'gp_visit'
            when visit.kind = 'emergency' then 'emergency'
        end as visit_kind,
        {{ openchronic.performer_group('damir.performer_specialty', 'damir.performer_activity') }}
            = 'specialist' as is_specialist,
        coalesce(damir.counted_overrun_amount, 0) as overrun,
        coalesce(damir.counted_base_amount, 0) as base
    from {{ ref('int_damir_line') }} as damir
    left join {{ ref('ref_damir_visit') }} as visit
        on damir.prestation_code = visit.prestation_code
    where damir.year = {{ openchronic.build_year() }}
),

spent as (
    select
        region,
        count(distinct care_month) as care_months,
        sum(spend) as spend,
        sum(spend - reimbursed) as patient,
        sum(case when is_specialist then overrun else 0 end) as specialist_overrun,
        sum(case when is_specialist then base else 0 end) as specialist_base,
        sum(case when visit_kind = 'gp_visit' then acts else 0 end) as gp_visits,
        sum(case when visit_kind = 'gp_visit' then filtered_acts else 0 end) as gp_visits_filtered,
        sum(case when visit_kind = 'gp_visit' then quantity else 0 end) as gp_visit_quantity,
        sum(case when visit_kind = 'emergency' then acts else 0 end) as emergency_visits
    from line
    where region is not null
    group by region
),

flow as (
    select region, performer_region, sum(acts) as visits
    from line
    where visit_kind = 'gp_visit'
    group by region, performer_region
),

-- Of the rows of a profession, the total over ages and sexes where there is one, else the parts.
professional_named as (
    select
        profession.kind,
        profession.preference,
        ref_department.department,
        ref_department.region,
        raw.professional_count,
        case when coalesce(lower(trim(raw.age_class)), 'tout_age') = 'tout_age' then 0 else 1 end
            as is_age_part,
        case when coalesce(lower(trim(raw.sex_label)), 'tout sexe') = 'tout sexe' then 0 else 1 end
            as is_sex_part
    from {{ ref('stg_open__professionals') }} as raw
    inner join {{ ref('ref_damir_profession') }} as profession
        on left(lower(trim(raw.profession)), length(profession.profession_prefix))
        = profession.profession_prefix
    inner join {{ ref('ref_department') }} as ref_department
        on case
            when length(trim(raw.department)) = 1 then concat('0', trim(raw.department))
            else upper(trim(raw.department))
        end = ref_department.department
    where
        raw.professional_year = {{ openchronic.build_year() }}
        and raw.professional_count >= 0
),

professional_ranked as (
    select
        *,
        min(preference) over (partition by kind, department) as best_preference,
        min(is_age_part) over (partition by kind, preference, department) as best_age,
        min(is_sex_part) over (partition by kind, preference, department) as best_sex
    from professional_named
),

professional as (
    select
        {{ openchronic.damir_region('region') }} as region,
        sum(case when kind = 'gp' then professional_count end) as gps,
        sum(case when kind = 'specialist' then professional_count end) as specialists,
        count(distinct department) as departments
    from professional_ranked
    where
        preference = best_preference and is_age_part = best_age and is_sex_part = best_sex
    group by {{ openchronic.damir_region('region') }}
),

population_cell as (
    select
        denominator_type,
        {{ openchronic.damir_region('region') }} as region,
        place_code as department,
        case
            when age_group = 'unknown' then null
            when cast(left(age_group, 2) as integer) < 20 then 0
            when cast(left(age_group, 2) as integer) >= 80 then 80
            else cast(left(age_group, 2) as integer) - cast(left(age_group, 2) as integer) % 10
        end as age_code,
        case sex when '1' then 1 when '2' then 2 end as sex_code,
        population
    from {{ ref('int_indicator_population') }}
    where
        year = {{ openchronic.build_year() }}
        and denominator_type in ('resident_population', 'insured_population')
        and condition = 'all'
        and place_level = 'department'
),

population as (
    select
        region,
        sum(case when denominator_type = 'resident_population' then population end) as residents,
        sum(case when denominator_type = 'insured_population' then population end) as insured,
        count(distinct case when denominator_type = 'insured_population' then department end)
            as insured_departments
    from population_cell
    group by region
),

insured_of_age as (
    select region, age_code, sex_code, sum(population) as insured
    from population_cell
    where denominator_type = 'insured_population' and age_code is not null and sex_code is not null
    group by region, age_code, sex_code
    having sum(population) > 0
),

weight_of_age as (
    select age_code, sex_code, sum(insured) as insured
    from insured_of_age
    group by age_code, sex_code
),

visits_of_age as (
    select region, age_code, sex_code, sum(acts) as visits
    from line
    where visit_kind = 'gp_visit' and age_code is not null and sex_code is not null
    group by region, age_code, sex_code
),

-- A region that lacks an age that others have cannot be compared with them.
standardised as (
    select
        insured_of_age.region,
        cast({{ openchronic.exact_part(
            'cast(weight_of_age.insured as double)'
            ~ ' * cast(coalesce(visits_of_age.visits, 0) as double)'
            ~ ' / cast(insured_of_age.insured as double)'
        ) }} as double) / cast(sum(weight_of_age.insured) as double) as visits
    from insured_of_age
    inner join weight_of_age
        on insured_of_age.age_code = weight_of_age.age_code
        and insured_of_age.sex_code = weight_of_age.sex_code
    left join visits_of_age
        on insured_of_age.region = visits_of_age.region
        and insured_of_age.age_code = visits_of_age.age_code
        and insured_of_age.sex_code = visits_of_age.sex_code
    group by insured_of_age.region
    having count(*) = (select count(*) from weight_of_age)
),

-- Where no line at all is an emergency fee, the source does not tell: absent, not zero.
emergency_told as (
    select count(*) as line_count from line where visit_kind = 'emergency'
),

joined as (
    select
        region.region,
        spent.region is not null as has_damir,
        spent.care_months,
        spent.spend,
        spent.patient,
        spent.specialist_overrun,
        spent.specialist_base,
        spent.gp_visits,
        spent.gp_visits_filtered,
        spent.gp_visit_quantity,
        case when emergency_told.line_count > 0 then spent.emergency_visits end as emergency_visits,
        professional.gps,
        professional.specialists,
        professional.departments as professional_departments,
        population.residents,
        population.insured,
        population.insured_departments,
        case
            when population.residents > 0 then population.residents
            when population.insured > 0 then population.insured
        end as inhabitants,
        case
            when population.residents > 0 then 'resident_population'
            when population.insured > 0 then 'insured_population'
        end as density_population,
        standardised.visits as standardised_visits
    from {{ ref('ref_damir_region') }} as region
    cross join emergency_told
    left join spent on region.region = spent.region
    left join professional on region.region = professional.region
    left join population on region.region = population.region
    left join standardised on region.region = standardised.region and spent.region is not null
),

dense as (
    select
        *,
        {{ openchronic.rate_of('gps', 'inhabitants', 100000) }} as gp_density,
        {{ openchronic.rate_of('specialists', 'inhabitants', 100000) }} as specialist_density
    from joined
),

reached as (
    select
        flow.region,
        sum(flow.visits) as visits,
        sum(case when flow.performer_region = flow.region then 0 else flow.visits end)
            as visits_outside,
        cast({{ openchronic.exact_part('cast(flow.visits as double) * performer.gp_density') }} as double)
        / cast(sum(case when performer.gp_density is not null then flow.visits end) as double)
            as gp_density
    from flow
    inner join dense as performer on flow.performer_region = performer.region
    where flow.visits > 0
    group by flow.region
),

performed as (
    select performer_region as region, sum(visits) as visits
    from flow
    where performer_region is not null
    group by performer_region
),

final as (
    select
        cast({{ openchronic.build_year() }} as integer) as year,
        dense.region,
        cast(dense.gps as bigint) as gp_count,
        cast(dense.specialists as bigint) as specialist_count,
        cast(coalesce(dense.professional_departments, 0) as integer) as professional_departments,
        cast(dense.residents as decimal(18, 2)) as resident_count,
        cast(dense.insured as decimal(18, 2)) as insured_count,
        cast(coalesce(dense.insured_departments, 0) as integer) as insured_departments,
        dense.density_population,
        dense.gp_density,
        dense.specialist_density,
        reached.gp_density as gp_density_reached,
        cast(dense.care_months as integer) as care_months,
        cast(dense.gp_visits as decimal(18, 2)) as gp_visits,
        cast(dense.gp_visits_filtered as decimal(18, 2)) as gp_visits_filtered,
        cast(dense.gp_visit_quantity as decimal(18, 2)) as gp_visit_quantity,
        cast(performed.visits as decimal(18, 2)) as gp_visits_performed,
        {{ openchronic.rate_of('reached.visits_outside', 'reached.visits') }} as outside_share,
        {{ openchronic.rate_of('dense.gp_visits', 'dense.insured') }} as gp_visits_per_insured,
        cast(dense.standardised_visits as double) as gp_visits_per_insured_standardised,
        cast(dense.emergency_visits as decimal(18, 2)) as emergency_visits,
        {{ openchronic.rate_of('dense.emergency_visits', 'dense.insured') }}
            as emergency_visits_per_insured,
        cast(dense.specialist_overrun as decimal(18, 2)) as specialist_overrun_amount,
        {{ openchronic.rate_of('dense.specialist_overrun', 'dense.specialist_base') }}
            as specialist_overrun_rate,
        cast(dense.spend as decimal(18, 2)) as spend_amount,
        {{ openchronic.rate_of('dense.spend', 'dense.insured') }} as spend_per_insured,
        {{ openchronic.rate_of('dense.patient', 'dense.insured') }} as patient_per_insured,
        case
            when not dense.has_damir then 'no_damir'
            when dense.inhabitants is null then 'no_population'
            when not coalesce(dense.insured > 0, false) then 'no_insured_population'
            when dense.gps is null then 'no_professionals'
        end as absent_reason
    from dense
    left join reached on dense.region = reached.region
    left join performed on dense.region = performed.region
)

select * from final
