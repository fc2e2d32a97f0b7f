{#
    Days on which a person was dispensed a substance: what exposure and adherence are made from.
    Rule: town pharmacies only, what is used for exposure (rules of ER_PHA_F) and lasts a day or
    more; several lines of a day are one. `city_day` is the day on the clock of days out of hospital
    (macros/drugs/city_day.sql). Grain: one row a person, class and day.
#}
{{ config(
    materialized='history',
    unique_key=['person_id', 'atc_class', 'dispensing_date'],
    meta={'kind': 'history', 'look_back': 'all', 'look_ahead': 1, 'reads_referentials': true}
) }}

with dispensed as (
    select
        person_id,
        atc_class,
        dispensing_date,
        cast(sum(days_supply) as integer) as days_supply,
        cast(sum(box_count) as decimal(18, 2)) as box_count,
        max(case when is_large_pack then 1 else 0 end) = 1 as has_large_pack
    from {{ ref('drug_dispensing') }}
    where is_used_for_exposure and not is_hospital_drug and days_supply > 0
    group by person_id, atc_class, dispensing_date
),

clocked as (
    {{ openchronic.city_days('dispensed', 'dispensing_date') }}
),

final as (
    select
        dispensed.person_id,
        dispensed.atc_class,
        dispensed.dispensing_date,
        coalesce(
            clocked.city_day, {{ openchronic.day_number('dispensed.dispensing_date') }}
        ) as city_day,
        dispensed.days_supply,
        dispensed.box_count,
        dispensed.has_large_pack
    from dispensed
    left join clocked
        on dispensed.person_id = clocked.person_id
        and dispensed.dispensing_date = clocked.dispensing_date
)

select * from final
