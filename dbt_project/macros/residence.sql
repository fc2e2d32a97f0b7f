{#
    INSEE department of a residence as the SNDS writes it (BEN_RES_DPT and BEN_RES_COM on three
    characters), before the check against the list of departments; NULL where it cannot be read.
    Overseas each scheme writes in its own way: for commune 97411 the agricultural scheme sends 974
    and 411, the general one 097 and 411, the self-employed one 974 and 011. Corsica is 209 or 020,
    its two departments told apart by the affiliation body. Source: snds_model D10.
#}
{% macro residence_department(department, commune, affiliation_body) -%}
    case
        when {{ department }} in ('02A', '02B') then right({{ department }}, 2)
        when {{ department }} in ('209', '020') and substr({{ affiliation_body }}, 4, 3) = '201' then '2A'
        when {{ department }} in ('209', '020') and substr({{ affiliation_body }}, 4, 3) = '202' then '2B'
        when {{ department }} like '97%' and left({{ affiliation_body }}, 3) = '02A'
            then concat('97', left({{ commune }}, 1))
        when {{ department }} like '97%' then {{ department }}
        when {{ department }} = '097' then concat('97', left({{ commune }}, 1))
        when {{ department }} like '0%' then substr({{ department }}, 2, 2)
    end
{%- endmacro %}

{#
    INSEE commune, five characters, from the department found above and the commune as sent: overseas
    the department's third digit is the commune's first.
#}
{% macro residence_commune(department, commune) -%}
    case
        when {{ department }} is null or {{ commune }} is null then null
        when length({{ commune }}) <> 3 or {{ commune }} = '000' then null
        when length({{ department }}) = 3 then concat({{ department }}, right({{ commune }}, 2))
        else concat({{ department }}, {{ commune }})
    end
{%- endmacro %}

{# A code of residence on three characters, as the models compare it. #}
{% macro residence_code(column) -%}
    lpad(upper(trim({{ column }})), 3, '0')
{%- endmacro %}
