{#
    Fails on each row of which a condition, told by the test's name, is false. Where the condition
    is NULL nothing is said of the row: a condition that must not be NULL says so itself.
#}
{% test holds(model, condition) %}
select *
from {{ model }}
where not ({{ condition }})
{% endtest %}
