{# Broad age bands from five-year groups: what a department's numbers can bear. #}
{% macro age_band(age_group) -%}
    case
        when {{ age_group }} in ('00-04', '05-09', '10-14', '15-19') then '00-19'
        when {{ age_group }} in ('20-24', '25-29', '30-34', '35-39') then '20-39'
        when {{ age_group }} in ('40-44', '45-49', '50-54', '55-59', '60-64') then '40-64'
        when {{ age_group }} in ('65-69', '70-74') then '65-74'
        when {{ age_group }} = 'unknown' then 'unknown'
        else '75+'
    end
{%- endmacro %}
