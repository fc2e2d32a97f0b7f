{#
    Prevalence of each ALD among consumers of the year.
    Rule: numerator, consumers with an episode in force at least one day of the year
    (`definition` = 'period') or alive and with one on 31 December ('december_31'); denominator,
    consumers of the year; Wilson 95 % interval. Number 0 is "at least one ALD", each person once,
    unresolved numbers (99) included. What is not known of a person makes its own cell ('unknown'),
    so cells add up to all consumers. Cells without consumers are absent.
    Age: years reached in the year. Source: indicators 1.5 and 4.1, domain decision 6.
    Grain: one row a year, definition, ALD number, department, sex and age group.
#}
{{ config(
    materialized='yearly',
    unique_key=['definition', 'ald_num', 'department', 'sex', 'age_group'],
    meta={
        'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true,
        'population_scope': 'consumers'
    }
) }}

with consumer as (
    select
        int_consumer.person_id,
        coalesce(int_person.department, 'unknown') as department,
        coalesce(int_person.sex, 'unknown') as sex,
        {{ openchronic.build_year() }} - int_person.birth_year as age,
        int_death.death_date
    from {{ ref('int_consumer') }} as int_consumer
    inner join {{ ref('int_person') }} as int_person
        on int_consumer.person_id = int_person.person_id
    left join {{ ref('int_death') }} as int_death
        on int_consumer.person_id = int_death.person_id
    where int_consumer.year = {{ openchronic.build_year() }}
),

grouped as (
    select
        person_id,
        department,
        sex,
        {{ openchronic.age_group('age') }} as age_group,
        death_date is null or death_date > {{ openchronic.year_end() }} as is_alive_at_end
    from consumer
),

holder as (
    select distinct
        person_id,
        ald_num,
        end_date is null or end_date >= {{ openchronic.year_end() }} as is_in_force_at_end
    from {{ ref('ald_episode') }}
    where
        start_date <= {{ openchronic.year_end() }}
        and (end_date is null or end_date >= {{ openchronic.year_start() }})
),

holder_of_number as (
    select person_id, ald_num, is_in_force_at_end
    from holder
    where ald_num between 1 and 32

    union all

    select person_id, 0 as ald_num, is_in_force_at_end
    from holder
),

held as (
    select
        person_id,
        ald_num,
        max(case when is_in_force_at_end then 1 else 0 end) as in_force_at_end
    from holder_of_number
    group by person_id, ald_num
),

counted as (
    select
        held.ald_num,
        grouped.department,
        grouped.sex,
        grouped.age_group,
        cast(count(*) as bigint) as of_period,
        cast(sum(
            case when held.in_force_at_end = 1 and grouped.is_alive_at_end then 1 else 0 end
        ) as bigint) as of_december_31
    from held
    inner join grouped on held.person_id = grouped.person_id
    group by held.ald_num, grouped.department, grouped.sex, grouped.age_group
),

cell as (
    select department, sex, age_group, cast(count(*) as bigint) as denominator
    from grouped
    group by department, sex, age_group
),

number_listed as (
    select ald_num from {{ ref('ref_ald') }} where ald_num between 0 and 32
),

definition_listed as (
    select 'period' as definition
    union all
    select 'december_31' as definition
),

dense as (
    select
        definition_listed.definition,
        cast(number_listed.ald_num as integer) as ald_num,
        cell.department,
        cell.sex,
        cell.age_group,
        coalesce(
            case
                when definition_listed.definition = 'period' then counted.of_period
                else counted.of_december_31
            end,
            0
        ) as numerator,
        cell.denominator
    from cell
    cross join number_listed
    cross join definition_listed
    left join counted
        on number_listed.ald_num = counted.ald_num
        and cell.department = counted.department
        and cell.sex = counted.sex
        and cell.age_group = counted.age_group
),

final as (
    select
        cast({{ openchronic.build_year() }} as integer) as year,
        definition,
        ald_num,
        department,
        sex,
        age_group,
        numerator,
        denominator,
        'consumers' as denominator_type,
        cast(numerator as double) / cast(denominator as double) as value,
        {{ openchronic.wilson('numerator', 'denominator', 'low') }} as ci_low,
        {{ openchronic.wilson('numerator', 'denominator', 'high') }} as ci_high,
        'wilson' as ci_method
    from dense
)

select * from final
