{#
    Pairs of groups of chronic diseases: how many consumers hold both, against how many would if one
    did not go with the other.
    Rule: groups as in person_comorbidity (chronic tops of the cartographie-like version of the
    variable multimorbidity_version), consumers of the year. Expected: the product of both shares;
    `expected_age_sex`: the same within each age group and sex, summed, for what two diseases of old
    age owe to age. Lift = observed / expected; NULL where nothing is expected. Pairs in the order of
    the names. Source: indicators of multimorbidity. Anchor: year.
    Grain: one row a pair of groups held by somebody.
#}
{{ config(
    materialized='yearly',
    unique_key=['group_a', 'group_b'],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

with person as (
    select person_id, age_group, coalesce(sex, 'unknown') as sex
    from {{ ref('person_year') }}
    where year = {{ openchronic.build_year() }} and is_consumer
),

held as (
    select distinct pathology.person_id, pathology.super_group, person.age_group, person.sex
    from {{ ref('person_pathology') }} as pathology
    inner join person on pathology.person_id = person.person_id
    where
        pathology.year = {{ openchronic.build_year() }}
        and pathology.is_chronic
        and pathology.super_group is not null
        and pathology.carto_version = '{{ var("multimorbidity_version", "G6-like") }}'
),

stratum as (
    select age_group, sex, count(*) as person_count
    from person
    group by age_group, sex
),

held_stratum as (
    select super_group, age_group, sex, count(*) as person_count
    from held
    group by super_group, age_group, sex
),

total as (
    select count(*) as person_count from person
),

held_total as (
    select super_group, sum(person_count) as person_count
    from held_stratum
    group by super_group
),

both_held as (
    select one.super_group as group_a, other.super_group as group_b, count(*) as observed
    from held as one
    inner join held as other
        on one.person_id = other.person_id and one.super_group < other.super_group
    group by one.super_group, other.super_group
),

expected_stratum as (
    select
        one.super_group as group_a,
        other.super_group as group_b,
        sum(
            cast(one.person_count as double) * cast(other.person_count as double)
            / cast(stratum.person_count as double)
        ) as expected
    from held_stratum as one
    inner join held_stratum as other
        on one.age_group = other.age_group
        and one.sex = other.sex
        and one.super_group < other.super_group
    inner join stratum on one.age_group = stratum.age_group and one.sex = stratum.sex
    group by one.super_group, other.super_group
),

pair as (
    select
        one.super_group as group_a,
        other.super_group as group_b,
        one.person_count as count_a,
        other.person_count as count_b,
        total.person_count,
        coalesce(both_held.observed, 0) as observed,
        cast(one.person_count as double) * cast(other.person_count as double)
        / cast(total.person_count as double) as expected,
        coalesce(expected_stratum.expected, cast(0 as double)) as expected_age_sex
    from held_total as one
    inner join held_total as other on one.super_group < other.super_group
    cross join total
    left join both_held
        on one.super_group = both_held.group_a and other.super_group = both_held.group_b
    left join expected_stratum
        on one.super_group = expected_stratum.group_a and other.super_group = expected_stratum.group_b
),

final as (
    select
        cast({{ openchronic.build_year() }} as integer) as year,
        group_a,
        group_b,
        cast(person_count as bigint) as person_count,
        cast(count_a as bigint) as count_a,
        cast(count_b as bigint) as count_b,
        cast(observed as bigint) as observed,
        expected,
        cast(observed as double) / expected as lift,
        expected_age_sex,
        case when expected_age_sex > 0 then cast(observed as double) / expected_age_sex end
            as lift_age_sex
    from pair
)

select * from final
