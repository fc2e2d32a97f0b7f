{#
    Where the flags of each table under rules are: the model and which of its rows are those of the
    table, their year and their euros, and the same of the raw table, for the balance.
#}
{% macro ruled_tables() %}
    {{ return([
        {
            'table': 'ER_PRS_F', 'model': 'care_event', 'where': "event_type = 'claim'",
            'amount': 'paid_amount', 'raw': 'er_prs_f',
            'raw_year': openchronic.care_year('exe_soi_dtd', 'flx_dis_dtd'),
            'raw_amount': 'prs_pai_mnt',
        },
        {
            'table': 'T_MCOaaB', 'model': 'hospital_stay', 'where': '1 = 1',
            'amount': 'cast(null as decimal(18, 2))', 'raw': 't_mcoaab',
            'raw_year': '_table_year', 'raw_amount': 'cast(null as decimal(18, 2))',
        },
    ]) }}
{% endmacro %}
