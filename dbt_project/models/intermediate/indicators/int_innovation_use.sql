{#
    Who was given an innovative treatment in a year, and when first in it.
    Rule: classes of ref_innovation by prefix, less the excluded ones; drugs of town pharmacies and
    hospital drugs billed by unit, used for care, a positive quantity left. Source: seed ref_innovation.
    Anchor: year of dispensing. Grain: one row a person and treatment.
#}
{{ config(
    materialized='yearly',
    unique_key=['person_id', 'treatment'],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

with drug as (
    select distinct
        included.treatment,
        known.atc_class
    from (select distinct atc_class from {{ ref('int_drug_reference') }}) as known
    inner join {{ ref('ref_innovation') }} as included
        on not included.is_excluded
        and substr(known.atc_class, 1, length(included.atc_prefix)) = included.atc_prefix
    left join {{ ref('ref_innovation') }} as excluded
        on excluded.is_excluded
        and included.treatment = excluded.treatment
        and substr(known.atc_class, 1, length(excluded.atc_prefix)) = excluded.atc_prefix
    where excluded.treatment is null
),

final as (
    select
        dispensing.person_id,
        cast({{ openchronic.build_year() }} as integer) as year,
        drug.treatment,
        min(dispensing.dispensing_date) as first_date,
        cast(count(distinct dispensing.dispensing_date) as integer) as dispensing_count
    from {{ ref('drug_dispensing') }} as dispensing
    inner join drug on dispensing.atc_class = drug.atc_class
    where
        dispensing.year = {{ openchronic.build_year() }}
        and dispensing.is_used_for_exposure
        and dispensing.box_count > 0
        and dispensing.person_id is not null
        and dispensing.dispensing_date is not null
    group by dispensing.person_id, drug.treatment
)

select * from final
