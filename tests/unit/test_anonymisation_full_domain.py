from __future__ import annotations

import itertools
import math
import subprocess
import sys
from collections import Counter
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openchronic_assets.anonymisation import full_domain
from openchronic_assets.anonymisation.criteria import Criteria, criteria
from openchronic_assets.anonymisation.cube import (
    Cube,
    Sensitive,
    cube_from_arrow,
    cube_from_parquet,
    make_cube,
)
from openchronic_assets.anonymisation.full_domain import search
from openchronic_assets.anonymisation.hierarchies import (
    Hierarchy,
    HierarchyError,
    read_hierarchy,
)
from openchronic_assets.anonymisation.local_recoding import loss_of, recode
from openchronic_assets.bench import anonymise as bench
from openchronic_assets.errors import UsageError

LETTERS = Hierarchy(
    "letter",
    ("0", "1", "2"),
    (("a", "AB", "*"), ("b", "AB", "*"), ("c", "C.", "*"), ("d", "DE", "*"), ("e", "DE", "*")),
)
DIGITS = Hierarchy(
    "digit",
    ("0", "1", "2", "3"),
    tuple((str(n), f"pair{n // 2}", f"quad{n // 4}", "*") for n in range(8)),
)
FLAG = Hierarchy("flag", ("0", "1"), (("yes", "*"), ("no", "*")))
ALL = (LETTERS, DIGITS, FLAG)

Row = tuple[str, str, str]


def to_table(rows: list[Row]) -> pa.Table:
    return pa.table(
        {h.name: pa.array([row[d] for row in rows], pa.string()) for d, h in enumerate(ALL)}
    )


def brute_force(
    rows: list[Row], k: int, limit: float, weights: dict[str, float], cost: float
) -> tuple[float, int, tuple[int, ...]] | None:
    """Every node, each record, no cleverness: (loss, suppressed, node) of the best node."""
    found = []
    n = len(rows)
    for node in itertools.product(*(range(h.height) for h in ALL)):
        ancestors = [
            {row[0]: row[level] for row in h.rows} for h, level in zip(ALL, node, strict=True)
        ]
        shown = [tuple(ancestors[d][row[d]] for d in range(len(ALL))) for row in rows]
        sizes = Counter(shown)
        suppressed = sum(1 for values in shown if sizes[values] < k)
        if suppressed > limit * n + 1e-9:
            continue
        product = 0.0
        for d, h in enumerate(ALL):
            leaves = Counter(ancestors[d].values())
            total = 0.0
            for values in shown:
                share = leaves[values[d]] / len(h.rows)
                total += share if sizes[values] >= k else share + cost * (1 - share)
            floor = n / len(h.rows)
            part = max(0.0, (total - floor) / (n - floor))
            product += weights.get(h.name, 1.0) * math.log(1 + part)
        loss = math.exp(product / sum(weights.get(h.name, 1.0) for h in ALL)) - 1
        found.append((loss, suppressed, node))
    if not found:
        return None
    least = min(loss for loss, _, _ in found)
    return min((f for f in found if f[0] <= least + 1e-11), key=lambda f: (sum(f[2]), f[2]))


ROWS = st.lists(
    st.tuples(
        st.sampled_from(LETTERS.leaves),
        st.sampled_from(DIGITS.leaves),
        st.sampled_from(FLAG.leaves),
    ),
    min_size=1,
    max_size=60,
)


@settings(max_examples=150, deadline=None)
@given(
    rows=ROWS,
    k=st.integers(1, 9),
    limit=st.sampled_from([0.0, 0.05, 0.3, 1.0]),
    weights=st.sampled_from([{}, {"letter": 3.0}, {"digit": 0.25, "flag": 2.0}]),
    cost=st.sampled_from([1.0, 0.2]),
)
def test_the_node_found_is_the_best_of_all_nodes(
    rows: list[Row], k: int, limit: float, weights: dict[str, float], cost: float
) -> None:
    expected = brute_force(rows, k, limit, weights, cost)
    found = search(cube_from_arrow(to_table(rows), ALL), k, limit, weights, suppression_cost=cost)
    if expected is None:
        assert found is None
        return
    assert found is not None
    assert found.loss == pytest.approx(expected[0], abs=1e-10)
    assert (found.suppressed, found.node) == expected[1:]
    assert found.nodes == 24


def test_a_table_smaller_than_k_has_no_admissible_node() -> None:
    cube = cube_from_arrow(to_table([("a", "1", "yes")] * 4), ALL)
    assert search(cube, 5, 0.05) is None
    assert search(cube, 4, 0.0) is not None


def test_the_root_can_be_left_out() -> None:
    rows: list[Row] = [("a", "0", "yes"), ("e", "7", "no")]
    cube = cube_from_arrow(to_table(rows), ALL)
    found = search(cube, 2, 0.0)
    assert found is not None and found.node == (2, 3, 1)
    assert search(cube, 2, 0.0, allow_root=False) is None


def test_an_unknown_value_or_a_missing_column_is_refused_without_the_value() -> None:
    table = to_table([("a", "1", "yes"), ("zz-private", "1", "yes")])
    with pytest.raises(HierarchyError, match="column letter: 1 records") as caught:
        cube_from_arrow(table, ALL)
    assert "zz-private" not in str(caught.value)
    with pytest.raises(HierarchyError, match="missing"):
        cube_from_arrow(table.drop_columns(["flag"]), ALL)


def test_a_null_is_not_taken_for_a_value_by_accident() -> None:
    table = pa.table({"flag": pa.array(["yes", None, "no"], pa.string())})
    with pytest.raises(HierarchyError, match="NULL"):
        cube_from_arrow(table, [FLAG])


@pytest.mark.parametrize(
    "arguments",
    [
        {"k": 0},
        {"k": 2, "limit": 1.5},
        {"k": 2, "weights": {"letter": 0.0}},
        {"k": 2, "weights": {"nobody": 1.0}},
    ],
)
def test_a_parameter_out_of_range_is_refused(arguments: dict[str, object]) -> None:
    cube = cube_from_arrow(to_table([("a", "1", "yes")]), ALL)
    with pytest.raises(UsageError):
        search(cube, **arguments)  # type: ignore[arg-type]


def test_parquet_files_and_a_table_give_the_same_cube(tmp_path: Path) -> None:
    rows: list[Row] = [("a", "1", "yes"), ("b", "7", "no"), ("a", "1", "yes")]
    pq.write_table(to_table(rows[:2]), tmp_path / "one.parquet")
    pq.write_table(to_table(rows[2:]), tmp_path / "two.parquet")
    scanned = cube_from_parquet([tmp_path / "one.parquet", tmp_path / "two.parquet"], ALL)
    direct = cube_from_arrow(to_table(rows), ALL)
    assert np.array_equal(scanned.codes, direct.codes)
    assert scanned.counts.tolist() == direct.counts.tolist() == [2, 1]


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory: pytest.TempPathFactory) -> tuple[Cube, dict[str, Hierarchy]]:
    """The base cube of the 100,000 people of the benchmark."""
    folder = tmp_path_factory.mktemp("benchmark") / "people"
    path = bench.write(folder, bench.population(bench.SIZES[:2]), bench.hierarchies())
    trees = {name: read_hierarchy(folder / "h" / f"{name}.csv") for name in bench.QUASI}
    return cube_from_parquet([path], list(trees.values())), trees


def test_the_published_optima_of_the_benchmark_population_are_found(
    benchmark: tuple[Cube, dict[str, Hierarchy]],
) -> None:
    cube, _ = benchmark
    assert len(cube.counts) == 65_627
    for k, node, loss, suppressed, classes in (
        (5, (2, 0, 1, 1, 2), 0.09995499, 3382, 1738),
        (10, (3, 0, 1, 1, 2), 0.12464974, 4085, 842),
        (50, (2, 0, 2, 1, 2), 0.22093082, 2494, 158),
    ):
        found = search(cube, k, 0.05)
        assert found is not None and found.optimal
        assert found.loss == pytest.approx(loss, abs=1e-8)
        assert (found.node, found.suppressed, found.classes) == (node, suppressed, classes)
        assert found.min_class >= k


def test_local_recoding_of_the_benchmark_loses_far_less_and_suppresses_nobody(
    benchmark: tuple[Cube, dict[str, Hierarchy]],
) -> None:
    cube, _ = benchmark
    found = recode(cube, 10, keep_all=True)
    assert found.suppressed == 0 and int(found.counts.min()) >= 10
    assert loss_of(found) < 0.0706  # Mondrian along the same hierarchies


@pytest.mark.conformance
def test_the_benchmark_population_is_the_published_one(
    conformance_data: Path, tmp_path: Path
) -> None:
    script = conformance_data.parent / "bench" / "patient_table.py"
    if not script.is_file():
        pytest.skip("the script of the published population is not beside the conformance data")
    command = [sys.executable, str(script), str(tmp_path), "500", "700"]
    subprocess.run(command, check=True, timeout=120, capture_output=True)
    theirs = pq.read_table(tmp_path / "pat_700.parquet")
    ours = pq.read_table(
        bench.write(tmp_path / "ours", bench.population([500, 700]), bench.hierarchies())
    )
    assert theirs.to_pydict() == ours.to_pydict()
    for name in bench.QUASI:
        published = (tmp_path / f"h_{name}.csv").read_text()
        assert published == (tmp_path / "ours" / "h" / f"{name}.csv").read_text()


@pytest.mark.slow
def test_the_benchmark_runs_and_tells_its_cases() -> None:
    found = bench.bench_anonymise(sizes=(10_000,), repeats=1)
    by_case = {case["case"]: case for case in found["cases"]}
    assert by_case["local, records suppressed"]["value"] == 0
    assert by_case["local loss / full-domain loss"]["holds"]
    assert by_case["9 attributes, 12,960 nodes"]["value"] > 0
    assert (
        by_case["tables, cells hidden"]["value"] >= by_case["tables, cells below 11"]["value"] > 0
    )
    assert by_case["private cube, events"]["value"] == 60_000
    with pytest.raises(UsageError, match="no size"):
        bench.bench_anonymise(size="huge")


SENSITIVE = ("x", "y", "z", None)


def with_sensitive(rows: list[tuple[Row, str | None]]) -> Cube:
    """The cube of rows with one sensitive column, made the obvious way."""
    cube = cube_from_arrow(to_table([row for row, _ in rows]), ALL)
    position = {tuple(codes): i for i, codes in enumerate(cube.codes.tolist())}
    index = [{leaf: code for code, leaf in enumerate(h.leaves)} for h in ALL]
    counts = Counter(
        (position[tuple(index[d][row[d]] for d in range(len(ALL)))], SENSITIVE.index(value))
        for row, value in rows
    )
    keys = sorted(counts)
    sensitive = Sensitive(
        "s",
        SENSITIVE,
        "equal",
        None,
        np.array([key[0] for key in keys]),
        np.array([key[1] for key in keys]),
        np.array([counts[key] for key in keys]),
    )
    return Cube(cube.hierarchies, cube.codes, cube.counts, (sensitive,))


def satisfies(values: list[str | None], everybody: list[str | None], asked: Criteria) -> bool:
    """The definitions, on lists."""
    n, counts = len(values), Counter(values)
    p = {v: Fraction(c, len(everybody)) for v, c in Counter(everybody).items()}
    q = {v: Fraction(c, n) for v, c in counts.items()}
    if n < asked.k:
        return False
    if asked.l is not None and asked.l_kind == "distinct" and len(counts) < asked.l:
        return False
    if (
        asked.l is not None
        and asked.l_kind == "entropy"
        and n**n < asked.l**n * math.prod(c**c for c in counts.values())
    ):
        return False
    if asked.t is not None and sum(abs(q.get(v, 0) - p[v]) for v in p) / 2 > asked.t:
        return False
    return asked.beta is None or all(q[v] / p[v] - 1 <= asked.beta for v in q)


def brute_force_criteria(
    rows: list[tuple[Row, str | None]], asked: Criteria, limit: Fraction, measure: str
) -> tuple[float, int] | None:
    """Every node, each record: the least loss and what it suppresses."""
    n = len(rows)
    best: tuple[float, int, tuple[int, ...], int] | None = None
    for node in itertools.product(*(range(h.height) for h in ALL)):
        ancestors = [
            {row[0]: row[level] for row in h.rows} for h, level in zip(ALL, node, strict=True)
        ]
        classes: dict[tuple[str, ...], list[str | None]] = {}
        for row, value in rows:
            shown = tuple(ancestors[d][row[d]] for d in range(len(ALL)))
            classes.setdefault(shown, []).append(value)
        kept = {key: values for key, values in classes.items() if len(values) >= asked.k}
        while True:
            everybody = [value for values in kept.values() for value in values]
            good = {key: v for key, v in kept.items() if satisfies(v, everybody, asked)}
            if len(good) == len(kept):
                break
            kept = good
        remain = sum(len(values) for values in kept.values())
        if n - remain > limit * n:
            continue
        if measure == "discernibility":
            loss = float(sum(len(v) ** 2 for v in kept.values()) + n * (n - remain))
        elif measure == "class_size":
            loss = n / ((len(kept) + (remain < n)) * asked.k)
        else:
            parts = []
            for d, h in enumerate(ALL):
                leaves = Counter(ancestors[d].values())
                total = 0.0
                for key, values in kept.items():
                    share = (
                        leaves[key[d]] / len(h.rows)
                        if measure == "loss"
                        else node[d] / (h.height - 1)
                    )
                    total += share * len(values)
                total += n - remain
                floor = n / len(h.rows) if measure == "loss" else 0
                parts.append(max(0.0, (total - floor) / (n - floor)))
            loss = (
                math.prod(1 + part for part in parts) ** (1 / len(parts)) - 1
                if measure == "loss"
                else sum(parts) / len(parts)
            )
        found = (round(loss, 10), sum(node), node, n - remain)
        if best is None or found < best:
            best = found
    return None if best is None else (best[0], best[3])


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.tuples(
            st.tuples(
                st.sampled_from(LETTERS.leaves),
                st.sampled_from(DIGITS.leaves),
                st.sampled_from(FLAG.leaves),
            ),
            st.sampled_from(SENSITIVE),
        ),
        min_size=1,
        max_size=30,
    ),
    asked=st.one_of(
        st.builds(lambda k: criteria(k), st.integers(1, 6)),
        st.builds(lambda k, least: criteria(k, l=least), st.integers(1, 4), st.integers(1, 4)),
        st.builds(
            lambda k, least: criteria(k, l=least, l_kind="entropy"),
            st.integers(1, 4),
            st.sampled_from(["1.5", 2, 3]),
        ),
        st.builds(
            lambda k, t: criteria(k, t=t),
            st.integers(1, 4),
            st.sampled_from(["0", "0.1", "0.25", "0.5"]),
        ),
        st.builds(
            lambda k, beta: criteria(k, beta=beta),
            st.integers(1, 4),
            st.sampled_from(["0.5", 1, 3]),
        ),
    ),
    limit=st.sampled_from(["0", "0.1", "0.3", "1"]),
    measure=st.sampled_from(["loss", "precision", "discernibility", "class_size"]),
)
def test_the_node_found_is_the_best_under_every_criterion_and_measure(
    rows: list[tuple[Row, str | None]], asked: Criteria, limit: str, measure: str
) -> None:
    expected = brute_force_criteria(rows, asked, Fraction(limit), measure)
    found = search(with_sensitive(rows), asked, limit, measure=measure)
    assert (found is None) == (expected is None)
    if found is not None and expected is not None:
        assert found.optimal
        assert found.loss == pytest.approx(expected[0], abs=1e-9)
        assert found.suppressed == expected[1]


def test_a_limit_is_the_number_that_was_written() -> None:
    # 0.29 * 100 is 28.999... for a float: 29 records may go.
    rows: list[Row] = [("a", "0", "yes")] * 71 + [("c", "7", "no")] * 29
    found = search(cube_from_arrow(to_table(rows), ALL), 30, 0.29)
    assert found is not None and (found.suppressed, found.node) == (29, (0, 0, 0))


def nine(n: int, levels: int = 0) -> Cube:
    """Nine attributes with the heights of the Adult table, 12,960 nodes."""
    draw = np.random.default_rng(5)
    hierarchies, codes = [], []
    for d, sizes in enumerate(
        ([2], [72, 24, 12, 4], [5], [7, 2], [16, 6, 3], [41, 8], [8, 3], [14, 7], [2])
    ):
        sizes = sizes + [2] * levels
        rows = []
        for leaf in range(sizes[0]):
            row, code = [f"{d}.0.{leaf}"], leaf
            for level, size in enumerate(sizes[1:], 1):
                code = code * size // sizes[level - 1]
                row.append(f"{d}.{level}.{code}")
            rows.append((*row, "*"))
        hierarchies.append(Hierarchy(f"q{d}", tuple(map(str, range(len(sizes) + 1))), tuple(rows)))
        p = 1 / np.arange(1, sizes[0] + 1) ** (0.3 + d % 3)
        codes.append(draw.choice(sizes[0], n, p=p / p.sum()))
    return make_cube(hierarchies, np.column_stack(codes), np.ones(n, dtype=np.int64))


def test_a_lattice_of_13_000_nodes_is_searched_in_few_of_them() -> None:
    cube = nine(3000)
    for limit in (0, 0.05, 1):
        found = search(cube, 5, limit)
        assert found is not None and found.optimal
        assert (found.nodes, found.gap) == (12_960, 0)
        assert found.evaluated < 1500


def test_a_lattice_too_large_states_its_distance_to_a_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cube = nine(2000)
    best = search(cube, 5, 0.02)
    monkeypatch.setattr(full_domain, "_MAX_NODES", 100)
    monkeypatch.setattr(full_domain, "_PART_NODES", 90)
    found = search(cube, 5, 0.02)
    assert best is not None and found is not None
    assert found.bound <= best.loss + 1e-12 <= found.loss + 1e-9
    assert found.gap == pytest.approx(found.loss - found.bound)
    assert not found.optimal and found.bound > 0
    monkeypatch.undo()
    monkeypatch.setattr(full_domain, "_EFFORT", 0)
    stopped = search(cube, 5, 0.02)
    assert stopped is not None and stopped.bound <= best.loss <= stopped.loss
    huge = search(nine(300, levels=2), 5, 0.02)
    assert huge is not None and huge.nodes > 500_000
    assert 0 <= huge.bound <= huge.loss
