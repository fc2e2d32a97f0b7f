{#
    Which rule says that an acute stay was planned: its name, or `none`, or why nothing can be said.
    After the AHRQ logic of planned readmission (always planned; potentially planned without an acute
    diagnosis), in terms of GHM and CIM-10. All of it is ours [A]: sessions (CMD 28),
    organ transplants (CMD 27), birth (CMD 14 and 15), repeated treatment (Z49, Z51.0 to Z51.2),
    control after treatment (Z08, Z09), surgery (third letter C) that began at home, not through
    the emergency room and not for an acute diagnosis (seed ref_acute_diagnosis).
#}
{% macro planned_rule(stay, acute_diagnosis) -%}
    case
        when {{ stay }}.is_error_ghm then 'error_group'
        when {{ stay }}.ghm_code is null and {{ stay }}.main_diagnosis is null then 'no_group'
        when {{ stay }}.ghm_code like '28%' then 'session'
        when {{ stay }}.ghm_code like '27%' then 'transplant'
        when {{ stay }}.ghm_code like '14%' or {{ stay }}.ghm_code like '15%' then 'birth'
        when
            {{ stay }}.main_diagnosis like 'Z49%'
            or substr({{ stay }}.main_diagnosis, 1, 4) in ('Z510', 'Z511', 'Z512')
            then 'repeated_treatment'
        when substr({{ stay }}.main_diagnosis, 1, 3) in ('Z08', 'Z09') then 'control'
        when
            substr({{ stay }}.ghm_code, 3, 1) = 'C'
            and {{ stay }}.entry_mode = '8'
            and coalesce({{ stay }}.entry_origin, '') <> '5'
            and {{ acute_diagnosis }}.cim10_category is null
            then 'scheduled_surgery'
        else 'none'
    end
{%- endmacro %}
