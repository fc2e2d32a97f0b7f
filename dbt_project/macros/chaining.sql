{#
    Whether all return codes of a chaining row are good, '0'. The date code came in 2006, those of
    coherence in 2013. HAD of 2010 was sent without the codes of merging (a third of its stays):
    missing there is no error. Never NULL.
#}
{% macro good_returns(chaining, year, had=false) -%}
    coalesce(
        {{ chaining }}.nir_return = '0'
        and {{ chaining }}.birth_return = '0'
        and {{ chaining }}.sex_return = '0'
        and {{ chaining }}.stay_return = '0'
        {%- for code in ('hospital_return', 'pmsi_return') %}
        {%- if had %}
        and ({{ chaining }}.{{ code }} = '0' or ({{ year }} = 2010 and {{ chaining }}.{{ code }} is null))
        {%- else %}
        and {{ chaining }}.{{ code }} = '0'
        {%- endif %}
        {%- endfor %}
        and ({{ year }} < 2006 or {{ chaining }}.date_return = '0')
        and ({{ year }} < 2013 or {{ chaining }}.birth_coherence_return = '0')
        and ({{ year }} < 2013 or {{ chaining }}.sex_coherence_return = '0'),
        false
    )
{%- endmacro %}

{# Why a PMSI row is or is not attached to a person: no rank there, so the key must stand for one. #}
{% macro pmsi_person_status(chaining, has_chaining) -%}
    case
        when not {{ has_chaining }} then 'no_chaining'
        when {{ chaining }}.psa is null and {{ chaining }}.key_status = 'sentinel' then 'sentinel_key'
        when {{ chaining }}.psa is null then 'no_key'
        else coalesce(int_psa.person_status, 'not_in_referential')
    end
{%- endmacro %}
