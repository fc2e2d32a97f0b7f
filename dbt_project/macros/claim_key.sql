{#
    One value for the nine keys that tie a reimbursement line of DCIR to its details. They are never
    NULL in the lake: a row without one of them is in quarantine.
#}
{% macro claim_key() -%}
    md5(concat_ws('|',
        cast(dct_ord_num as {{ dbt.type_string() }}),
        cast(flx_dis_dtd as {{ dbt.type_string() }}),
        cast(flx_emt_num as {{ dbt.type_string() }}),
        cast(flx_emt_ord as {{ dbt.type_string() }}),
        cast(flx_emt_typ as {{ dbt.type_string() }}),
        cast(flx_trt_dtd as {{ dbt.type_string() }}),
        org_cle_num,
        cast(prs_ord_num as {{ dbt.type_string() }}),
        cast(rem_typ_aff as {{ dbt.type_string() }})
    ))
{%- endmacro %}
