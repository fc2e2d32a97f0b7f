{#
    Where the flags of each table under rules are: the model and which of its rows are those of the
    table, their year and their euros, and the same of the raw table, for the balance; `raw_amount` none = its
    euros come from another table (a valuation);
    `raw_model` and `raw_where` where the raw table does not know the year of its rows (that of another
    table): the model that gave it to them. `raw_year` none = the table has no years: it is counted
    whole in each year.
#}
{% macro ruled_tables() %}
    {{ return([
        {
            'table': 'ER_PRS_F', 'model': 'int_claim_checked', 'where': '1 = 1',
            'amount': 'paid_amount', 'raw': 'er_prs_f',
            'raw_year': openchronic.care_year('exe_soi_dtd', 'flx_dis_dtd'),
            'raw_amount': 'prs_pai_mnt',
        },
        {
            'table': 'T_MCOaaB', 'model': 'hospital_stay', 'where': "field = 'mco'",
            'amount': 'total_amount', 'raw': 't_mcoaab',
            'raw_year': '_table_year', 'raw_amount': none,
        },
        {
            'table': 'T_MCOaaC', 'model': 'hospital_episode_stay', 'where': "field = 'mco'",
            'amount': 'cast(null as decimal(18, 2))', 'raw': 't_mcoaab',
            'raw_year': '_table_year', 'raw_amount': none,
        },
        {
            'table': 'T_MCOaaA', 'model': 'stay_procedure', 'where': "field = 'mco'",
            'amount': 'cast(null as decimal(18, 2))', 'raw': 't_mcoaaa',
            'raw_year': '_table_year', 'raw_amount': none,
        },
        {
            'table': 'T_SSRaaB', 'model': 'int_ssr_week', 'where': '1 = 1',
            'amount': 'cast(null as decimal(18, 2))', 'raw': 't_ssraab',
            'raw_year': '_table_year', 'raw_amount': none,
        },
        {
            'table': 'T_HADaaB', 'model': 'int_had_subsequence', 'where': '1 = 1',
            'amount': 'cast(null as decimal(18, 2))', 'raw': 't_hadaab',
            'raw_year': '_table_year', 'raw_amount': none,
        },
        {
            'table': 'T_RIPaaRSA', 'model': 'int_psychiatric_sequence', 'where': '1 = 1',
            'amount': 'cast(null as decimal(18, 2))', 'raw': 't_ripaarsa',
            'raw_year': '_table_year', 'raw_amount': none,
        },
        {
            'table': 'T_MCOaaCSTC', 'model': 'int_outpatient_visit', 'where': '1 = 1',
            'amount': 'base_amount', 'raw': 't_mcoaacstc',
            'raw_year': '_table_year', 'raw_amount': none,
        },
        {
            'table': 'ER_PHA_F', 'model': 'drug_dispensing', 'where': 'not is_hospital_drug',
            'amount': 'cast(null as decimal(18, 2))', 'raw': 'er_pha_f',
            'raw_model': 'care_event', 'raw_where': "event_type = 'drug'",
            'raw_year': 'year', 'raw_amount': none,
        },
        {
            'table': 'ER_UCD_F', 'model': 'drug_dispensing', 'where': 'is_hospital_drug',
            'amount': 'cast(null as decimal(18, 2))', 'raw': 'er_ucd_f',
            'raw_model': 'care_event', 'raw_where': "event_type = 'hospital_drug'",
            'raw_year': 'year', 'raw_amount': none,
        },
        {
            'table': 'IR_IMB_R', 'model': 'int_ald_exemption', 'where': '1 = 1',
            'amount': 'cast(null as decimal(18, 2))', 'raw': 'ir_imb_r',
            'raw_where': 'imb_etm_nat in (41, 43, 45)', 'raw_year': none, 'raw_amount': none,
        },
        {
            'table': 'OPEN_DAMIR', 'model': 'int_damir_line', 'where': '1 = 1',
            'amount': 'paid_amount', 'raw': 'open_damir',
            'raw_year': openchronic.damir_year(), 'raw_amount': 'prs_pai_mnt',
        },
    ]) }}
{% endmacro %}
