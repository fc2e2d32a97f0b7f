"""The regressions over the regions of Open DAMIR: matrices, planted lines, what must not run."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from typer.testing import CliRunner

from openchronic_assets.cli import app
from openchronic_assets.errors import UsageError
from openchronic_assets.indicators import damir, damir_report
from openchronic_assets.settings import Home

NAMES = [f"R{n}" for n in range(13)]
X = np.array([78.0, 92, 64, 101, 85, 73, 88, 95, 70, 82, 99, 67, 90])
W = np.array([12.0, 2.5, 2.8, 3.3, 6.0, 5.5, 3.9, 3.4, 6.1, 6.1, 8.2, 5.5, 2.2])


def hc3(x: Any, y: Any, w: Any) -> tuple[float, float, float]:
    """Return slope, HC3 error and R², by the matrices of the textbook."""
    design = np.column_stack([np.ones_like(x), x]) * np.sqrt(w)[:, None]
    target = y * np.sqrt(w)
    bread = np.linalg.inv(design.T @ design)
    beta = bread @ design.T @ target
    left = target - design @ beta
    hat = np.diag(design @ bread @ design.T)
    meat = design.T @ np.diag((left / (1 - hat)) ** 2) @ design
    middle = np.average(y, weights=w)
    return (
        float(beta[1]),
        float(np.sqrt((bread @ meat @ bread)[1, 1])),
        float(1 - (left @ left) / (w @ (y - middle) ** 2)),
    )


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(-3, 9), min_size=13, max_size=13))
def test_the_line_is_that_of_the_matrices(noise: list[float]) -> None:
    y = 2 + 0.005 * X + np.array(noise)
    found = damir.fit(X, y, W, NAMES)
    slope, error, share = hc3(X, y, W)
    assert found.slope == pytest.approx(slope, rel=1e-9, abs=1e-12)
    assert found.standard_error == pytest.approx(error, rel=1e-9, abs=1e-12)
    reach = stats.t.ppf(0.975, 11) * error
    assert (found.low, found.high) == pytest.approx((slope - reach, slope + reach), abs=1e-9)
    if np.ptp(y) > 1e-6:
        assert found.r_squared == pytest.approx(share, abs=1e-9)
    others = [hc3(np.delete(X, n), np.delete(y, n), np.delete(W, n))[0] for n in range(13)]
    assert (found.lowest, found.highest) == pytest.approx((min(others), max(others)), abs=1e-9)
    moved = np.abs(np.array(others) - slope)
    assert moved[NAMES.index(found.without)] == pytest.approx(moved.max(), abs=1e-9)


def test_weights_count_by_their_proportions() -> None:
    y = 1 + 0.01 * X + np.sin(X)
    one, thousand = damir.fit(X, y, W, NAMES), damir.fit(X, y, W * 1e6, NAMES)
    for name in ("slope", "standard_error", "low", "high", "r_squared", "lowest", "highest"):
        assert getattr(thousand, name) == pytest.approx(getattr(one, name), rel=1e-9)


def test_one_region_that_makes_the_line_is_named() -> None:
    y = np.full(13, 3.0)
    y[3] = 9
    found = damir.fit(X, y, np.ones(13), NAMES)
    assert found.without == "R3"
    assert found.slope > 0 and found.lowest == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("x", "y", "w", "message"),
    [
        (X[:4], X[:4], W[:4], "fewer than"),
        (np.full(13, 80.0), X, W, "same everywhere"),
        (np.r_[np.full(12, 80.0), 90], X, W, "alone makes the line"),
        (np.r_[X[:12], np.nan], X, W, "finite"),
        (X, X, np.r_[W[:12], 0.0], "positive"),
        (X, X, W[:12], "as long"),
    ],
)
def test_what_carries_no_line_is_refused(x: Any, y: Any, w: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        damir.fit(x, y, w, [f"R{n}" for n in range(len(x))])


def points(y: Any, year: int = 2019, x: Any = X) -> list[dict[str, Any]]:
    return [
        {"region": n, "label": NAMES[n], "year": year, "x": float(x[n]), "y": float(y[n]),
         "weight": float(W[n]), "absent_reason": None}
        for n in range(13)
    ]  # fmt: skip


def test_the_claim_is_judged_by_the_interval() -> None:
    wiggle = 0.001 * np.cos(7 * X)

    def verdict(slope: float, scale: float = 1.0) -> str:
        found = damir.answer("gp_density_visits", points(2 + slope * X + scale * wiggle))
        return str(found["claim"]["verdict"])

    assert verdict(0.005) == "compatible"
    assert verdict(0.001) == "lower"
    assert verdict(0.02) == "higher"
    assert verdict(0.005, 1000) == "undecided"
    found = damir.answer("city_emergency", points(X))
    assert found["claim"] is None


def test_a_difference_forgets_what_a_region_always_is() -> None:
    level = 10 * np.sin(X)
    more = X + np.linspace(-8, 4, 13)
    found = damir.long_difference(
        points(level + 0.005 * X, 2015)
        + points(0 * X, 2017)
        + points(level + 0.005 * more, 2019, more)
    )
    assert found is not None and (found["from"], found["to"]) == (2015, 2019)
    assert found["fit"]["slope"] == pytest.approx(0.005)
    assert damir.long_difference(points(X)) is None


def month(text: str, spend: float, follow_up: int) -> dict[str, Any]:
    return {"care_month": dt.date.fromisoformat(f"{text}-01"), "spend_amount": Decimal(str(spend)),
            "patient_amount": Decimal("13.00"), "follow_up_months": follow_up}  # fmt: skip


def test_months_are_compared_only_once_they_are_complete() -> None:
    found = damir.changes(
        [month("2018-01", 50, 12), month("2018-12", 50, 6), month("2019-01", 65, 11),
         month("2019-12", 20, 1), month("2019-06", 0, 8)]
    )  # fmt: skip
    told = {m["care_month"].isoformat()[:7]: m for m in found}
    assert told["2019-01"]["spend_change"] == pytest.approx(0.3)
    assert told["2019-01"]["patient_share"] == pytest.approx(0.2)
    assert (told["2019-12"]["reason"], told["2019-12"]["spend_change"]) == ("incomplete", None)
    assert told["2019-06"]["reason"] == "no_month" and told["2019-06"]["patient_share"] is None


def test_the_page_says_what_lacks_and_what_cannot_be_said(tmp_path: Path) -> None:
    lacking = [p | {"x": None, "y": None, "absent_reason": "no_professionals"} for p in points(X)]
    found = {
        "year": 2019, "years": [2019], "regions": [], "points": [],
        "answers": [damir.answer("gp_density_visits", points(2 + 0.005 * X + np.cos(X) / 50)),
                    damir.answer("city_emergency", lacking)],
        "long_difference": None,
        "regimes": [{"exemption": "none", "spend_amount": Decimal("35.00"),
                     "base_amount": Decimal("23.00"), "reimbursed_amount": Decimal("15.10"),
                     "supplement_amount": Decimal("6.90"), "patient_amount": Decimal("13.00"),
                     "overrun_amount": Decimal("12.00")}],
        "months": damir.changes([month("2019-01", 65, 11)]),
        "cannot_answer": list(damir.UNANSWERABLE),
    }  # fmt: skip
    text, html, figures = damir_report.write(Home(tmp_path), found)
    page = html.read_text(encoding="utf-8")
    for words in ("13 régions", "activité physique", "aucun effectif dans OPEN_PROFESSIONALS",
                  "il faut au moins 5 régions", "13,00", "la plus lourde"):  # fmt: skip
        assert words in page, words
    assert "http" not in page.replace("http-equiv", "")
    told = json.loads(figures.read_text(encoding="utf-8"))
    assert told["answers"][0]["fit"]["points"] == 13 and told["answers"][1]["fit"] is None
    assert "Open DAMIR" in text.read_text(encoding="utf-8")


def built(monkeypatch: pytest.MonkeyPatch, tables: dict[str, list[dict[str, Any]]]) -> None:
    """Stand a catalogue with these marts in place of a build's."""

    def connect(home: Home) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect()
        for name, rows in tables.items():
            given_rows = pa.Table.from_pylist(rows)
            connection.register("incoming", given_rows)
            connection.execute(f"create table {name} as from incoming")
            connection.unregister("incoming")
        return connection

    monkeypatch.setattr(damir.warehouse, "connect", connect)


def catalogue(year: int = 2019) -> dict[str, list[dict[str, Any]]]:
    asked = [
        {name: value for name, value in point.items() if name != "label"} | {"question": question}
        for question in damir.QUESTIONS
        for point in points(2 + 0.005 * X + np.cos(X) / 50, year)
    ]
    cell = month(f"{year}-01", 35, 12) | {"year": year, "exemption": "none"}
    cell |= dict.fromkeys(
        ("base_amount", "reimbursed_amount", "supplement_amount", "overrun_amount"), Decimal("1.00")
    )
    return {
        "ref_damir_region": [{"region": n, "label_fr": NAMES[n]} for n in range(13)],
        "damir_question": asked,
        "damir_density": [{"region": n, "year": year, "absent_reason": None} for n in range(13)],
        "damir_exemption": [cell],
    }


def test_the_command_answers_from_the_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = catalogue()
    for rows in (tables["damir_question"], tables["damir_density"]):
        rows[0]["absent_reason"] = "no_professionals"
    built(monkeypatch, tables)
    done = CliRunner().invoke(app, ["indicators", "damir", "--home", str(tmp_path), "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    first = told["answers"][0]
    assert (told["year"], first["points"], first["absent"]) == (
        2019, 12, {"R0": "no_professionals"}
    )  # fmt: skip
    assert all(Path(file).is_file() for file in told["files"])
    assert told["months"][0]["care_month"] == "2019-01-01"


def test_a_year_without_open_damir_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    built(monkeypatch, catalogue() | {"damir_density": [
        {"region": n, "year": 2019, "absent_reason": "no_damir"} for n in range(13)
    ]})  # fmt: skip
    with pytest.raises(UsageError, match="years with lines: none"):
        damir.gather(Home(Path()))
    built(monkeypatch, catalogue())
    with pytest.raises(UsageError, match="of 2020.*2019"):
        damir.gather(Home(Path()), 2020)
