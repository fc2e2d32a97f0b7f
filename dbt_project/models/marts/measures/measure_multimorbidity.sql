{#
    Multimorbidity of the consumers of the year: groups of chronic diseases and Charlson's index, a
    person and measure.
    Rule: person_comorbidity, which holds the definitions: groups of chronic diseases of the
    cartographie-like version of the variable multimorbidity_version (`multimorbidity_2`,
    `multimorbidity_3`: at least 2 or 3; `chronic_groups_mean`: how many), Charlson's index of 1987
    without age by stays (`charlson_mean`) and by stays, ALD, drugs and acts in the manner of Bannay
    (`charlson_adapted_mean`). Who was not ill is in the mean, at 0. Source: indicators of
    multimorbidity, person_comorbidity. Anchor: year. Grain: one row a person and measure.
#}
{{ config(
    materialized='yearly',
    unique_key=['person_id', 'measure', 'condition', 'unit_id'],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

with person as (
    select
        person.person_id,
        coalesce(comorbidity.has_two_groups, false) as has_two_groups,
        coalesce(comorbidity.has_three_groups, false) as has_three_groups,
        coalesce(comorbidity.chronic_group_count, 0) as chronic_group_count,
        coalesce(comorbidity.charlson_1987, 0) as charlson_1987,
        coalesce(comorbidity.adapted_charlson_1987, 0) as adapted_charlson_1987,
        case when person.observed_days = 0 then 'not_observed' end as excl
    from {{ ref('person_year') }} as person
    left join {{ ref('person_comorbidity') }} as comorbidity
        on person.person_id = comorbidity.person_id
        and comorbidity.year = {{ openchronic.build_year() }}
    where person.year = {{ openchronic.build_year() }} and person.is_consumer
),

final as (
    {{ openchronic.measure_rows('person', [
        {'measure': 'multimorbidity_2', 'num': 'has_two_groups', 'excl': 'excl'},
        {'measure': 'multimorbidity_3', 'num': 'has_three_groups', 'excl': 'excl'},
        {'measure': 'chronic_groups_mean', 'value': 'chronic_group_count', 'excl': 'excl'},
        {'measure': 'charlson_mean', 'value': 'charlson_1987', 'excl': 'excl'},
        {'measure': 'charlson_adapted_mean', 'value': 'adapted_charlson_1987', 'excl': 'excl'},
    ]) }}
)

select * from final
