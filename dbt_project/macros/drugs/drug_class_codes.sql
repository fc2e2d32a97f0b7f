{#
    Body of a CTE of (drug_class, atc_class): the classes of the referential of drugs that each class
    of ref_drug_class holds, by prefix, less its excluded prefixes. As long as a dictionary: joined
    to rows by equality.
#}
{% macro drug_class_codes() -%}
    select distinct
        included.drug_class,
        known.atc_class
    from (
        select distinct atc_class from {{ ref('int_drug_reference') }} where length(atc_class) >= 5
    ) as known
    inner join {{ ref('ref_drug_class') }} as included
        on not included.is_excluded
        and substr(known.atc_class, 1, length(included.atc_prefix)) = included.atc_prefix
    left join {{ ref('ref_drug_class') }} as excluded
        on excluded.is_excluded
        and included.drug_class = excluded.drug_class
        and substr(known.atc_class, 1, length(excluded.atc_prefix)) = excluded.atc_prefix
    where excluded.drug_class is null
{%- endmacro %}
