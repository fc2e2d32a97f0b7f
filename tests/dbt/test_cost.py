"""What care cost: worked cases, and an obvious second implementation on random claims."""

from __future__ import annotations

import csv
import datetime as dt
from collections import defaultdict
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_runner import ModelRunner, SparkModelRunner, multiset
from raw_lake import beneficiary, detail, line, pseudonym

from openchronic_assets.warehouse import project

Row = dict[str, Any]
ANN = pseudonym("id ann")
D = Decimal


def costs(runner: ModelRunner, lines: list[Row], other: list[Row] | None = None) -> list[Row]:
    given = {"ir_ben_r": [beneficiary("ann")], "er_prs_f": lines, "er_aro_f": other or []}
    return runner.run("cost", given, year=2020)


def visit(number: int = 1, **more: Any) -> Row:
    return line("ann", "2020-03-05", "2020-04-01", number, pse_spe_cod=1, **more)


def payer(amount: float, kind: int, number: int = 1, order: int = 1) -> Row:
    more = {"aro_ord_num": order, "aro_rem_typ": kind, "aro_rem_mnt": amount}
    return detail("2020-04-01", number, **more)


def total(rows: list[Row], column: str) -> Decimal:
    return sum((row[column] for row in rows), D(0))


# The five cases of the public note on city-care amounts (Health Data Hub, montant des soins de
# ville); where it forgets to subtract the other payer, its own formula holds.
def test_a_visit_of_an_ordinary_patient(model_runner: ModelRunner) -> None:
    (row,) = costs(model_runner, [visit(prs_pai_mnt=27, bse_rem_bse=25, bse_rem_mnt=17.5)])
    assert (row["person_id"], row["month"], row["item"]) == (ANN, 3, "gp_fees")
    assert (row["spent"], row["base"], row["reimbursed"]) == (27, 25, D("17.5"))
    assert (row["overrun"], row["out_of_pocket"]) == (2, D("9.5"))


def test_a_visit_related_to_an_ald_leaves_nothing_to_pay(model_runner: ModelRunner) -> None:
    (row,) = costs(model_runner, [visit(prs_pai_mnt=25, bse_rem_mnt=25, exo_mtf=42)])
    assert (row["overrun"], row["out_of_pocket"]) == (0, 0)
    assert (row["exemption"], row["has_ald_exemption"], row["is_ald_related"]) == (
        "ald_related", True, True,
    )  # fmt: skip


def test_a_visit_under_solidarity_cover_is_paid_by_the_other_payer(
    model_runner: ModelRunner,
) -> None:
    (row,) = costs(model_runner, [visit(prs_pai_mnt=25)], [payer(7.5, 1)])
    assert (row["other_public"], row["out_of_pocket"]) == (D("7.5"), 0)


def test_a_visit_in_alsace_moselle_has_two_payers_beside_compulsory_insurance(
    model_runner: ModelRunner,
) -> None:
    parts = [payer(5, 2), payer(0, 3, order=2)]
    (row,) = costs(model_runner, [visit(prs_pai_mnt=30)], parts)
    assert (row["other_public"], row["overrun"], row["out_of_pocket"]) == (5, 5, D("7.5"))


def test_a_night_visit_is_three_lines(model_runner: ModelRunner) -> None:
    lines = [
        visit(1, prs_pai_mnt=25, bse_rem_bse=25, bse_rem_mnt=17.5),
        visit(2, prs_pai_mnt=19.06, bse_rem_bse=0, bse_rem_mnt=0, cpl_maj_top=1, bse_prs_nat=0,
              cpl_rem_bse=19.06, cpl_rem_mnt=13.34),
        visit(3, prs_pai_mnt=3, bse_rem_bse=0, bse_rem_mnt=0, cpl_maj_top=2, bse_prs_nat=0,
              cpl_rem_bse=3, cpl_rem_mnt=2.1),
    ]  # fmt: skip
    (row,) = costs(model_runner, lines)
    assert (row["spent"], row["base"], row["overrun"]) == (D("47.06"), D("47.06"), 0)
    assert row["out_of_pocket"] == D("14.12")
    assert row["franchise"] == 0, "a supplement is no deductible"


def test_a_regularisation_nets_to_nothing(model_runner: ModelRunner) -> None:
    back = visit(2, prs_act_qte=-1, prs_pai_mnt=-25, bse_rem_bse=-25, bse_rem_mnt=-17.5)
    (row,) = costs(model_runner, [visit(1), back])
    assert [row[name] for name in ("spent", "base", "reimbursed", "out_of_pocket", "overrun")] == [
        0
    ] * 5
    assert row["line_count"] == 2


def test_a_deductible_is_paid_by_the_patient_and_shown_apart(model_runner: ModelRunner) -> None:
    euro = visit(2, prs_pai_mnt=0, bse_rem_bse=0, bse_rem_mnt=0, cpl_maj_top=2, cpl_aff_cod=16,
                 cpl_rem_mnt=-1)  # fmt: skip
    (row,) = costs(model_runner, [visit(1), euro])
    assert (row["franchise"], row["complement"]) == (-1, -1)
    assert row["out_of_pocket"] == D("8.5")
    assert row["out_of_pocket_without_franchise"] == D("7.5")


def test_help_towards_a_complementary_contract_is_no_public_payer(
    model_runner: ModelRunner,
) -> None:
    (row,) = costs(model_runner, [visit()], [payer(4, 10), payer(2, 1, order=2)])
    assert (row["acs"], row["other_public"], row["out_of_pocket"]) == (4, 2, D("5.5"))


@pytest.mark.parametrize(
    ("code", "expected"),
    [(41, "ald_unrelated"), (46, "ald_related"), (47, "none"), (0, "none"), (None, "none"),
     (62, "other"), (99, "unknown"), (12, "unknown")],
)  # fmt: skip
def test_parity_of_the_exemption_says_whether_care_is_related(
    model_runner: ModelRunner, code: int | None, expected: str
) -> None:
    (row,) = costs(model_runner, [visit(exo_mtf=code)])
    assert row["exemption"] == expected


def test_public_care_is_counted_once_and_its_rest_is_unknown(model_runner: ModelRunner) -> None:
    given = {
        "ir_ben_r": [beneficiary("ann")],
        "er_prs_f": [visit(1, prs_nat_ref=2211), visit(2)],
        "er_ete_f": [detail("2020-04-01", 1, ete_ind_taa=1, prs_ppu_sec=1)],
        "hospital_stay": [
            {"person_id": ANN, "year": 2020, "stay_id": str(n), "discharge_date": "2020-05-01",
             "field": "mco", "valuation_method": "VALO", "total_amount": 1000,
             "is_used_for_spending": used, "is_used_for_stays": True}
            for n, used in ((1, True), (2, False))
        ]
        + [
            {"person_id": ANN, "year": 2020, "stay_id": "ssr", "discharge_date": "2020-05-01",
             "field": "ssr", "valuation_method": "TJP", "daily_tariff_amount": 300,
             "is_used_for_stays": True}
        ],
        "int_outpatient_visit": [
            {"person_id": ANN, "year": 2020, "entry_date": "2020-06-01", "base_amount": 30,
             "reimbursed_amount": 21, "is_used_for_spending": True}
        ],
    }  # fmt: skip
    found = {row["item"]: row for row in model_runner.run("cost", given, year=2020)}
    assert set(found) == {
        "gp_fees", "public_mco_stay", "public_outpatient", "public_rehabilitation",
    }  # fmt: skip
    other = found["public_rehabilitation"]
    assert (other["valuation_scope"], other["reimbursed"], other["spent"]) == ("TJP", 300, None)
    stay, outside = found["public_mco_stay"], found["public_outpatient"]
    assert (stay["reimbursed"], stay["out_of_pocket"], stay["month"]) == (1000, None, 5)
    assert stay["out_of_pocket_status"] == "public_stay"
    assert (outside["base"], outside["reimbursed"], outside["out_of_pocket"]) == (30, 21, None)


@pytest.mark.parametrize(
    ("fields", "item"),
    [
        ({"prs_nat_ref": 1111, "pse_spe_cod": 3}, "specialist_fees"),
        ({"prs_nat_ref": 1111, "pse_spe_cod": None}, "gp_fees"),
        ({"prs_nat_ref": 3313}, "drugs"),
        ({"prs_nat_ref": 3318}, "drugs"),
        ({"prs_nat_ref": 3112}, "nursing"),
        ({"prs_nat_ref": 3122}, "physiotherapy"),
        ({"prs_nat_ref": 3211}, "biology"),
        ({"prs_nat_ref": 3541}, "devices"),
        ({"prs_nat_ref": 4212}, "transport"),
        ({"prs_nat_ref": 1973}, "transport"),
        ({"prs_nat_ref": 6111}, "sickness_allowance"),
        ({"prs_nat_ref": 6121}, "maternity_allowance"),
        ({"prs_nat_ref": 7111}, "invalidity_pension"),
        ({"prs_nat_ref": 1431, "pse_act_nat": 19, "pse_spe_cod": None}, "dental_fees"),
        ({"prs_nat_ref": 2113}, "private_mco_stay"),
        ({"prs_nat_ref": None}, "other_city"),
        ({"prs_nat_ref": 4331}, "other_city"),
        ({"prs_nat_ref": -5}, "other_city"),
    ],
)
def test_each_nature_has_its_item(model_runner: ModelRunner, fields: Row, item: str) -> None:
    (row,) = costs(model_runner, [visit() | fields])
    assert row["item"] == item


def test_the_stay_of_a_clinic_has_the_item_of_its_activity(model_runner: ModelRunner) -> None:
    kinds = {(2, 128): "private_mco_stay", (2, 161): "private_psychiatry",
             (2, 109): "private_rehabilitation", (2, 127): "private_home_hospitalisation",
             (1, 292): "public_psychiatry", (1, 355): "public_mco_stay"}  # fmt: skip
    for (sector, category), item in kinds.items():
        given = {
            "er_prs_f": [visit(prs_nat_ref=2211)],
            "er_ete_f": [
                detail("2020-04-01", 1, ete_ind_taa=0, prs_ppu_sec=sector, ete_cat_cod=category)
            ],
        }
        (row,) = model_runner.run("cost", given, year=2020)
        assert row["item"] == item, (sector, category)


def test_every_item_rule_can_be_reached_and_every_item_exists() -> None:
    folder = project.project_dir() / "seeds"
    with (folder / "ref_cost_item.csv").open() as file:
        items = {row["item"] for row in csv.DictReader(file)}
    with (folder / "ref_cost_item_rule.csv").open() as file:
        rules = list(csv.DictReader(file))
    assert len(items) == 26
    assert {rule["item"] for rule in rules} <= items
    # Those valued from the PMSI, or by no table under contract, have no rule.
    assert items - {rule["item"] for rule in rules} == {"public_outpatient", "public_mco_extra"}
    keys = {
        (r["priority"], r["first_prestation"], r["performer"], r["establishment"]) for r in rules
    }
    assert len(keys) == len(rules), "two rules of one priority would decide by their number"


# The oracle: line by line, in the words of the rule.
AMOUNTS = st.sampled_from([None, 0, 1, 17.5, 25, 27, -1, -17.5, -25, 0.01, 1234.56])
CLAIM = st.fixed_dictionaries(
    {
        "exe_soi_dtd": st.sampled_from([None, "2020-01-31", "2020-02-01", "2020-12-31"]),
        "prs_nat_ref": st.sampled_from([1111, 3313, 2211, None]),
        "pse_spe_cod": st.sampled_from([1, 3, None]),
        "exo_mtf": st.sampled_from([None, 0, 41, 42, 45, 46, 47, 62]),
        "dpn_qlf": st.sampled_from([0, 71, None]),
        "prs_dpn_qlp": st.sampled_from([0, 71]),
        "cpl_maj_top": st.sampled_from([0, 1, 2, None]),
        "cpl_aff_cod": st.sampled_from([0, 16, None]),
        "prs_act_qte": st.sampled_from([1, 0, -1, None]),
        "prs_pai_mnt": AMOUNTS, "bse_rem_bse": AMOUNTS, "bse_rem_mnt": AMOUNTS,
        "cpl_rem_bse": AMOUNTS, "cpl_rem_mnt": AMOUNTS,
        "name": st.sampled_from(["ann", "bob", ""]),
        "number": st.integers(1, 12),
        "taa": st.sampled_from([None, 0, 1, 2]),
        "aro": st.lists(st.tuples(st.sampled_from([1, 2, 10, None]), AMOUNTS), max_size=2),
    }
)  # fmt: skip


def lake_of(claims: list[Row]) -> dict[str, list[Row]]:
    """Return raw tables of the claims: payers and context once a key, as they are delivered."""
    tables: dict[str, list[Row]] = {
        "ir_ben_r": [beneficiary("ann"), beneficiary("bob")],
        "er_prs_f": [], "er_ete_f": [], "er_aro_f": [],
    }  # fmt: skip
    for place, claim in enumerate(claims):
        fields = {k: v for k, v in claim.items() if k not in ("name", "number", "taa", "aro")}
        number = claim["number"]
        row = line(claim["name"], None, "2020-06-01", number) | fields | {"_source_line": place}
        tables["er_prs_f"].append(row)
        if all(each["number"] != number for each in claims[:place]):
            if claim["taa"] is not None:
                context = {"ete_ind_taa": claim["taa"], "prs_ppu_sec": 2}
                tables["er_ete_f"].append(detail("2020-06-01", number, **context))
            for order, (kind, amount) in enumerate(claim["aro"]):
                more = {"aro_ord_num": order, "aro_rem_typ": kind, "aro_rem_mnt": amount}
                tables["er_aro_f"].append(detail("2020-06-01", number, **more))
    return tables


def expected(claims: list[Row]) -> dict[tuple[Any, ...], list[Decimal]]:
    first: dict[int, Row] = {}
    sums: dict[tuple[Any, ...], list[Decimal]] = defaultdict(lambda: [D(0)] * 8)
    for claim in claims:
        is_first = claim["number"] not in first
        whole = first.setdefault(claim["number"], claim)
        information = 71 in (claim["dpn_qlf"], claim["prs_dpn_qlp"])
        flat = (claim["dpn_qlf"] or 0) == 0 and claim["prs_dpn_qlp"] == 71
        if information and not (flat and (claim["cpl_aff_cod"] or 0) == 16):
            continue
        if whole["taa"] == 1:
            continue
        pai, base, rem, cpl_base, cpl = (
            D(str(claim[name] or 0))
            for name in ("prs_pai_mnt", "bse_rem_bse", "bse_rem_mnt", "cpl_rem_bse", "cpl_rem_mnt")
        )
        payers = whole["aro"] if is_first else []
        public = sum((D(str(a or 0)) for kind, a in payers if kind != 10), D(0))
        acs = sum((D(str(a or 0)) for kind, a in payers if kind == 10), D(0))
        is_flat = (claim["cpl_maj_top"] or 0) >= 2 and claim["cpl_aff_cod"] == 16
        code = claim["exo_mtf"]
        exemption = {42: "ald_related", 46: "ald_related", 41: "ald_unrelated",
                     45: "ald_unrelated", 62: "other"}.get(code, "none")  # fmt: skip
        doctor = {1: "gp_fees", 3: "specialist_fees", None: "gp_fees"}[claim["pse_spe_cod"]]
        item = {1111: doctor, 3313: "drugs", 2211: "private_mco_stay", None: "other_city"}[
            claim["prs_nat_ref"]
        ]
        care = claim["exe_soi_dtd"]
        key = (
            pseudonym("id " + claim["name"]) if claim["name"] else None,
            int(care[5:7]) if care else None, item, exemption,
        )  # fmt: skip
        parts = [
            pai, base + cpl_base, rem, cpl, cpl if is_flat else D(0), public, acs,
            pai - rem - cpl - public,
        ]  # fmt: skip
        sums[key] = [a + b for a, b in zip(sums[key], parts, strict=True)]
    return dict(sums)


NAMES = ("spent", "base", "reimbursed", "complement", "franchise", "other_public", "acs",
         "out_of_pocket")  # fmt: skip


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(CLAIM, max_size=20), st.randoms())
def test_the_model_agrees_with_a_plain_reading_of_the_rule(
    model_runner: ModelRunner, claims: list[Row], random: Any
) -> None:
    tables = lake_of(claims)
    for rows in tables.values():
        random.shuffle(rows)
    found = {
        (row["person_id"], row["month"], row["item"], row["exemption"]): [row[n] for n in NAMES]
        for row in model_runner.run("cost", tables, year=2020)
    }
    assert found == expected(claims)


def many_claims(n: int) -> list[Row]:
    natures = (1111, 3313, 2211, 3112, 6111, 9999, None)
    return [
        {"exe_soi_dtd": str(dt.date(2020, 1 + i % 12, 1 + i % 28)), "prs_nat_ref": natures[i % 7],
         "pse_spe_cod": (1, 3, None)[i % 3], "exo_mtf": (0, 41, 42, 99)[i % 4],
         "prs_pai_mnt": 25 + i % 3, "bse_rem_bse": 25, "bse_rem_mnt": 17.5, "cpl_rem_bse": 0,
         "cpl_rem_mnt": -(i % 2), "cpl_maj_top": 2 * (i % 2), "cpl_aff_cod": 16,
         "dpn_qlf": 0, "prs_dpn_qlp": 0, "prs_act_qte": (1, -1)[i % 5 == 0],
         "name": ("ann", "bob", "")[i % 3], "number": i, "taa": (None, 1, 2)[i % 3],
         "aro": [(1, 2), (10, 1)][: i % 3]}
        for i in range(n)
    ]  # fmt: skip


@pytest.mark.spark
def test_both_engines_count_the_same_euros(
    model_runner: ModelRunner, spark_model_runner: SparkModelRunner
) -> None:
    tables = lake_of(many_claims(300))
    ours, theirs = (
        each.run_all(["care_event", "cost"], tables, year=2020)
        for each in (model_runner, spark_model_runner)
    )
    for name in ours:
        assert len(ours[name]) > 20
        assert multiset(ours[name]) == multiset(theirs[name])
