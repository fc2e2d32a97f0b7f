{#
    NIR types that name nobody: anonymous care (abortion, minors), tele-transmission aid, and the
    like. Unknown types (99, NN, NULL) are not among them. Source: domain decision 12.
#}
{% macro is_fictitious_nir(nir_type) -%}
    coalesce(trim({{ nir_type }}) in ('01', '05', '06', '08', '09', '11', '12', '13', '14', '15'), false)
{%- endmacro %}

{#
    The person's pseudonym: BEN_IDT_ANO; where it is missing, what it would have been made from.
    A person known by the pseudonym of the insured and the rank alone gets a hash of both.
#}
{% macro person_id() -%}
    coalesce(
        person_pseudonym,
        own_nir_pseudonym,
        md5(concat_ws('|', psa, cast(coalesce(birth_rank, -1) as {{ dbt.type_string() }})))
    )
{%- endmacro %}

{#
    The order in which rows of the referential speak for a person: IR_BEN_R before its archive, then
    the last update first. It is
    total: the same rows give the same winner on any engine.
#}
{% macro latest_first() -%}
    archive_order asc,
    update_date desc nulls last,
    last_processing_date desc nulls last,
    insert_date desc nulls last,
    psa asc nulls last,
    birth_rank asc nulls last,
    source_file asc nulls last,
    source_line asc nulls last
{%- endmacro %}

{# A date of the SNDS, NULL where it is the sentinel 1600-01-01. #}
{% macro known_date(column) -%}
    case when year({{ column }}) > 1600 then {{ column }} end
{%- endmacro %}

{# Why a row is or is not attached to a person, from its key and the pair found for it. #}
{% macro person_status(line, found, fictitious='false') -%}
    case
        when {{ fictitious }} or {{ found }}.is_fictitious then 'fictitious'
        when {{ line }}.psa is null and {{ line }}.key_status = 'sentinel' then 'sentinel_key'
        when {{ line }}.psa is null then 'no_key'
        when {{ found }}.psa is null then 'not_in_referential'
        when {{ found }}.person_id is null then 'ambiguous_renewal'
        else 'linked'
    end
{%- endmacro %}
