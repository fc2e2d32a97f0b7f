"""What a release tells of the differences between its shown territories."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from openchronic_assets.anonymisation.gate.indicators import _differ
from openchronic_assets.anonymisation.indicator_files import write_variation
from openchronic_assets.anonymisation.indicator_tables import Counted, Territories, judge
from openchronic_assets.indicators.spread import FEWEST, spread


def test_equal_rates_do_not_vary() -> None:
    found = spread("rate", np.full(9, 50.0), np.full(9, 1000.0), 9)
    assert found["units"] == 9 and found["eq"] == found["eq_5_95"] == 1.0
    assert found["cvw"] == pytest.approx(0) and found["eb"] == 0.0
    # Nine rates without any spread vary less than chance would make them.
    assert found["scv"] == pytest.approx(-100 / 50)


def test_a_known_spread_is_told() -> None:
    num = np.array([100.0] * 5 + [300.0] * 5)
    found = spread("proportion", num, np.full(10, 1000.0), 10)
    assert found["eq"] == pytest.approx(3)
    assert found["cvw"] == pytest.approx(0.5)
    assert found["scv"] == pytest.approx(100 * (0.25 - 1 / 200))
    assert found["eb"] == pytest.approx(0.25 - 1 / 200)


def test_nothing_is_told_of_few_territories_or_of_a_part() -> None:
    some = np.full(FEWEST - 1, 50.0)
    assert spread("rate", some, some * 9, len(some)) == {}
    many = np.full(FEWEST, 50.0)
    assert spread("rate", many, many * 9, FEWEST) != {}
    assert spread("rate", many, many * 9, 2 * FEWEST) == {}


def test_a_mean_has_no_expected_events() -> None:
    assert set(spread("mean", np.full(9, 5e4), np.full(9, 100.0), 9)) == {
        "units", "eq", "eq_5_95", "cvw",
    }  # fmt: skip


def test_no_event_at_all_leaves_only_the_number_of_territories() -> None:
    assert spread("rate", np.zeros(9), np.full(9, 100.0), 9) == {"units": 9.0}


@pytest.mark.parametrize("kind", ["proportion", "rate", "mean"])
def test_the_gate_finds_the_same_by_itself(kind: str) -> None:
    rng = np.random.default_rng(3)
    for _ in range(50):
        den = rng.integers(50, 5000, 20).astype(float)
        num = np.minimum(rng.poisson(den * rng.uniform(0.01, 0.5)), den).astype(float)
        mine, gate = spread(kind, num, den, 20), _differ(kind, num, den)
        assert set(mine) <= set(gate)
        assert all(gate[name] == pytest.approx(value, rel=1e-12) for name, value in mine.items())


def test_a_file_is_made_of_shown_cells(tmp_path: Path) -> None:
    codes = [f"{n:02d}" for n in range(1, 13)]
    places = Territories(tuple((c, c, "84") for c in codes), {"84": "Auvergne-Rhône-Alpes"})
    den = np.full((12, 2, 5), 400)
    num = np.random.default_rng(5).integers(20, 90, den.shape)
    rest = den - num
    table = Counted("ed_user", "all", 2020, "proportion", "consumers", num, den, num, rest, den)
    found = judge(places, [table])
    write_variation(tmp_path / "variation.csv", found, spread)
    with (tmp_path / "variation.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["statistic"]: float(row["value"]) for row in csv.DictReader(file)}
    rates = num.sum(axis=(1, 2)) / den.sum(axis=(1, 2))
    assert rows["units"] == 12
    assert rows["eq"] == pytest.approx(rates.max() / rates.min())
    assert rows["cvw"] == pytest.approx(rates.std() / rates.mean())
