{#
    What each drug code stands for: ATC class, units a pack, large pack, days that a box lasts.
    Rule: one row a code, whether CIP13, CIP7 or UCD (7 characters). A code that stands on several
    rows is that of the most precise class, then of the one most rows give, then of the first in the
    order of values: never the order of the file, which means nothing. `is_repeated` and
    `is_conflicting` tell. The class is the longest well-formed one of the row; `atc_code` is it
    when it has seven characters. The CIP7 is in the middle of a CIP13 of French drugs (34009).
    Days a box lasts, two ways [A]: `days_per_box_pack`, 90 for a large pack (PHA_CND_TOP = GC), 30
    otherwise; `days_per_box_units`, units of the pack over units a day of ref_drug_daily_units
    (longest prefix), between 14 and 120.
    Source: indicators of exposure (SCALPEL-Extraction, DrugConfig: large pack where GC).
    Grain: one row a code of a system.
#}
{{ config(
    materialized='history',
    unique_key=['code_system', 'code'],
    meta={'kind': 'history', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

with presentation as (
    select
        case when coalesce(cip13, 0) > 0 then lpad(cast(cip13 as {{ dbt.type_string() }}), 13, '0') end
            as cip13,
        case when coalesce(cip7, 0) > 0 then lpad(cast(cip7 as {{ dbt.type_string() }}), 7, '0') end
            as delivered_cip7,
        case
            when trim(ucd_code) <> '' and trim(translate(ucd_code, '0', ' ')) <> ''
                then lpad(right(trim(ucd_code), 7), 7, '0')
        end as ucd,
        {{ openchronic.atc_or_null('atc_class_7') }} as class_7,
        {{ openchronic.atc_or_null('atc_class') }} as class_any,
        {{ openchronic.atc_or_null('atc_class_3') }} as class_3,
        nullif(trim(coalesce(drug_label, substance_label)), '') as drug_label,
        case when unit_count > 0 then cast(unit_count as decimal(18, 4)) end as units_per_pack,
        coalesce(upper(trim(pack_size_code)) = 'GC', false) as is_large_pack
    from {{ ref('stg_referential__pha') }}
),

classed as (
    select
        cip13,
        coalesce(delivered_cip7, case when cip13 like '34009%' then substr(cip13, 6, 7) end) as cip7,
        ucd,
        -- The longest of the three; where two are as long, that of the column made for it.
        case
            when length(coalesce(class_7, '')) >= length(coalesce(class_any, ''))
                and length(coalesce(class_7, '')) >= length(coalesce(class_3, '')) then class_7
            when length(coalesce(class_any, '')) >= length(coalesce(class_3, '')) then class_any
            else class_3
        end as atc_class,
        drug_label,
        units_per_pack,
        is_large_pack
    from presentation
),

coded as (
    select 'cip13' as code_system, cip13 as code, * from classed where cip13 is not null
    union all
    select 'cip7' as code_system, cip7 as code, * from classed where cip7 is not null
    union all
    select 'ucd' as code_system, ucd as code, * from classed where ucd is not null
),

counted as (
    select
        *,
        count(*) over (partition by code_system, code) as row_count,
        count(*) over (partition by code_system, code, atc_class) as class_row_count,
        min(atc_class) over (partition by code_system, code, length(atc_class)) as first_class,
        max(atc_class) over (partition by code_system, code, length(atc_class)) as last_class
    from coded
),

ranked as (
    select
        *,
        row_number() over (
            partition by code_system, code
            order by
                case when atc_class is null then 1 else 0 end asc,
                length(atc_class) desc,
                class_row_count desc,
                atc_class asc,
                units_per_pack asc nulls last,
                is_large_pack asc,
                drug_label asc nulls last,
                cip13 asc nulls last,
                cip7 asc nulls last
        ) as place
    from counted
),

chosen as (
    select * from ranked where place = 1
),

-- One line a class that the seed covers: the daily units of its longest prefix.
daily as (
    select
        atc_class,
        units_per_day
    from (
        select
            listed.atc_class,
            seed.units_per_day,
            row_number() over (
                partition by listed.atc_class order by length(seed.atc_prefix) desc
            ) as place
        from (select distinct atc_class from chosen where atc_class is not null) as listed
        inner join {{ ref('ref_drug_daily_units') }} as seed
            on substr(listed.atc_class, 1, length(seed.atc_prefix)) = seed.atc_prefix
    ) as found
    where place = 1
),

final as (
    select
        chosen.code_system,
        chosen.code,
        chosen.cip13,
        chosen.cip7,
        chosen.atc_class,
        case when length(chosen.atc_class) = 7 then chosen.atc_class end as atc_code,
        chosen.drug_label,
        chosen.units_per_pack,
        chosen.is_large_pack,
        cast(case
            when chosen.is_large_pack then {{ openchronic.drug_parameter('days_large_pack') }}
            else {{ openchronic.drug_parameter('days_small_pack') }}
        end as integer) as days_per_box_pack,
        -- NULL without units or daily units: greatest and least would skip it.
        case when chosen.units_per_pack / daily.units_per_day is not null then cast(least(
            greatest(
                floor(chosen.units_per_pack / daily.units_per_day),
                {{ openchronic.drug_parameter('days_box_min') }}
            ),
            {{ openchronic.drug_parameter('days_box_max') }}
        ) as integer) end as days_per_box_units,
        cast(chosen.row_count as bigint) as row_count,
        chosen.row_count > 1 as is_repeated,
        coalesce(chosen.first_class <> chosen.last_class, false) as is_conflicting
    from chosen
    left join daily on chosen.atc_class = daily.atc_class
)

select * from final
