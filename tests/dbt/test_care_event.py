"""Events of care: when they were known, what is left of quantities, and the flags of bad input."""

from __future__ import annotations

import datetime as dt
import re
from collections import defaultdict
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_runner import ModelRunner, SparkModelRunner, multiset
from raw_lake import Row, beneficiary, day, detail, line

from openchronic_assets.warehouse import project

D = Decimal


def events(runner: ModelRunner, **tables: list[Row]) -> list[Row]:
    given = {"ir_ben_r": [beneficiary("ann"), beneficiary("bob")], **tables}
    return runner.run("care_event", given, year=2020)


def one(runner: ModelRunner, **fields: Any) -> Row:
    (row,) = events(runner, er_prs_f=[line("ann", "2020-03-05", "2020-04-01", 1, **fields)])
    return row


def test_an_event_is_known_from_the_month_that_made_it_available(
    model_runner: ModelRunner,
) -> None:
    lines = [line("ann", "2020-03-05", "2021-07-01", 1), line("ann", None, "2020-08-01", 2)]
    drug = {"pha_ord_num": 1, "pha_prs_c13": 3400930000011, "pha_act_qsn": 1}
    details = [detail("2021-07-01", 1, **drug), detail("2020-05-01", 77, **drug)]
    found = events(model_runner, er_prs_f=lines, er_pha_f=details)
    known = sorted((row["event_type"], row["person_status"], row["known_at"]) for row in found)
    assert known == [
        ("claim", "linked", day("2020-08-01")),
        ("claim", "linked", day("2021-07-01")),
        ("drug", "linked", day("2021-07-01")),
        ("drug", "no_claim", day("2020-05-01")),
    ]


@pytest.mark.parametrize(
    ("paid", "base", "reimbursed", "expected"),
    [
        (27, 25, 17.5, False),
        (25, 25, 25, False),
        (25, 20, 21, True),
        (20, 25, 21, True),
        (-25, -25, -17.5, False),
        (-25, -10, -17.5, True),
        (0, 0, 0, False),
        (25, None, 17.5, False),
        (25, 25, None, False),
    ],
)
def test_more_reimbursed_than_there_was_is_flagged_and_kept(
    model_runner: ModelRunner, paid: Any, base: Any, reimbursed: Any, expected: bool
) -> None:
    row = one(model_runner, prs_pai_mnt=paid, bse_rem_bse=base, bse_rem_mnt=reimbursed)
    assert row["has_inconsistent_amounts"] is expected
    assert row["is_used_for_spending"]


@pytest.mark.parametrize(
    ("code", "expected"), [(0, False), (42, False), (92, False), (99, True), (48, True),
                           (None, False)]
)  # fmt: skip
def test_an_exemption_that_no_list_holds_is_flagged(
    model_runner: ModelRunner, code: int | None, expected: bool
) -> None:
    assert one(model_runner, exo_mtf=code)["has_unknown_exemption"] is expected


def test_rule_and_spending_know_the_same_exemptions() -> None:
    folder = project.project_dir() / "macros"
    rule = (folder / "rules" / "quality_rules.sql").read_text()
    cost = (folder / "cost" / "cost_groups.sql").read_text()
    lists = [
        {int(code) for code in re.findall(r"\d+", re.search(pattern, text)[1])}  # type: ignore[index]
        for text, pattern in (
            (rule, r"exemption_code not in \(([^)]*)\)"),
            (cost, r"return\(\[([^]]*)\]\)"),
        )
    ]
    assert lists[0] == lists[1] and len(lists[0]) == 23


def test_a_complement_without_an_act_that_day_is_flagged(model_runner: ModelRunner) -> None:
    alone = {"bse_prs_nat": 0, "cpl_maj_top": 1}
    lines = [
        line("ann", "2020-03-05", "2020-04-01", 1),
        line("ann", "2020-03-05", "2020-04-01", 2, **alone),
        line("ann", "2020-03-06", "2020-04-01", 3, **alone),
        line("bob", "2020-03-05", "2020-04-01", 4, **alone),
        line("", "2020-03-05", "2020-04-01", 5, **alone),
        line("ann", None, "2020-04-01", 6, **alone),
        line("bob", "2020-03-05", "2020-04-01", 7, bse_prs_nat=0, cpl_maj_top=2),
    ]
    found = events(model_runner, er_prs_f=[row | {"prs_ord_num": 1} for row in lines])
    flagged = {
        (row["person_id"], row["care_date"]): row["is_complement_without_act"]
        for row in found
        if row["is_complement_only"]
    }
    ann, bob = (beneficiary(name)["ben_idt_ano"] for name in ("ann", "bob"))
    assert flagged == {
        (ann, dt.date(2020, 3, 5)): False,
        (ann, dt.date(2020, 3, 6)): True,
        (bob, dt.date(2020, 3, 5)): True,
        (None, dt.date(2020, 3, 5)): False,
        (ann, None): False,
    }


LINE = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["ann", "bob", ""]),
        "care": st.sampled_from(["2020-03-05", "2020-03-06", None]),
        "flux": st.sampled_from(["2020-04-01", "2020-05-01"]),
        "prs_nat_ref": st.sampled_from([1111, 3313, None]),
        "prs_act_qte": st.sampled_from([None, -2, -1, 0, 1, 2, 3]),
        "pfs_exe_num": st.sampled_from(["a", None]),
        "boxes": st.lists(st.sampled_from([None, -1, 0, 1, 2]), max_size=2),
    }
)


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(LINE, max_size=14), st.randoms())
def test_quantities_are_netted_as_a_plain_reading_of_the_rule_does(
    model_runner: ModelRunner, lines: list[Row], random: Any
) -> None:
    """Negative ones take from the positive ones of the same care, the earliest flux first."""
    prs, pha = [], []
    cares: dict[tuple[Any, ...], list[tuple[str, str, Any]]] = defaultdict(list)
    for number, row in enumerate(lines):
        fields = {name: row[name] for name in ("prs_nat_ref", "prs_act_qte", "pfs_exe_num")}
        prs.append(line(row["name"], row["care"], row["flux"], number, **fields))
        for order, boxes in enumerate(row["boxes"]):
            drug = {"pha_ord_num": order, "pha_prs_c13": 3400930000011, "pha_act_qsn": boxes}
            pha.append(detail(row["flux"], number, **drug))
    random.shuffle(prs)
    random.shuffle(pha)
    found = events(model_runner, er_prs_f=prs, er_pha_f=pha)
    assert len(found) == len(prs) + len(pha)
    for event in found:
        is_nobody = event["person_status"] != "linked" or event["care_date"] is None
        key = (
            event["event_type"], event["person_id"], event["care_date"],
            event["prestation_code"], event["performer_id"], event["code"],
            event["event_id"] if is_nobody else None,
        )  # fmt: skip
        cares[key].append((str(event["flux_month"]), event["event_id"], event))
    for same in cares.values():
        takes = sum((-e["quantity"] for *_, e in same if (e["quantity"] or 0) < 0), D(0))
        for _, _, event in sorted(same, key=lambda each: each[:2]):
            quantity = event["quantity"]
            if quantity is None:
                assert event["net_quantity"] is None
                continue
            taken = min(max(quantity, 0), takes)
            takes -= taken
            assert event["net_quantity"] == max(quantity, 0) - taken


@pytest.mark.spark
def test_both_engines_give_the_same_events(
    model_runner: ModelRunner, spark_model_runner: SparkModelRunner
) -> None:
    lines, drugs = [], []
    for i in range(250):
        care = str(dt.date(2020, 1 + i % 12, 1 + i % 5)) if i % 11 else None
        more = {"prs_act_qte": (1, 2, -1, None)[i % 4], "bse_prs_nat": i % 3, "exo_mtf": i % 60}
        lines.append(line(("ann", "bob", "")[i % 3], care, "2020-04-01", i, **more))
        drug = {"pha_ord_num": 1, "pha_prs_c13": 3400930000011, "pha_act_qsn": (1, -1)[i % 2]}
        drugs.append(detail("2020-04-01", i + 20, **drug))
    tables = {"ir_ben_r": [beneficiary("ann")], "er_prs_f": lines, "er_pha_f": drugs}
    ours = model_runner.run("care_event", tables, year=2020)
    theirs = spark_model_runner.run("care_event", tables, year=2020)
    assert len(ours) > 400
    assert multiset(ours) == multiset(theirs)
