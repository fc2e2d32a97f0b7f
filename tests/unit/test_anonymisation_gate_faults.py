"""Every check of the gate has a planted fault; a refused candidate leaves only its refusal."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import test_anonymisation_gate as microdata
import test_anonymisation_products as products
import test_anonymisation_research as research
import test_indicator_release as indicators
import test_release_flows as flows

from openchronic_assets.anonymisation import gate, journal, release
from openchronic_assets.anonymisation.gate import Check, inspect, judge, run_gate
from openchronic_assets.errors import Refused
from openchronic_assets.settings import Home

KINDS = {kind.__name__: functions for kind, (_, functions) in gate._KINDS.items()}
CHECKS = [name for functions in KINDS.values() for name in functions]
FAULTS = [
    *((spoil, check) for spoil, checks in microdata.FAULTS for check in checks),
    *products.FAULTS,
    *research.FAULTS,
    *((spoil, check) for check, spoil in indicators.FAULTS),
    *((None, check) for check in indicators.BY_REQUEST),
    *((spoil, check) for check, spoil in flows.FAULTS),
    # Against what is public: a test of its own there.
    (None, "flows_before"),
]


def test_every_check_has_a_planted_fault() -> None:
    """Each fault is demanded of its check by name: a check that says yes to all is noticed."""
    planted = Counter(check for _, check in FAULTS)
    assert [name for name in CHECKS if not planted[name]] == []
    assert sorted(set(planted) - set(CHECKS)) == []


def test_checks_of_all_kinds_have_names_of_their_own() -> None:
    assert len(set(CHECKS)) == len(CHECKS)


def requests() -> list[Any]:
    """Return a request of each kind, about files that are not there."""
    return [
        gate.Request("absent", "t.parquet", "t.csv", {"sex": "sex.csv"}, 12, 12, 0, 12),
        gate.TableRequest("absent", {"t.csv": {"dimensions": {}, "count": None}}),
        gate.CubeRequest("absent", "c.csv", {"sex": ["1"]}, "ledger", "r", "p", 0.1, 1e-6, 2.0),
        gate.ResearchRequest("absent", "p.parquet", None, {}, 11, "k.json", ["Ada"]),
        gate.TogetherRequest("absent", ["t.csv"], ["tables"], {}, "report.json", "job", []),
        gate.IndicatorRequest("absent", "absent", "report.json", "job", [], {}),
    ]


def test_a_request_of_each_kind_is_asked_all_the_checks() -> None:
    assert gate.expected(requests()) == CHECKS
    assert [check.name for check in inspect(requests())] == CHECKS


@pytest.mark.parametrize("kind", KINDS)
def test_a_check_that_is_missing_or_made_twice_is_refused(kind: str) -> None:
    names = list(KINDS[kind])
    good = [Check(name, True, "", 0, 0) for name in names]
    assert judge(good, names).accepted
    for position, name in enumerate(names):
        others = good[:position] + good[position + 1 :]
        assert name in judge(others, names).failed
        assert name in judge([*good, good[position]], names).failed
        for bad in (
            replace(good[position], passed=False),
            replace(good[position], measured=float("nan")),
            replace(good[position], measured=None),
            replace(good[position], threshold=float("inf")),
        ):
            assert judge([*others, bad], names).failed == (name,)
        assert set(judge([*others, replace(good[position], name="other")], names).failed) == {
            name,
            "other",
        }


@pytest.mark.parametrize("number", range(len(KINDS)))
def test_a_check_that_raises_is_refused_and_quotes_nothing(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def boom(_: object) -> None:
        raise RuntimeError("Original Line: 1500762193001")

    request = requests()[number]
    functions = KINDS[type(request).__name__]
    for name in functions:
        monkeypatch.setitem(functions, name, boom)
    checks = inspect(request)
    assert set(judge(checks, list(functions)).failed) == set(functions)
    assert {check.detail for check in checks} == {"raised RuntimeError"}


def test_a_gate_asked_nothing_or_one_kind_twice_refuses() -> None:
    assert not run_gate([]).accepted
    (together,) = (each for each in requests() if isinstance(each, gate.TogetherRequest))
    twice = [together] * 2
    good = [Check(name, True, "", 0, 0) for name in gate.expected(twice)]
    assert set(judge(good, gate.expected(twice)).failed) == set(KINDS["TogetherRequest"])


# --- end to end ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def marts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = Home(tmp_path_factory.mktemp("marts") / "home").create()
    products.marts(home)
    return home.root


# One fault a check; of these, one a kind in `make test`.
FIRST = {check: spoil for spoil, check in reversed(products.FAULTS)}
QUICK = {"table_threshold", "cube_values", "disjoint_populations"}


@pytest.mark.parametrize(
    ("check", "spoil"),
    [
        pytest.param(*each, id=each[0], marks=() if each[0] in QUICK else pytest.mark.slow)
        for each in FIRST.items()
    ],
)
def test_a_refused_candidate_leaves_nothing_but_its_refusal(
    marts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, check: str, spoil: Any
) -> None:
    """The fault is planted in what was written, just before the gate's own process reads it."""
    shutil.copytree(marts, tmp_path / "home")
    home = Home(tmp_path / "home")

    def spoiled(asked: list[Any], *options: Any) -> gate.Verdict:
        whole = products.Whole(asked)
        spoil(whole)
        return run_gate(whole.requests(), *options)

    monkeypatch.setattr(release, "run_gate", spoiled)
    files = [home.builds / "b1" / f"{name}.parquet" for name in ("patient", "person", "event")]
    with pytest.raises(Refused, match=check) as caught:
        release.prepare_candidate(
            home, files[:1], 2021, "b1", products.GENERATED,
            person_files=files[1:2], event_files=files[2:],
        )  # fmt: skip
    assert caught.value.exit_code == 3
    for zone in (home.candidate, home.release, home.release_restricted, home.vault / "releases"):
        assert list(zone.iterdir()) == []
    (entry,) = journal.read(home.vault / "journal.jsonl")
    assert (entry["event"], entry["stage"]) == ("refused", "candidate")
    assert check in entry["failed"]
    (refusal,) = (home.vault / "refusals").iterdir()
    assert json.loads(refusal.read_text(encoding="utf-8"))["failed"] == entry["failed"]
