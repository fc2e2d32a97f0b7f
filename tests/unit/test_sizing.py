"""The sizing on paper: arithmetic over costs that are written down."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_deliveries import openchronic

from openchronic_assets.errors import UsageError
from openchronic_assets.operations.sizing import COSTS, plan

DOCS = Path(__file__).parents[2] / "docs"
NUMBERS = st.integers(1, 10**8), st.integers(1, 30), st.integers(1, 4096)


def test_a_plan_is_its_costs_times_its_units() -> None:
    told = plan(10_000, 2, 2, lines=27.0, efficiency=1.0)
    stages = {each["stage"]: each["processor_hours"] * 3600 for each in told["stages"]}
    assert told["claim_lines"] == 540_000
    assert stages["models of the base, tests"] == pytest.approx(540_000 * 45.4e-6 + 2 * 26)
    assert stages["indicators"] == pytest.approx(20_000 * 240e-6)
    assert told["hours"] == pytest.approx(sum(stages.values()) / 3600 / 2)
    assert told["disk_total_bytes"] == pytest.approx(sum(told["disk_bytes"].values()), abs=1)


@given(*NUMBERS)
def test_twice_the_people_cost_twice_and_twice_the_cores_half(
    persons: int, years: int, cores: int
) -> None:
    one = plan(persons, years, cores)
    more, wider = plan(persons * 2, years, cores), plan(persons, years, cores * 2)
    started = 26.0 * years / 3600 / (cores * 0.7)
    assert more["hours"] - started == pytest.approx(2 * (one["hours"] - started))
    assert wider["hours"] == pytest.approx(one["hours"] / 2)
    assert more["disk_total_bytes"] == pytest.approx(2 * one["disk_total_bytes"], rel=1e-3, abs=8)


def test_each_measured_cost_is_where_it_says() -> None:
    places = {
        "0002": (DOCS / "decisions" / "0002-parse-fast-path.md").read_text(),
        "testing.md": (DOCS / "testing.md").read_text(),
        "indicators.md": (DOCS / "indicators.md").read_text(),
    }
    figures = {"0002": ["74,140", "2,000,000", "8.0"], "testing.md": ["45.4 microseconds", "26 s"],
               "indicators.md": ["240 processor seconds"]}  # fmt: skip
    for place, text in places.items():
        assert all(figure in text for figure in figures[place]), place
        assert any(cost.source.startswith(place) for cost in COSTS)


@pytest.mark.parametrize(
    "asked", [(0, 1, 1, 1.0), (1, 0, 1, 1.0), (1, 1, 0, 1.0), (1, 1, 1, 0.0), (1, 1, 1, -2.0)]
)
def test_what_is_not_positive_is_refused(asked: tuple[int, int, int, float]) -> None:
    with pytest.raises(UsageError):
        plan(*asked[:3], lines=asked[3])


def test_the_command_prints_its_assumptions() -> None:
    said = openchronic("plan", "--persons", 4_000_000, "--years", 10, "--cores", 32)
    assert said.code == 0 and "never measured beyond two cores" in said.out
    assert openchronic("plan", "--persons", 0, "--years", 1, "--cores", 1).code == 2
