{# Fails unless 0 <= numerator <= denominator and the interval holds the value. #}
{% test proportions_hold(model) %}
select year, definition, ald_num, department, sex, age_group
from {{ model }}
where
    numerator < 0
    or numerator > denominator
    or denominator <= 0
    or ci_low < 0
    or ci_high > 1
    or ci_low > value
    or ci_high < value
{% endtest %}
