{#
    Details of reimbursement lines, four tables in one shape: drugs of town pharmacies, hospital
    drugs billed by unit, CCAM procedures, biology.
    Rule: quantities as each table counts them (units where a drug is dispensed by unit); CIP13
    where it is filled, else the older CIP7; UCD on seven characters; NABM on four digits.
    A procedure has no quantity of its own: that of its line holds. Grain: one row of a detail table.
#}
{{ config(materialized='view') }}

with drug as (
    select
        claim_key,
        flux_year,
        flux_month,
        'drug' as event_type,
        'A' as letter,
        detail_number,
        case
            when coalesce(cip13, 0) <> 0 then 'cip13'
            when coalesce(cip7, 0) <> 0 then 'cip7'
        end as code_system,
        case
            when coalesce(cip13, 0) <> 0
                then lpad(cast(cip13 as {{ dbt.type_string() }}), 13, '0')
            when coalesce(cip7, 0) <> 0
                then lpad(cast(cip7 as {{ dbt.type_string() }}), 7, '0')
        end as code,
        cast(
            case when unit_dispensing_flag = 'D' then unit_count else box_count end
            as decimal(18, 2)
        ) as detail_quantity,
        cast(null as decimal(18, 2)) as detail_amount,
        cast(null as {{ dbt.type_string() }}) as activity_code,
        source_file,
        source_line
    from {{ ref('stg_dcir__pha') }}
),

hospital_drug as (
    select
        claim_key,
        flux_year,
        flux_month,
        'hospital_drug' as event_type,
        'B' as letter,
        detail_number,
        'ucd' as code_system,
        nullif(right(trim(ucd_code), 7), '') as code,
        cast(unit_count as decimal(18, 2)) as detail_quantity,
        billed_amount as detail_amount,
        cast(null as {{ dbt.type_string() }}) as activity_code,
        source_file,
        source_line
    from {{ ref('stg_dcir__ucd') }}
),

act as (
    select
        claim_key,
        flux_year,
        flux_month,
        'procedure' as event_type,
        'C' as letter,
        detail_number,
        'ccam' as code_system,
        nullif(left(trim(ccam_code), 7), '') as code,
        cast(null as decimal(18, 2)) as detail_quantity,
        base_amount as detail_amount,
        trim(activity_code) as activity_code,
        source_file,
        source_line
    from {{ ref('stg_dcir__cam') }}
),

biology as (
    select
        claim_key,
        flux_year,
        flux_month,
        'biology' as event_type,
        'D' as letter,
        detail_number,
        'nabm' as code_system,
        lpad(cast(nabm_code as {{ dbt.type_string() }}), 4, '0') as code,
        cast(act_count as decimal(18, 2)) as detail_quantity,
        cast(null as decimal(18, 2)) as detail_amount,
        cast(null as {{ dbt.type_string() }}) as activity_code,
        source_file,
        source_line
    from {{ ref('stg_dcir__bio') }}
),

final as (
    select * from drug
    union all
    select * from hospital_drug
    union all
    select * from act
    union all
    select * from biology
)

select * from final
