{#
    Everybody known, year by year: who they are, where they live, whether they consume, and for how
    many days the deliveries can see them.
    Rule: one row for each person of the referential alive at least one day of the year as far as
    dates tell, and for whoever received care in it whatever the dates say (flagged, never dropped).
    Residence and scheme are those of the last care of the year, else of the referential, which is a
    picture of today: `residence_source` says which. Consumers are those of int_consumer.
    Days observed run from 1 January or birth to 31 December or death. The DCIR holds no period of
    affiliation, so presence is known by the year: `presence` says what tells it (care or a stay of the
    year, an ALD begun by its end, insertion into the referential by its end), or that only the dates
    allow it ('assumed'); nobody is observed in a year before all that is known of them. Who left the
    country does not show. A death after the year is not told. Not a denominator by itself.
    Source: domain decisions 6, 7 and 17, indicators 4.0. Grain: one row a person and year.
#}
{{ config(
    materialized='yearly',
    unique_key=['person_id'],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

with stay as (
    select
        person_id,
        min(entry_date) as first_stay_date,
        max(entry_date) as last_stay_date
    from {{ ref('hospital_stay') }}
    where year = {{ openchronic.build_year() }} and person_id is not null
    group by person_id
),

ald as (
    select person_id, min(year(start_date)) as first_ald_year
    from {{ ref('int_ald_exemption') }}
    where person_id is not null and start_date is not null
    group by person_id
),

-- Of several editions, the newest that the year had, else the oldest.
deprivation_ranked as (
    select
        upper(trim(area_code)) as area_code,
        quintile,
        row_number() over (
            partition by upper(trim(area_code))
            order by
                case when coalesce(index_year, 0) <= {{ openchronic.build_year() }} then 0 else 1 end,
                case
                    when coalesce(index_year, 0) <= {{ openchronic.build_year() }} then -coalesce(index_year, 0)
                    else index_year
                end,
                quintile asc,
                source_file asc,
                source_line asc
        ) as place
    from {{ ref('stg_open__deprivation') }}
    where quintile between 1 and 5
),

deprivation as (
    select area_code, quintile from deprivation_ranked where place = 1
),

known as (
    select
        int_person.person_id,
        int_person.sex,
        int_person.birth_year,
        case
            when int_person.birth_year is not null
                then make_date(int_person.birth_year, coalesce(int_person.birth_month, 1), 1)
        end as birth_date,
        case when residence.department is not null then residence.department else int_person.department end
            as department,
        case when residence.department is not null then residence.commune else int_person.commune end
            as commune,
        case
            when residence.department is not null then 'care'
            when int_person.department is not null then 'referential'
        end as residence_source,
        residence.department_first,
        case when residence.department is not null then residence.department_count > 1 end as has_moved,
        coalesce(residence.scheme, int_person.scheme) as scheme,
        consumer.person_id is not null as is_consumer,
        coalesce(consumer.has_stay, false) as has_stay,
        -- The first and the last day of care, lines and stays together.
        least(
            coalesce(residence.first_care_date, stay.first_stay_date),
            coalesce(stay.first_stay_date, residence.first_care_date)
        ) as first_care_date,
        greatest(
            coalesce(residence.last_care_date, stay.last_stay_date),
            coalesce(stay.last_stay_date, residence.last_care_date)
        ) as last_care_date,
        case
            when
                residence.person_id is not null
                or stay.person_id is not null
                or consumer.person_id is not null
                then 'care'
            when ald.first_ald_year <= {{ openchronic.build_year() }} then 'ald'
            when year(int_person.known_since) <= {{ openchronic.build_year() }} then 'referential'
            when int_person.known_since is null then 'assumed'
            else 'not_yet_known'
        end as presence,
        death.death_date,
        death.death_source,
        death.death_cause
    from {{ ref('int_person') }} as int_person
    left join {{ ref('int_residence_year') }} as residence
        on int_person.person_id = residence.person_id
        and residence.year = {{ openchronic.build_year() }}
    left join {{ ref('int_consumer') }} as consumer
        on int_person.person_id = consumer.person_id
        and consumer.year = {{ openchronic.build_year() }}
    left join stay on int_person.person_id = stay.person_id
    left join ald on int_person.person_id = ald.person_id
    left join {{ ref('int_death') }} as death on int_person.person_id = death.person_id
),

present as (
    select
        *,
        greatest({{ openchronic.year_start() }}, coalesce(birth_date, {{ openchronic.year_start() }}))
            as first_day,
        least({{ openchronic.year_end() }}, coalesce(death_date, {{ openchronic.year_end() }}))
            as last_day,
        cast({{ openchronic.build_year() }} - birth_year as integer) as age
    from known
    where
        presence = 'care'
        or (
            (birth_date is null or birth_date <= {{ openchronic.year_end() }})
            and (death_date is null or death_date >= {{ openchronic.year_start() }})
        )
),

counted as (
    select
        *,
        case
            when presence <> 'not_yet_known' and last_day >= first_day
                then {{ openchronic.days_between('first_day', 'last_day') }} + 1
            else 0
        end as days
    from present
),

final as (
    select
        counted.person_id,
        cast({{ openchronic.build_year() }} as integer) as year,
        counted.sex,
        counted.birth_year,
        case when counted.age between 0 and 125 then counted.age end as age_years,
        {{ openchronic.age_group('counted.age') }} as age_group,
        counted.department,
        counted.residence_source,
        counted.department_first,
        counted.has_moved,
        counted.scheme,
        cast(coalesce(by_commune.quintile, by_department.quintile) as integer) as deprivation_quintile,
        case
            when by_commune.quintile is not null then 'commune'
            when by_department.quintile is not null then 'department'
            when counted.department is null then 'no_residence'
            when counted.department like '97%' then 'overseas'
            else 'not_supplied'
        end as deprivation_source,
        counted.is_consumer,
        counted.has_stay,
        counted.presence,
        cast(counted.days as integer) as observed_days,
        counted.presence <> 'assumed'
        and counted.days = {{ openchronic.days_between(openchronic.year_start(), openchronic.year_end()) }} + 1
            as is_fully_observed,
        case when counted.death_date <= {{ openchronic.year_end() }} then counted.death_date end
            as death_date,
        case when counted.death_date <= {{ openchronic.year_end() }} then counted.death_source end
            as death_source,
        case when counted.death_date <= {{ openchronic.year_end() }} then counted.death_cause end
            as death_cause,
        coalesce(counted.first_care_date < counted.birth_date, false) as has_care_before_birth,
        coalesce(counted.last_care_date > counted.death_date, false) as has_care_after_death,
        {{ openchronic.population_scope() }} as population_scope,
        {{ openchronic.panel_weight() }} as weight
    from counted
    left join deprivation as by_commune on counted.commune = by_commune.area_code
    left join deprivation as by_department on counted.department = by_department.area_code
)

select * from final
