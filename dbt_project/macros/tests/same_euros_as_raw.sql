{# Fails when, in a year that this build writes, an amount is not that of the raw lines, to the cent. #}
{% test same_euros_as_raw(model) %}
{%- set amounts = {
    'paid_amount': 'prs_pai_mnt',
    'base_amount': 'bse_rem_bse',
    'reimbursed_amount': 'bse_rem_mnt',
    'complement_base_amount': 'cpl_rem_bse',
    'complement_reimbursed_amount': 'cpl_rem_mnt',
} -%}
{%- set raw_year = openchronic.care_year('exe_soi_dtd', 'flx_dis_dtd') -%}
with raw_lines as (
    select
        {{ raw_year }} as year_of_row
        {%- for ours, theirs in amounts.items() %},
        coalesce(sum({{ theirs }}), 0) as {{ ours }}
        {%- endfor %}
    from {{ source('snds', 'er_prs_f') }}
    group by {{ raw_year }}
),

events as (
    select
        year as year_of_row
        {%- for ours in amounts %},
        coalesce(sum({{ ours }}), 0) as {{ ours }}
        {%- endfor %}
    from {{ model }}
    group by year
)

select events.year_of_row
from events
left join raw_lines on events.year_of_row = raw_lines.year_of_row
where
    events.year_of_row in ({{ openchronic.years_written(model) }})
    and (
        {%- for ours in amounts %}
        {{ 'or ' if not loop.first }}events.{{ ours }} <> coalesce(raw_lines.{{ ours }}, 0)
        {%- endfor %}
    )
{% endtest %}
