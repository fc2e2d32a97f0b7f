{#
    An ATC class in upper case, NULL where it has not the form of one: a letter, two digits, a
    letter, a letter, two digits, cut after any of the five levels.
#}
{% macro atc_or_null(column) -%}
    case
        when translate(
            upper(trim({{ column }})), 'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789',
            '{{ 'A' * 26 }}{{ '9' * 10 }}'
        ) in ('A', 'A99', 'A99A', 'A99AA', 'A99AA99')
            then upper(trim({{ column }}))
    end
{%- endmacro %}
