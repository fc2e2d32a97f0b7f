{#
    Body of a CTE of one row: the day to which what happens after the year built is known, in town
    (`claims_to`), in acute hospital (`stays_to`); whether any rehabilitation, and any class of drugs, is delivered. Care of
    the year after counts once its own flux is there; till then nothing is known after 31 December.
#}
{% macro followed_to() -%}
    select
        coalesce(
            max(case when year > {{ openchronic.build_year() }} and has_claims then claims_to end),
            -- The least of NULL and a date is that date.
            case
                when max(case when has_claims then claims_to end) > {{ openchronic.year_end() }}
                    then {{ openchronic.year_end() }}
                else max(case when has_claims then claims_to end)
            end
        ) as claims_to,
        max(stays_to) as stays_to,
        coalesce(max(case when has_drug_classes then 1 else 0 end), 0) = 1 as has_drug_classes,
        coalesce(max(case when has_rehabilitation then 1 else 0 end), 0) = 1 as has_rehabilitation
    from {{ ref('int_delivered_year') }}
    where year between {{ openchronic.build_year() }} and {{ openchronic.build_year(1) }}
{%- endmacro %}
