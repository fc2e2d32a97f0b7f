"""The quality rules: each one says yes, no, and what it says of a missing value."""

from __future__ import annotations

import datetime as dt
import random
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from raw_lake import beneficiary, day, detail, line, stay

from openchronic_assets import warehouse
from openchronic_assets.errors import OpenChronicError
from openchronic_assets.settings import Home
from openchronic_assets.warehouse import project, rules, run

# Rule -> columns of a row that it flags, of one that it does not, of one that lacks the value.
CASES: dict[tuple[str, str], tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    ("ER_PRS_F", "information_line"): (
        {"expense_qualifier": None, "sent_expense_qualifier": 71},
        {"expense_qualifier": 0, "sent_expense_qualifier": 72},
        {"expense_qualifier": None, "sent_expense_qualifier": None},
    ),
    ("ER_PRS_F", "information_amount"): (
        {"expense_qualifier": 71, "sent_expense_qualifier": 71, "complement_type": 16},
        {"expense_qualifier": 0, "sent_expense_qualifier": 71, "complement_type": 16},
        {"expense_qualifier": None, "sent_expense_qualifier": None, "complement_type": None},
    ),
    ("ER_PRS_F", "public_double_transmission"): (
        {"activity_funding": 1}, {"activity_funding": 2}, {"activity_funding": None},
    ),
    ("ER_PRS_F", "supplement"): (
        {"complement_level": 2}, {"complement_level": 1}, {"complement_level": None},
    ),
    ("ER_PRS_F", "complement_only"): (
        {"base_nature_code": 0}, {"base_nature_code": 1111}, {"base_nature_code": None},
    ),
    ("ER_PRS_F", "regularised"): (
        {"quantity": -1, "net_quantity": 0},
        {"quantity": 2, "net_quantity": 1},
        {"quantity": None, "net_quantity": None},
    ),
    ("ER_PRS_F", "without_quantity"): ({"quantity": 0}, {"quantity": 1}, {"quantity": None}),
    ("ER_PRS_F", "fictitious_nir"): (
        {"person_status": "fictitious"}, {"person_status": "no_key"}, {"person_status": None},
    ),
    ("ER_PRS_F", "public_hospital"): (
        {
            "activity_funding": 0, "public_private_sector": 1, "establishment_category": 101,
            "treatment_mode": 7,
        },
        {
            "activity_funding": 0, "public_private_sector": 1, "establishment_category": 101,
            "treatment_mode": 5,
        },
        {
            "activity_funding": None, "public_private_sector": None,
            "establishment_category": None, "treatment_mode": None,
        },
    ),
    ("ER_PRS_F", "amounts_inconsistent"): (
        {"reimbursed_amount": -30, "base_amount": -25, "paid_amount": -40},
        {"reimbursed_amount": 25, "base_amount": 25, "paid_amount": 25},
        {"reimbursed_amount": None, "base_amount": None, "paid_amount": None},
    ),
    ("ER_PRS_F", "unknown_exemption"): (
        {"exemption_code": 99}, {"exemption_code": 42}, {"exemption_code": None},
    ),
    ("ER_PRS_F", "complement_without_act"): (
        {"is_complement_only": True, "has_act_that_day": False},
        {"is_complement_only": True, "has_act_that_day": True},
        {"is_complement_only": True, "has_act_that_day": None},
    ),
    ("ER_PRS_F", "repeated_line"): ({"copy_number": 2}, {"copy_number": 1}, {"copy_number": None}),
    ("T_MCOaaB", "finess_duplicate"): (
        {"year": 2017, "duplicate_finess": "750100018"},
        {"year": 2018, "duplicate_finess": "750100018"},
        {"year": 2010, "duplicate_finess": None},
    ),
    ("T_MCOaaB", "error_group"): (
        {"ghm_code": "90Z00Z"}, {"ghm_code": "05M901"}, {"ghm_code": None},
    ),
    ("T_MCOaaB", "generated_summary"): (
        {"generation_type": "1"}, {"generation_type": "0"}, {"generation_type": None},
    ),
    ("T_MCOaaB", "service_for_other_hospital"): (
        {"stay_type": None, "entry_mode": "8", "exit_mode": "0"},
        {"stay_type": "A", "entry_mode": "8", "exit_mode": "8"},
        {"stay_type": None, "entry_mode": None, "exit_mode": None},
    ),
    ("T_MCOaaB", "session"): ({"ghm_code": "28Z04Z"}, {"ghm_code": "02C281"}, {"ghm_code": None}),
    ("T_MCOaaB", "repeated_stay"): ({"copy_number": 2}, {"copy_number": 1}, {"copy_number": None}),
    ("T_MCOaaB", "without_patient_key"): ({"psa": None}, {"psa": "p"}, {"psa": None}),
    ("T_MCOaaB", "bad_chaining_return"): (
        {"good_returns": False}, {"good_returns": True}, {"good_returns": None},  # never NULL
    ),
    ("T_MCOaaB", "other_year"): (
        {"discharge_date": dt.date(2020, 1, 1), "year": 2019},
        {"discharge_date": dt.date(2019, 12, 31), "year": 2019},
        {"discharge_date": None, "year": 2019},
    ),
    ("T_MCOaaB", "unpriced_stay"): (
        {"ghs_number": "9999"}, {"ghs_number": "1234"}, {"ghs_number": None},
    ),
    ("T_MCOaaB", "not_valued"): (
        {"valuation_code": "0"}, {"valuation_code": "5"}, {"valuation_code": None},
    ),
    ("T_MCOaaB", "without_chaining_row"): (
        {"has_chaining": False}, {"has_chaining": True}, {"has_chaining": False},  # never NULL
    ),
    ("T_MCOaaB", "without_dates"): (
        {"entry_date": dt.date(2020, 1, 1), "discharge_date": None},
        {"entry_date": dt.date(2020, 1, 1), "discharge_date": dt.date(2020, 1, 1)},
        {"entry_date": None, "discharge_date": None},
    ),
    ("T_MCOaaB", "discharge_before_entry"): (
        {"entry_date": dt.date(2020, 1, 2), "discharge_date": dt.date(2020, 1, 1)},
        {"entry_date": dt.date(2020, 1, 1), "discharge_date": dt.date(2020, 1, 1)},
        {"entry_date": dt.date(2020, 1, 1), "discharge_date": None},
    ),
    ("T_MCOaaB", "length_unlike_dates"): (
        {"length_of_stay": 2, "date_nights": 3},
        {"length_of_stay": 2, "date_nights": 2},
        {"length_of_stay": None, "date_nights": 2},
    ),
    ("T_MCOaaB", "without_main_diagnosis"): (
        {"main_diagnosis": None}, {"main_diagnosis": "I500"}, {"main_diagnosis": None},
    ),
    ("T_MCOaaC", "not_followed"): (
        {"is_followed": False}, {"is_followed": True}, {"is_followed": None},  # never NULL
    ),
    ("T_MCOaaC", "session_apart"): (
        {"is_session": True}, {"is_session": False}, {"is_session": None},  # never NULL
    ),
    ("T_MCOaaC", "unusable_dates"): (
        {"entry_date": dt.date(2020, 1, 2), "end_date": dt.date(2020, 1, 1)},
        {"entry_date": dt.date(2020, 1, 1), "end_date": dt.date(2020, 1, 1)},
        {"entry_date": dt.date(2020, 1, 1), "end_date": None},
    ),
    ("T_MCOaaC", "overlapping_stay"): (
        {"is_crossed": True}, {"is_crossed": False}, {"is_crossed": None},  # never NULL
    ),
    ("T_MCOaaC", "stay_after_death"): (
        {"entry_date": dt.date(2020, 1, 2), "death_date": dt.date(2020, 1, 1)},
        {"entry_date": dt.date(2020, 1, 1), "death_date": dt.date(2020, 1, 1)},
        {"entry_date": dt.date(2020, 1, 1), "death_date": None},
    ),
    ("T_MCOaaA", "act_without_stay"): ({"stay_id": None}, {"stay_id": "s"}, {"stay_id": None}),
    ("T_MCOaaA", "act_without_code"): (
        {"procedure_code": None}, {"procedure_code": "DEQP003"}, {"procedure_code": None},
    ),
    ("T_MCOaaA", "act_outside_stay"): (
        {
            "procedure_date": dt.date(2020, 1, 3), "entry_date": dt.date(2020, 1, 1),
            "discharge_date": dt.date(2020, 1, 2),
        },
        {
            "procedure_date": dt.date(2020, 1, 2), "entry_date": dt.date(2020, 1, 2),
            "discharge_date": dt.date(2020, 1, 2),
        },
        {
            "procedure_date": None, "entry_date": dt.date(2020, 1, 2),
            "discharge_date": dt.date(2020, 1, 2),
        },
    ),
    ("T_SSRaaB", "error_group"): (
        {"gme_code": "9001A0"}, {"gme_code": "0190A0"}, {"gme_code": None},
    ),
    ("T_SSRaaB", "generated_summary"): (
        {"generation_type": "1"}, {"generation_type": "0"}, {"generation_type": None},
    ),
    ("T_HADaaB", "error_group"): (
        {"ghpc_code": "9901"}, {"ghpc_code": "0199"}, {"ghpc_code": None},
    ),
    ("T_MCOaaCSTC", "legal_entity_duplicate"): (
        {"finess": "750712184"}, {"finess": "750100018"}, {"finess": None},
    ),
    ("ER_PHA_F", "line_left_out"): (
        {"is_used_for_care": False}, {"is_used_for_care": True}, {"is_used_for_care": None},
    ),
    ("ER_PHA_F", "without_person"): (
        {"person_id": None}, {"person_id": "P"}, {"person_id": None},
    ),
    ("ER_PHA_F", "without_date"): (
        {"dispensing_date": None}, {"dispensing_date": dt.date(2020, 1, 1)},
        {"dispensing_date": None},
    ),
    ("ER_PHA_F", "without_class"): (
        {"atc_class": "C10"}, {"atc_class": "C10AA"}, {"atc_class": None},
    ),
    ("ER_PHA_F", "absurd_quantity"): ({"quantity": -31}, {"quantity": 30}, {"quantity": None}),
    ("ER_PHA_F", "without_pack_size"): (
        {"units_per_pack": None}, {"units_per_pack": 28}, {"units_per_pack": None},
    ),
    ("ER_PHA_F", "before_prescription"): (
        {"dispensing_date": dt.date(2020, 1, 1), "prescription_date": dt.date(2020, 1, 2)},
        {"dispensing_date": dt.date(2020, 1, 2), "prescription_date": dt.date(2020, 1, 2)},
        {"dispensing_date": dt.date(2020, 1, 2), "prescription_date": None},
    ),
    ("ER_PHA_F", "negative_without_positive"): (
        {"quantity": -1, "total_quantity": None},
        {"quantity": -1, "total_quantity": 0},
        {"quantity": None, "total_quantity": None},
    ),
    ("ER_PHA_F", "repeated_presentation"): (
        {"is_repeated": True}, {"is_repeated": False}, {"is_repeated": None},
    ),
    ("ER_PHA_F", "conflicting_classes"): (
        {"is_conflicting": True}, {"is_conflicting": False}, {"is_conflicting": None},
    ),
    ("ER_PRS_F", "care_after_death"): (
        {"care_date": dt.date(2020, 1, 2), "death_date": dt.date(2020, 1, 1)},
        {"care_date": dt.date(2020, 1, 1), "death_date": dt.date(2020, 1, 1)},
        {"care_date": dt.date(2020, 1, 2), "death_date": None},
    ),
    ("ER_PRS_F", "exemption_without_person"): (
        {"has_ald_exemption": True, "person_id": None},
        {"has_ald_exemption": True, "person_id": "P"},
        {"has_ald_exemption": None, "person_id": None},
    ),
    ("IR_IMB_R", "without_person"): (
        {"person_id": None}, {"person_id": "P"}, {"person_id": None},
    ),
    ("IR_IMB_R", "without_start"): (
        {"start_date": None}, {"start_date": dt.date(2020, 1, 1)}, {"start_date": None},
    ),
    ("IR_IMB_R", "end_before_start"): (
        {"start_date": dt.date(2020, 1, 2), "end_date": dt.date(2020, 1, 1)},
        {"start_date": dt.date(2020, 1, 1), "end_date": dt.date(2020, 1, 1)},
        {"start_date": dt.date(2020, 1, 1), "end_date": None},
    ),
    ("IR_IMB_R", "inserted_before_start"): (
        {"insert_date": dt.date(2020, 1, 1), "start_date": dt.date(2020, 1, 2)},
        {"insert_date": dt.date(2020, 1, 1), "start_date": dt.date(2020, 1, 1)},
        {"insert_date": None, "start_date": dt.date(2020, 1, 1)},
    ),
    ("IR_IMB_R", "unresolved_number"): (
        {"ald_num_source": "unresolved"}, {"ald_num_source": "delivered"},
        {"ald_num_source": None},
    ),
    ("OPEN_DAMIR", "supplement"): (
        {"reimbursement_type": 2}, {"reimbursement_type": 1}, {"reimbursement_type": None},
    ),
    ("OPEN_DAMIR", "unknown_care_month"): (
        {"care_year": 2024, "care_month_known": None},
        {"care_year": 2024, "care_month_known": 12},
        {"care_year": None, "care_month_known": None},
    ),
}  # fmt: skip


# Rules that several tables share.
for _table in ("T_SSRaaB", "T_HADaaB", "T_RIPaaRSA", "T_MCOaaCSTC"):
    for _rule in ("without_patient_key", "bad_chaining_return"):
        CASES[(_table, _rule)] = CASES[("T_MCOaaB", _rule)]
for _table in ("T_SSRaaB", "T_HADaaB"):
    CASES[(_table, "finess_duplicate")] = CASES[("T_MCOaaB", "finess_duplicate")]
for _table, _rule in (
    ("T_SSRaaB", "repeated_week"),
    ("T_HADaaB", "repeated_subsequence"),
    ("T_RIPaaRSA", "repeated_sequence"),
    ("T_MCOaaCSTC", "repeated_visit"),
):
    CASES[(_table, _rule)] = CASES[("T_MCOaaB", "repeated_stay")]

for _rule in (
    "line_left_out", "without_person", "without_date", "without_class", "before_prescription",
    "negative_without_positive",
):  # fmt: skip
    CASES[("ER_UCD_F", _rule)] = CASES[("ER_PHA_F", _rule)]

KINDS = {int: "integer", str: "varchar", bool: "boolean", dt.date: "date"}


def says(rule: rules.Rule, row: dict[str, Any], kinds: dict[str, str]) -> bool:
    columns = ", ".join(f"cast(? as {kinds[name]}) as {name}" for name in row)
    with duckdb.connect() as connection:
        found = connection.execute(
            f"select coalesce({rule.when}, false) from (select {columns})", list(row.values())
        ).fetchone()
    assert found is not None
    return bool(found[0])


@pytest.mark.parametrize(
    "rule", rules.quality_rules(), ids=lambda rule: f"{rule.table} {rule.rule}"
)
def test_a_rule_says_yes_no_and_what_it_says_of_nothing(rule: rules.Rule) -> None:
    case = CASES[(rule.table, rule.rule)]
    kinds = {
        name: KINDS[type(value)] for row in case for name, value in row.items() if value is not None
    }
    flagged, kept, missing = (says(rule, row, kinds) for row in case)
    assert (flagged, kept) == (True, False)
    assert missing == rule.missing.startswith("flagged")


def test_every_rule_has_its_words_in_both_languages_and_its_source() -> None:
    listed = rules.quality_rules()
    assert len({(rule.table, rule.rule) for rule in listed}) == len(listed) == len(CASES)
    for rule in listed:
        assert len(rule.fr) > 20 and len(rule.en) > 20 and len(rule.source) > 5, rule.rule
        assert rule.flag.startswith(("is_", "has_")), rule.rule


def test_the_page_of_the_rules_is_what_they_say() -> None:
    assert rules.path().read_text(encoding="utf-8") == rules.document(), (
        "run: python -m openchronic_assets.warehouse.rules"
    )


def rows(home: Home, sql: str) -> list[tuple[Any, ...]]:
    with warehouse.connect(home) as connection:
        return connection.execute(sql).fetchall()


def test_each_rule_says_what_it_removes_alone_and_in_its_turn(make_lake: Any) -> None:
    lake = make_lake("effect")
    lake.put(
        "er_prs_f",
        "ER_PRS_F_2020",
        [
            line("", "2020-02-01", "2020-03-01", 1),
            line("", "2020-02-01", "2020-03-01", 2, dpn_qlf=71, cpl_maj_top=2),
            line("", "2020-02-01", "2020-03-01", 3, prs_dpn_qlp=71, cpl_aff_cod=16, prs_pai_mnt=-1),
            line("", "2020-02-01", "2020-03-01", 4, cpl_maj_top=2, prs_pai_mnt=None),
            line("", "2020-02-01", "2020-03-01", 5, prs_act_qte=-1, prs_pai_mnt=-10.10),
            line("", "2019-02-01", "2020-03-01", 6, dpn_qlf=71),
        ],
    )
    lake.put("er_ete_f", "ER_ETE_F_2020", [detail("2020-03-01", 1, ete_ind_taa=1)])
    warehouse.build(lake.home, [2020])
    columns = "rule, alone_row_count, order_row_count, remaining_row_count, remaining_amount"
    with warehouse.connect(lake.home) as connection:
        found = {
            use: connection.execute(
                f"select {columns} from quality_rule_effect where year = 2020 "
                "and table_name = 'ER_PRS_F' and use_name = ? order by position",
                [use],
            ).fetchall()
            for use in ("care", "spending")
        }
        staged = connection.execute(
            "select distinct year, staged_row_count, staged_amount from quality_rule_effect"
        ).fetchall()
    euros = Decimal
    assert staged == [(2020, 5, euros("38.90"))]  # 25 + 25 - 1 - 10.10
    assert found["care"] == [
        ("information_line", 2, 2, 3, euros("14.90")),
        ("public_double_transmission", 1, 1, 2, euros("-10.10")),
        ("supplement", 2, 1, 1, euros("-10.10")),
        ("complement_only", 0, 0, 1, euros("-10.10")),
        ("regularised", 1, 1, 0, euros("0.00")),
        ("without_quantity", 0, 0, 0, euros("0.00")),
    ]
    assert found["spending"] == [
        ("information_amount", 1, 1, 4, euros("13.90")),
        ("public_double_transmission", 1, 1, 3, euros("-11.10")),
    ]


@pytest.mark.long
def test_rows_that_a_rule_loses_stop_the_build(
    make_lake: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A mart whose `is_used` column forgets a rule no longer balances."""
    changed = tmp_path / "project"
    shutil.copytree(project.project_dir(), changed, ignore=shutil.ignore_patterns("target", "logs"))
    monkeypatch.setenv(project.PROJECT_VARIABLE, str(changed))
    model = changed / "models" / "marts" / "hospital" / "hospital_stay.sql"
    text = model.read_text()
    forgetful = text.replace("{{ openchronic.is_used('T_MCOaaB', 'spending') }}",
                             "not is_session as is_used_for_spending")  # fmt: skip
    assert forgetful != text
    model.write_text(forgetful)
    lake = make_lake("unbalanced")
    lake.put("t_mcoaab", "T_MCO20B", [stay(2020, 1), stay(2020, 2, grg_ghm="28Z04Z")])
    with pytest.raises(OpenChronicError, match=r"quality_rule_effect: .*rules_balance"):
        warehouse.build(lake.home, [2020])


def left_of(care: list[tuple[str, int]]) -> dict[str, int]:
    """Return what is left of each line's quantity: negatives take from positives, oldest first."""
    left = {name: max(quantity, 0) for name, quantity in care}
    to_take = -sum(quantity for _, quantity in care if quantity < 0)
    for name, _ in care:
        taken = min(left[name], to_take)
        left[name] -= taken
        to_take -= taken
    return left


def test_quantities_are_netted_within_the_same_care_and_euros_are_not(
    make_lake: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = make_lake("netted")
    lake.put("ir_ben_r", "IR_BEN_R", [beneficiary("ann")])
    chance = random.Random(7)
    lines, expected, euros = [], {}, Decimal(0)
    for care in range(60):
        drawn = [chance.choice([-2, -1, -1, 0, 1, 1, 2, 3]) for _ in range(chance.randint(1, 5))]
        named = []
        for place, quantity in enumerate(drawn):
            number = 100 * care + place
            named.append((number, quantity))
            euros += 10 * quantity
            lines.append(
                line(
                    "ann", "2020-02-01", f"2020-{place + 3:02}-01", number, prs_nat_ref=2000 + care,
                    prs_act_qte=quantity, prs_pai_mnt=10 * quantity,
                )
            )  # fmt: skip
        expected |= left_of(named)
    # Alike in all but one of what makes the same care: nothing is taken from it.
    alone = [
        line("ann", "2020-02-02", "2020-03-01", 9000),
        line("ann", "2020-02-02", "2020-03-01", 9001, prs_act_qte=-1, pfs_exe_num="other"),
        line("ann", "2020-02-03", "2020-03-01", 9002, prs_act_qte=-1),
        line("ann", None, "2020-03-01", 9003),
        line("ann", None, "2020-03-01", 9004, prs_act_qte=-1),
        line("", "2020-02-02", "2020-03-01", 9005),
        line("", "2020-02-02", "2020-03-01", 9006, prs_act_qte=-1),
        line("ann", "2020-02-04", "2020-03-01", 9007, prs_act_qte=None),
    ]
    expected |= {9000: 1, 9001: 0, 9002: 0, 9003: 1, 9004: 0, 9005: 1, 9006: 0, 9007: None}
    lake.put("er_prs_f", "ER_PRS_F_2020", lines + alone)
    plain = run.dbt_arguments
    monkeypatch.setattr(run, "dbt_arguments", lambda plan, tests=True: plain(plan, tests=False))
    warehouse.build(lake.home, [2020])
    # The number of a line is in no mart: the raw lines say whose it is, through the order of keys.
    found = rows(
        lake.home,
        "select prestation_code, care_date, flux_month, quantity, net_quantity, is_regularised "
        "from care_event where prestation_code >= 2000 order by prestation_code, flux_month",
    )
    wanted = [
        (each["prs_nat_ref"], each["flx_dis_dtd"], expected[each["dct_ord_num"]]) for each in lines
    ]
    assert [(code, flux, net) for code, _, flux, _, net, _ in found] == sorted(wanted)
    for _, _, _, quantity, net, regularised in found:
        assert regularised == (quantity < 0 or (quantity > 0 and net == 0))
    others = rows(
        lake.home,
        "select care_date, person_id is null, quantity, net_quantity from care_event "
        "where prestation_code < 2000 order by all",
    )
    assert sorted(net for *_, net in others if net is not None) == [0, 0, 0, 0, 1, 1, 1]
    assert (day("2020-02-04"), False, None, None) in others
    total = rows(lake.home, "select sum(paid_amount) from care_event where prestation_code >= 2000")
    assert total == [(euros,)]
