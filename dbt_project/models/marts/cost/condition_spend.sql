{#
    Spend and diseases, two questions under two names. `spend_of_patients_reimbursed`: what was
    reimbursed to the people who have a disease, whatever the care; people with several diseases
    count in each, so it does not add up. `spend_attributed_reimbursed`: each euro in one place, so
    that diseases, 'none' (care without a disease, and current care of those who have one) and
    'unlinked' (euros of nobody) add up to the total of each item and valuation scope, to the cent.
    Rule of attribution, top-down: (i) what people with one disease spend tells the mean of a
    disease, item by item; (ii) with several, an item is shared in proportion to those means, in
    equal parts where they are all 0; (iii) public acute stays go to the disease whose criterion
    their main diagnosis meets, shared equally among several; (iv) what is left is first cut by
    current care: the mean of people without a disease, of the same sex and age group; (v) nothing is
    rescaled, because 'none' holds the rest. The method is that of the CNAM (note of July 2021), its
    details are ours [A]. Diseases: the 56 tops of person_pathology, treatments without a disease
    and maternity included. Reimbursed = basic reimbursement and complements, deductibles deducted.
    Source: indicators 2.4. Anchor: care year. Grain: one row a version, disease, item and scope.
#}
{{ config(
    materialized='yearly',
    unique_key=['carto_version', 'top', 'item', 'valuation_scope'],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

{%- set euros = 'decimal(18, 2)' -%}
{%- set fine = 'decimal(28, 6)' %}

with version as (
    select distinct carto_version from {{ ref('ref_pathology') }} where is_published
),

spend as (
    select
        person_id,
        item,
        valuation_scope,
        cast(sum(reimbursed + coalesce(complement, 0)) as {{ euros }}) as amount
    from {{ ref('cost') }}
    where year = {{ openchronic.build_year() }}
    group by person_id, item, valuation_scope
),

disease as (
    select person_id, carto_version, top
    from {{ ref('person_pathology') }}
    where
        year = {{ openchronic.build_year() }}
        and left(top, 4) = 'top_'
        and right(top, 8) <> '_nnexclu'
),

disease_count as (
    select person_id, carto_version, count(*) as top_count
    from disease
    group by person_id, carto_version
),

spender as (
    select
        listed.person_id,
        version.carto_version,
        coalesce(disease_count.top_count, 0) as top_count,
        coalesce(int_person.sex, 'unknown') as sex,
        {{ openchronic.age_group('(' ~ openchronic.build_year() ~ ' - int_person.birth_year)') }} as age_group
    from (select distinct person_id from spend where person_id is not null) as listed
    cross join version
    left join {{ ref('int_person') }} as int_person on listed.person_id = int_person.person_id
    left join disease_count
        on listed.person_id = disease_count.person_id
        and version.carto_version = disease_count.carto_version
),

-- (iii) Public acute stays that the main diagnosis sends to a disease of the person.
stay as (
    select
        stay_id,
        person_id,
        main_diagnosis,
        cast(coalesce(total_amount, 0) as {{ euros }}) as amount
    from {{ ref('hospital_stay') }}
    where
        year = {{ openchronic.build_year() }}
        and field = 'mco'
        and valuation_method = 'VALO'
        and is_used_for_spending
        and person_id is not null
        and main_diagnosis is not null
),

code_listed as (
    select code_seen.main_diagnosis, listed.list_name
    from (select distinct main_diagnosis from stay) as code_seen
    inner join {{ ref('ref_code_list') }} as listed
        on listed.system = 'CIM10'
        and left(code_seen.main_diagnosis, length(listed.code_prefix)) = listed.code_prefix
    group by code_seen.main_diagnosis, listed.list_name
    having max(case when listed.is_excluded then 1 else 0 end) = 0
),

code_top as (
    select distinct
        code_listed.main_diagnosis,
        pathology.carto_version,
        pathology.top
    from code_listed
    inner join {{ ref('ref_pathology_fact') }} as fact
        on code_listed.list_name = fact.list_name
        and fact.source = 'stay'
        and fact.role = 'DP'
        and fact.part = 'main'
        and not fact.is_outside
    inner join {{ ref('ref_pathology_criterion') }} as asked
        on fact.fact = asked.fact and asked.window_to = 0
    inner join {{ ref('ref_pathology') }} as pathology on asked.rule = pathology.rule
),

stay_top as (
    select
        stay.stay_id,
        stay.person_id,
        disease.carto_version,
        disease.top,
        stay.amount,
        count(*) over (partition by stay.stay_id, disease.carto_version) as top_count
    from stay
    inner join code_top on stay.main_diagnosis = code_top.main_diagnosis
    inner join disease
        on stay.person_id = disease.person_id
        and code_top.carto_version = disease.carto_version
        and code_top.top = disease.top
),

directed as (
    select
        person_id,
        carto_version,
        top,
        sum(cast(amount / cast(top_count as double) as {{ fine }})) as amount
    from stay_top
    group by person_id, carto_version, top
),

directed_person as (
    select person_id, carto_version, sum(amount) as amount
    from directed
    group by person_id, carto_version
),

-- What is left of each person's item once its stays are directed.
left_over as (
    select
        spender.person_id,
        spender.carto_version,
        spender.top_count,
        spender.sex,
        spender.age_group,
        spend.item,
        spend.valuation_scope,
        spend.amount,
        cast(
            spend.amount - case
                when spend.item = 'public_mco_stay' and spend.valuation_scope = 'VALO'
                    then coalesce(directed_person.amount, 0)
                else 0
            end as {{ fine }}
        ) as amount_left
    from spend
    inner join spender on spend.person_id = spender.person_id
    left join directed_person
        on spender.person_id = directed_person.person_id
        and spender.carto_version = directed_person.carto_version
),

-- (iv) Means of people without a disease, those who spent nothing on the item included.
healthy as (
    select carto_version, sex, age_group, count(*) as person_count
    from spender
    where top_count = 0
    group by carto_version, sex, age_group
),

current_care as (
    select
        left_over.carto_version,
        left_over.sex,
        left_over.age_group,
        left_over.item,
        left_over.valuation_scope,
        cast(
            greatest(cast(sum(left_over.amount) as double) / max(healthy.person_count), 0)
            as {{ fine }}
        ) as mean_amount
    from left_over
    inner join healthy
        on left_over.carto_version = healthy.carto_version
        and left_over.sex = healthy.sex
        and left_over.age_group = healthy.age_group
    where left_over.top_count = 0
    group by
        left_over.carto_version, left_over.sex, left_over.age_group, left_over.item,
        left_over.valuation_scope
),

-- (i) Means of people with one disease.
single as (
    select spender.person_id, spender.carto_version, disease.top
    from spender
    inner join disease
        on spender.person_id = disease.person_id and spender.carto_version = disease.carto_version
    where spender.top_count = 1
),

single_count as (
    select carto_version, top, count(*) as person_count
    from single
    group by carto_version, top
),

typical as (
    select
        single.carto_version,
        single.top,
        left_over.item,
        left_over.valuation_scope,
        cast(
            greatest(cast(sum(left_over.amount) as double) / max(single_count.person_count), 0)
            as {{ fine }}
        ) as mean_amount
    from single
    inner join left_over
        on single.person_id = left_over.person_id
        and single.carto_version = left_over.carto_version
    inner join single_count
        on single.carto_version = single_count.carto_version and single.top = single_count.top
    group by single.carto_version, single.top, left_over.item, left_over.valuation_scope
),

cut as (
    select
        left_over.*,
        case
            when left_over.amount_left > 0
                then left_over.amount_left
                    - least(left_over.amount_left, coalesce(current_care.mean_amount, 0))
            else left_over.amount_left
        end as amount_to_share
    from left_over
    left join current_care
        on left_over.carto_version = current_care.carto_version
        and left_over.sex = current_care.sex
        and left_over.age_group = current_care.age_group
        and left_over.item = current_care.item
        and left_over.valuation_scope = current_care.valuation_scope
    where left_over.top_count > 0
),

-- (ii) Each disease's weight in a person's item.
weighed as (
    select
        cut.person_id,
        cut.carto_version,
        disease.top,
        cut.item,
        cut.valuation_scope,
        cut.amount,
        cut.amount_to_share,
        cut.top_count,
        coalesce(typical.mean_amount, 0) as weight,
        sum(coalesce(typical.mean_amount, 0)) over (
            partition by cut.person_id, cut.carto_version, cut.item, cut.valuation_scope
        ) as weights
    from cut
    inner join disease
        on cut.person_id = disease.person_id and cut.carto_version = disease.carto_version
    left join typical
        on cut.carto_version = typical.carto_version
        and disease.top = typical.top
        and cut.item = typical.item
        and cut.valuation_scope = typical.valuation_scope
),

shared as (
    select
        person_id,
        carto_version,
        top,
        item,
        valuation_scope,
        amount,
        cast(
            cast(amount_to_share as double) * case
                when top_count = 1 then 1
                when weights > 0 then cast(weight as double) / cast(weights as double)
                else cast(1 as double) / top_count
            end as {{ fine }}
        ) as attributed
    from weighed
),

of_disease as (
    select
        shared.carto_version,
        shared.top,
        shared.item,
        shared.valuation_scope,
        count(*) as person_count,
        sum(shared.amount) as of_patients,
        cast(
            round(
                sum(shared.attributed)
                + sum(
                    case
                        when shared.item = 'public_mco_stay' and shared.valuation_scope = 'VALO'
                            then coalesce(directed.amount, 0)
                        else 0
                    end
                ),
                2
            ) as {{ euros }}
        ) as attributed
    from shared
    left join directed
        on shared.person_id = directed.person_id
        and shared.carto_version = directed.carto_version
        and shared.top = directed.top
    group by shared.carto_version, shared.top, shared.item, shared.valuation_scope
),

whole as (
    select
        version.carto_version,
        spend.item,
        spend.valuation_scope,
        sum(spend.amount) as amount,
        sum(case when spend.person_id is null then spend.amount else 0 end) as unlinked
    from spend
    cross join version
    group by version.carto_version, spend.item, spend.valuation_scope
),

without_disease as (
    select carto_version, item, valuation_scope, count(*) as person_count, sum(amount) as amount
    from left_over
    where top_count = 0
    group by carto_version, item, valuation_scope
),

attributed_whole as (
    select carto_version, item, valuation_scope, sum(attributed) as attributed
    from of_disease
    group by carto_version, item, valuation_scope
),

every_row as (
    select carto_version, top, item, valuation_scope, person_count, of_patients, attributed
    from of_disease

    union all

    select
        whole.carto_version,
        'none' as top,
        whole.item,
        whole.valuation_scope,
        coalesce(without_disease.person_count, 0) as person_count,
        coalesce(without_disease.amount, 0) as of_patients,
        whole.amount - whole.unlinked - coalesce(attributed_whole.attributed, 0) as attributed
    from whole
    left join without_disease
        on whole.carto_version = without_disease.carto_version
        and whole.item = without_disease.item
        and whole.valuation_scope = without_disease.valuation_scope
    left join attributed_whole
        on whole.carto_version = attributed_whole.carto_version
        and whole.item = attributed_whole.item
        and whole.valuation_scope = attributed_whole.valuation_scope

    union all

    select
        carto_version,
        'unlinked' as top,
        item,
        valuation_scope,
        cast(0 as bigint) as person_count,
        cast(null as {{ euros }}) as of_patients,
        unlinked as attributed
    from whole
    where unlinked <> 0
),

final as (
    select
        cast({{ openchronic.build_year() }} as integer) as year,
        carto_version,
        top,
        item,
        valuation_scope,
        cast(person_count as bigint) as person_count,
        cast(of_patients as {{ euros }}) as spend_of_patients_reimbursed,
        cast(attributed as {{ euros }}) as spend_attributed_reimbursed
    from every_row
)

select * from final
