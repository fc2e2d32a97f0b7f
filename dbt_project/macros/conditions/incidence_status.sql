{#
    Whether the first ALD of a person can be told, by the coverage of the scheme in the build year:
    `established`, `doubtful`, or why not. `coverage` is the row of ref_scheme of the scheme.
    Source: domain decision 5.
#}
{% macro incidence_status(scheme, coverage) -%}
    case
        when {{ scheme }} is null then 'scheme_unknown'
        when {{ coverage }}.scheme_group is null then 'coverage_unknown'
        when {{ coverage }}.ald_from_year > {{ openchronic.build_year() }} then 'before_coverage'
        when {{ coverage }}.ald_doubtful_to_year >= {{ openchronic.build_year() }} then 'doubtful'
        else 'established'
    end
{%- endmacro %}
