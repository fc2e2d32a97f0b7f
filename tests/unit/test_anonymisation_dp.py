from __future__ import annotations

import json
import multiprocessing
import os
import signal
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from openchronic_assets.anonymisation import dp, journal
from openchronic_assets.anonymisation.dp import (
    Bounds,
    add_noise,
    bounded_counts,
    consistent,
    release_cube,
)
from openchronic_assets.anonymisation.ledger import Ledger, epsilon, epsilon_simple
from openchronic_assets.errors import OpenChronicError, Refused, UsageError

KEYS = {"place": ["23", "62"], "family": ["Cancer", "Diabète", "Psychiatrie"]}
SECRET = b"s" * 32


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "vault" / "budget.jsonl", 0.5)


def events(path: Path, rows: list[tuple[str | None, str, str]]) -> Path:
    columns = list(zip(*rows, strict=True))
    names = ("person_id", "place", "family")
    pq.write_table(pa.table({n: list(c) for n, c in zip(names, columns, strict=True)}), path)
    return path


@pytest.mark.parametrize(
    ("rho", "simple", "tight", "simple9"),
    [
        (0.1, 2.4508, 2.1419, 2.9791),
        (0.25, 3.9669, 3.5423, 4.8023),
        (0.5, 5.7565, 5.2215, 6.9379),
        (1.0, 8.4338, 7.7662, 10.1046),
    ],
)
def test_conversions_from_rho(rho: float, simple: float, tight: float, simple9: float) -> None:
    assert epsilon_simple(rho, 1e-6) == pytest.approx(simple, abs=5e-5)
    assert epsilon(rho, 1e-6) == pytest.approx(tight, abs=5e-5)
    assert epsilon_simple(rho, 1e-9) == pytest.approx(simple9, abs=5e-5)


def test_scale_of_the_noise() -> None:
    assert Bounds(1, 1).scale(0.5) == pytest.approx(1.0)
    assert Bounds(20, 3).scale(0.5) == pytest.approx(13.4164, abs=5e-5)


@pytest.mark.parametrize("bad", [(0, 1), (1, 0), (True, 1), (1.5, 1)])
def test_bounds_are_whole_numbers(bad: tuple[int, int]) -> None:
    with pytest.raises(UsageError):
        Bounds(*bad)


def test_one_person_moves_the_counts_by_the_bounds_at_most(tmp_path: Path) -> None:
    others = [(f"p{i}", "62", "Cancer") for i in range(5)]
    one = [("x", place, family) for place in KEYS["place"] for family in KEYS["family"]] * 100
    bounds = Bounds(2, 3)
    counted = [
        bounded_counts([events(tmp_path / f"{n}.parquet", rows)], "person_id", KEYS, bounds, SECRET)
        for n, rows in enumerate((others, others + one))
    ]
    change = counted[1] - counted[0]
    assert np.count_nonzero(change) == 2
    assert change.max() == 3 and change.min() == 0
    assert np.sqrt((change**2).sum()) <= bounds.l2 + 1e-12


def test_counts_equal_a_plain_count_when_nothing_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = np.random.default_rng(1)
    rows = [
        (f"p{draw.integers(40)}", str(draw.choice(["23", "62", "99"])),
         str(draw.choice(KEYS["family"])))
        for _ in range(400)
    ]  # fmt: skip
    file = events(tmp_path / "e.parquet", rows)
    expected = [
        [sum(1 for _, p, f in rows if (p, f) == (place, family)) for family in KEYS["family"]]
        for place in KEYS["place"]
    ]
    for at_once in (1_000_000, 90):
        monkeypatch.setattr(dp, "EVENTS_AT_ONCE", at_once)
        found = bounded_counts([file], "person_id", KEYS, Bounds(6, 400), SECRET)
        assert found.tolist() == expected


def test_an_event_without_a_person_is_refused(tmp_path: Path) -> None:
    file = events(tmp_path / "e.parquet", [("p", "62", "Cancer"), (None, "62", "Cancer")])
    with pytest.raises(OpenChronicError, match="1 events have no person"):
        bounded_counts([file], "person_id", KEYS, Bounds(1), SECRET)


def test_a_missing_column_and_a_repeated_key_are_errors(tmp_path: Path) -> None:
    file = events(tmp_path / "e.parquet", [("p", "62", "Cancer")])
    with pytest.raises(OpenChronicError, match="cannot be counted"):
        bounded_counts([file], "nobody", KEYS, Bounds(1), SECRET)
    with pytest.raises(UsageError, match="distinct"):
        bounded_counts([file], "person_id", {"place": ["62", "62"]}, Bounds(1), SECRET)


def test_the_noise_is_whole_centred_and_of_its_scale() -> None:
    counts = np.full(20_000, 50)
    noisy = add_noise(counts, Bounds(20, 3), 0.5)
    assert noisy.dtype == np.int64
    assert abs((noisy - counts).mean()) < 0.5
    assert (noisy - counts).std() == pytest.approx(13.4164, rel=0.05)


def test_consistent_cubes_are_never_negative_and_keep_their_total() -> None:
    draw = np.random.default_rng(2)
    for _ in range(50):
        noisy = draw.integers(-9, 12, (3, 4))
        found = consistent(noisy)
        assert found.min() >= 0
        assert found.sum() == max(0, noisy.sum())
    same = np.array([[3, 0], [7, 1]])
    assert (consistent(same) == same).all()
    assert (consistent(np.array([-4, -1])) == 0).all()


def test_a_release_reserves_before_it_reads_and_spends_once(tmp_path: Path, ledger: Ledger) -> None:
    file = events(tmp_path / "e.parquet", [(f"p{i}", "62", "Cancer") for i in range(90)])
    cube = release_cube(ledger, "r1", "patients", [file], "person_id", KEYS, Bounds(1), 0.3, SECRET)
    assert cube.counts.shape == (2, 3)
    assert cube.epsilon == pytest.approx(epsilon(0.3, 1e-6))
    entry = ledger.release("r1")
    assert entry and entry["bounds"] == {"cells_per_person": 1, "rows_per_cell": 1}
    assert entry["keys"] == "public" and entry["unit"] == "person"
    with pytest.raises(Refused, match="has reserved"):
        release_cube(ledger, "r1", "patients", [file], "person_id", KEYS, Bounds(1), 0.1, SECRET)
    with pytest.raises(Refused, match=r"needs rho 0\.3"):
        release_cube(ledger, "r2", "patients", [file], "person_id", KEYS, Bounds(1), 0.3, SECRET)
    # Another population has its own budget; a failure after the reservation keeps it.
    with pytest.raises(OpenChronicError):
        release_cube(ledger, "r3", "others", [file], "nobody", KEYS, Bounds(1), 0.2, SECRET)
    assert ledger.spent("others") == pytest.approx(0.2)
    assert ledger.spent("patients") == pytest.approx(0.3)


def test_commit_follows_one_reservation(ledger: Ledger) -> None:
    with pytest.raises(Refused, match="reserved nothing"):
        ledger.commit("r", "0" * 64)
    ledger.reserve("r", "p", 0.1, {})
    ledger.commit("r", "0" * 64)
    with pytest.raises(Refused, match="committed already"):
        ledger.commit("r", "0" * 64)
    assert ledger.spent("p") == pytest.approx(0.1)


@pytest.mark.parametrize("bad", [0.0, -0.1, float("nan"), float("inf"), True])
def test_a_budget_is_a_positive_number(ledger: Ledger, bad: float) -> None:
    with pytest.raises(UsageError):
        ledger.reserve("r", "p", bad, {})
    assert ledger.entries() == []


def test_a_changed_ledger_is_never_read(ledger: Ledger) -> None:
    ledger.reserve("a", "p", 0.2, {})
    ledger.reserve("b", "p", 0.2, {})
    text = ledger.path.read_text()
    ledger.path.write_text(text.replace('"rho": 0.2', '"rho": 0.1', 1))
    with pytest.raises(OpenChronicError, match="broken at line 1"):
        ledger.reserve("c", "p", 0.1, {})
    ledger.path.write_text(text.split("\n", 1)[1])
    with pytest.raises(OpenChronicError, match="broken at line 1"):
        ledger.spent("p")


def test_an_entry_that_spends_nan_closes_the_ledger(ledger: Ledger) -> None:
    journal.append(ledger.path, "reserved", release="a", population="p", rho=float("nan"))
    with pytest.raises(OpenChronicError, match="NaN"):
        ledger.reserve("b", "p", 0.1, {})


def _reserve(path: str, name: str, start: object, results: object) -> None:
    start.wait()  # type: ignore[attr-defined]
    try:
        Ledger(Path(path), 0.5).reserve(name, "p", 0.3, {})
        results.put((name, True))  # type: ignore[attr-defined]
    except Refused:
        results.put((name, False))  # type: ignore[attr-defined]


def test_two_releases_at_once_cannot_both_pass_the_cap(ledger: Ledger) -> None:
    context = multiprocessing.get_context("fork")
    for turn in range(5):
        path = ledger.path.with_name(f"budget-{turn}.jsonl")
        start, results = context.Event(), context.Queue()
        both = [
            context.Process(target=_reserve, args=(str(path), name, start, results))
            for name in ("a", "b")
        ]
        for process in both:
            process.start()
        start.set()
        for process in both:
            process.join(20)
        assert sorted(results.get()[1] for _ in both) == [False, True]
        assert Ledger(path, 0.5).spent("p") == pytest.approx(0.3)


def test_a_kill_after_the_reservation_keeps_it(ledger: Ledger) -> None:
    pid = os.fork()
    if pid == 0:
        ledger.reserve("killed", "p", 0.4, {})
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    assert ledger.spent("p") == pytest.approx(0.4)
    with pytest.raises(Refused):
        ledger.reserve("next", "p", 0.2, {})


def test_a_torn_last_line_is_not_a_reservation(ledger: Ledger) -> None:
    ledger.reserve("a", "p", 0.2, {})
    with ledger.path.open("ab") as file:
        file.write(json.dumps({"release": "b"}).encode()[:7])
    ledger.reserve("b", "p", 0.3, {})
    assert [entry["release"] for entry in ledger.entries()] == ["a", "b"]


def test_the_hash_of_duckdb_spreads_the_choice_of_cells(tmp_path: Path) -> None:
    """Which cell is kept varies from person to person, and with the secret."""
    rows = [(f"p{i}", p, f) for i in range(300) for p in KEYS["place"] for f in KEYS["family"]]
    file = events(tmp_path / "e.parquet", rows)
    found = bounded_counts([file], "person_id", KEYS, Bounds(1), SECRET)
    assert found.sum() == 300 and found.min() > 20
    other = bounded_counts([file], "person_id", KEYS, Bounds(1), b"t" * 32)
    assert (found != other).any()
    assert duckdb.__version__
