{#
    Who performed, as far as spend items tell: specialty of doctors (PSE_SPE_COD), else nature of
    activity (PSE_ACT_NAT). NULL where neither says. Source: nomenclatures IR_SPE_V and IR_ACT_V.
#}
{% macro performer_group(specialty, activity) -%}
    case
        when {{ activity }} in (19, 53, 54) or {{ specialty }} = 36 then 'dentist'
        when {{ activity }} = 21 then 'midwife'
        when {{ activity }} = 24 then 'nurse'
        when {{ activity }} = 26 then 'physiotherapist'
        when {{ activity }} in (25, 27, 28, 29) then 'paramedical'
        when {{ activity }} in (30, 39, 40) then 'laboratory'
        when {{ specialty }} in (1, 22, 23) then 'gp'
        when
            {{ specialty }} between 2 and 18
            or {{ specialty }} in (20, 31, 32, 33, 34, 35, 37, 38)
            or {{ specialty }} between 41 and 49
            or {{ specialty }} between 69 and 85
            then 'specialist'
    end
{%- endmacro %}

{# Sector of the establishment (PRS_PPU_SEC), NULL where there is none. #}
{% macro establishment_sector(sector) -%}
    case {{ sector }} when 1 then 'public' when 2 then 'private' end
{%- endmacro %}

{#
    Sector and activity of establishments that are not acute, by FINESS category: psychiatry,
    rehabilitation, hospitalisation at home. NULL elsewhere.
#}
{% macro establishment_kind(sector, category) -%}
    {{ openchronic.establishment_sector(sector) }} || case
        when {{ category }} in (161, 292, 430) then '_psychiatry'
        when {{ category }} in (108, 109, 119, 135) then '_rehabilitation'
        when {{ category }} = 127 then '_home'
    end
{%- endmacro %}

{#
    What a co-payment exemption (EXO_MTF) says: even codes 42 to 46 are care related to the ALD, odd
    ones care of its holder that is not. 47 exempts nothing, 0 and missing are no exemption; 99 and
    codes that the nomenclature does not hold are unknown.
    Source: nomenclature IR_EXO_V; domain decision 5.
#}
{% macro exemption_group(code) -%}
    case
        when {{ code }} in (42, 44, 46) then 'ald_related'
        when {{ code }} in (41, 43, 45) then 'ald_unrelated'
        when coalesce({{ code }}, 0) in (0, 47) then 'none'
        when {{ code }} in ({{ openchronic.exemption_codes() | join(', ') }}) then 'other'
        else 'unknown'
    end
{%- endmacro %}

{# The codes of IR_EXO_V, but 99, unknown value. #}
{% macro exemption_codes() %}
    {{ return([
        0, 10, 20, 21, 30, 41, 42, 43, 44, 45, 46, 47, 51, 54, 55, 56, 57, 62, 63, 81, 82, 91, 92
    ]) }}
{% endmacro %}
