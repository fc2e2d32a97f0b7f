{#
    Laboratory acts (NABM): codes, never results.
    Names only: values, sentinels included, are as delivered. Grain: one row of ER_BIO_F.
#}
select
    {{ openchronic.claim_key() }} as claim_key,
    {{ openchronic.flux_year('flx_dis_dtd') }} as flux_year,
    flx_dis_dtd as flux_month,
    bio_ord_num as detail_number,
    bio_prs_ide as nabm_code,
    bio_act_qsn as act_count,
    _source_file as source_file,
    _source_line as source_line
from {{ source('snds', 'er_bio_f') }}
