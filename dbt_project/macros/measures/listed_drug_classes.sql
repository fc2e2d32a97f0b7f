{#
    Body of a CTE of (list_name, atc_class): the classes of the referential of drugs that each list
    of ref_measure_code holds, by prefix, less its excluded prefixes. As long as a dictionary: joined
    to rows by equality.
#}
{% macro listed_drug_classes() -%}
    select distinct included.list_name, known.atc_class
    from (
        select distinct atc_class from {{ ref('int_drug_reference') }} where atc_class is not null
    ) as known
    inner join {{ ref('ref_measure_code') }} as included
        on included.system = 'ATC'
        and not included.is_excluded
        and substr(known.atc_class, 1, length(included.code)) = included.code
    left join {{ ref('ref_measure_code') }} as excluded
        on excluded.system = 'ATC'
        and excluded.is_excluded
        and included.list_name = excluded.list_name
        and substr(known.atc_class, 1, length(excluded.code)) = excluded.code
    where excluded.list_name is null
{%- endmacro %}
