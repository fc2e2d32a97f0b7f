{#
    Diagnoses of hospital stays, by role and unit: acute care (MCO), rehabilitation, home
    hospitalisation, psychiatry.
    Rule: union, not choice: those of the stay (DP, DR), of each medical unit (DP_RUM, DR_RUM, since
    2008) and the associated ones (DA); rehabilitation by week (MMP, AE, FPP, DA); home
    hospitalisation by sub-sequence (DP, missing in 2012 and 2013, DMPP, DMPA, DA); psychiatry by
    sequence (DP, DA). A code said twice in one role and unit is one row; a code whose stay was
    never delivered keeps its row, `has_stay` false. Source: SNDS schema, CNAM, L'essentiel du SNDS.
    Anchor: year of the PMSI table. Grain: one row a stay, role, unit and code.
#}
{{ config(
    materialized='yearly',
    unique_key=['person_id', 'stay_id', 'role', 'unit_number', 'diagnosis_code'],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}
) }}

{%- set sources = [
    ('mco', 'stg_mco__b', 'rsa_num', none, [('DP', 'main_diagnosis'), ('DR', 'related_diagnosis')]),
    ('mco', 'stg_mco__um', 'rsa_num', 'unit_number', [('DP_RUM', 'main_diagnosis'), ('DR_RUM', 'related_diagnosis')]),
    ('mco', 'stg_mco__d', 'rsa_num', none, [('DA', 'associated_diagnosis')]),
    ('ssr', 'stg_ssr__b', 'stay_number_ssr', 'week_number', [('MMP', 'main_manifestation'), ('AE', 'etiology'), ('FPP', 'care_purpose')]),
    ('ssr', 'stg_ssr__d', 'stay_number_ssr', 'week_number', [('DA', 'diagnosis_code')]),
    ('had', 'stg_had__b', 'stay_number_had', 'sub', [('DP', 'main_diagnosis')]),
    ('had', 'stg_had__d', 'stay_number_had', 'sub', [('DA', 'diagnosis_code')]),
    ('had', 'stg_had__dmpp', 'stay_number_had', 'sub', [('DMPP', 'diagnosis_code')]),
    ('had', 'stg_had__dmpa', 'stay_number_had', 'sub', [('DMPA', 'diagnosis_code')]),
    ('psy', 'stg_rip__rsa', 'stay_number_rip', 'sequence_number', [('DP', 'main_diagnosis')]),
    ('psy', 'stg_rip__rsad', 'stay_number_rip', 'sequence_number', [('DA', 'diagnosis_code')]),
] %}

with listed as (
    {%- for field, model, number, unit, roles in sources %}
    {%- set last_source = loop.last %}
    {%- for role, column in roles %}
    select
        '{{ field }}' as field,
        finess,
        {{ number }} as stay_number,
        '{{ role }}' as role,
        {%- if unit == 'sub' %}
        concat_ws('-', trim(sequence_number), trim(subsequence_number)) as unit_number,
        {%- else %}
        trim(cast({{ unit or 'null' }} as {{ dbt.type_string() }})) as unit_number,
        {%- endif %}
        replace(upper(trim({{ column }})), '.', '') as diagnosis_code
    from {{ ref(model) }}
    where table_year = {{ openchronic.build_year() }}
    {{- '\n    union all' if not (loop.last and last_source) }}
    {%- endfor %}
    {%- endfor %}
),

known as (
    select distinct field, finess, stay_number, role, unit_number, diagnosis_code
    from listed
    where diagnosis_code <> ''
),

stay as (
    select field, finess, stay_number, stay_id, person_id, entry_date, discharge_date, is_used_for_stays
    from {{ ref('hospital_stay') }}
    where year = {{ openchronic.build_year() }} and not is_duplicate_key
),

final as (
    select
        stay.person_id,
        coalesce(
            stay.stay_id,
            concat_ws(
                '-', case when known.field <> 'mco' then known.field end,
                cast({{ openchronic.build_year() }} as {{ dbt.type_string() }}), known.finess, known.stay_number
            )
        ) as stay_id,
        cast({{ openchronic.build_year() }} as integer) as year,
        known.field,
        stay.entry_date,
        stay.discharge_date,
        known.role,
        case
            when known.role in ('DP', 'DP_RUM', 'MMP') then 'main'
            when known.role in ('DR', 'DR_RUM', 'AE', 'FPP', 'DMPP') then 'related'
            else 'associated'
        end as role_group,
        known.unit_number,
        known.diagnosis_code,
        stay.stay_id is not null as has_stay,
        coalesce(stay.is_used_for_stays, false) as is_used_for_stays
    from known
    left join stay
        on known.field = stay.field
        and known.finess = stay.finess
        and known.stay_number = stay.stay_number
)

select * from final
