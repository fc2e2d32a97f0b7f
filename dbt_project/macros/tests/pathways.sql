{# Fails on each case that has not a row for each of the months around its index. #}
{% test sixty_one_months_a_case(model) %}
select case_index.person_id, case_index.pathway
from {{ ref('int_pathway_index') }} as case_index
left join {{ model }} as months
    on case_index.person_id = months.person_id and case_index.pathway = months.pathway
group by case_index.person_id, case_index.pathway
having count(months.month_offset) <> 61
{% endtest %}

{# Fails on a month after death that is anything else. #}
{% test the_dead_stay_dead(model) %}
select person_id, pathway, month_offset
from (
    select
        *,
        lag(state) over (partition by person_id, pathway order by month_offset) as state_before
    from {{ model }}
) as ordered
where state_before = 'DEAD' and coalesce(state, '') <> 'DEAD'
{% endtest %}

{# Fails when the shares of a group are not together one. #}
{% test shares_add_up(model, group, share) %}
select {{ group | join(', ') }}
from {{ model }}
group by {{ group | join(', ') }}
having abs(sum({{ share }}) - 1) > 0.000001
{% endtest %}

{# Fails when passages are not as many as the pairs of months of incident cases that have states. #}
{% test same_pairs_as_states(model) %}
with states as (
    select pathway, count(*) as n
    from (
        select
            pathway,
            state,
            lead(state) over (partition by person_id, pathway order by month_offset) as next_state
        from {{ ref('pathway_state') }}
        where is_incident
    ) as paired
    where state is not null and next_state is not null
    group by pathway
),

passages as (
    select pathway, sum(transition_count) as n from {{ model }} group by pathway
)

select coalesce(states.pathway, passages.pathway) as pathway
from states
full outer join passages on states.pathway = passages.pathway
where coalesce(states.n, 0) <> coalesce(passages.n, 0)
{% endtest %}

{# Fails when successions are not one less than the steps of each case. #}
{% test same_pairs_as_steps(model) %}
with steps as (
    select pathway, count(*) - count(distinct person_id) as n
    from {{ ref('int_pathway_step') }}
    group by pathway
),

successions as (
    select pathway, sum(event_count) as n from {{ model }} group by pathway
)

select coalesce(steps.pathway, successions.pathway) as pathway
from steps
full outer join successions on steps.pathway = successions.pathway
where coalesce(steps.n, 0) <> coalesce(successions.n, 0)
{% endtest %}

{# Fails when the variants of a pathway are not together its incident cases. #}
{% test every_case_has_a_variant(model) %}
with cases as (
    select pathway, count(*) as n from {{ ref('int_pathway_index') }} where is_incident group by pathway
),

variants as (
    select pathway, sum(case_count) as n from {{ model }} group by pathway
)

select coalesce(cases.pathway, variants.pathway) as pathway
from cases
full outer join variants on cases.pathway = variants.pathway
where coalesce(cases.n, 0) <> coalesce(variants.n, 0)
{% endtest %}
