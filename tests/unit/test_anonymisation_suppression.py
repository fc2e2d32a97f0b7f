from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openchronic_assets.anonymisation.suppression import intervals, protect, verify
from openchronic_assets.anonymisation.tables import (
    Dimension,
    HierarchicalTable,
    cell_key_noise,
    dominated,
    p_percent,
    perturbation_table,
    unsafe_cells,
)
from openchronic_assets.errors import OpenChronicError, Refused

T1 = [[20, 50, 10], [8, 19, 22], [17, 32, 12]]
T2 = [[3, 40, 60, 25], [55, 7, 31, 44], [70, 36, 90, 5]]


def table(values: object, groups: list[int] | None = None) -> HierarchicalTable:
    """Rows are flat, or grouped by the number of leaves of each group."""
    leaves = np.array(values)
    dimensions = [
        Dimension.flat(name, [f"{name}{i}" for i in range(size)])
        for name, size in zip("rcdef", leaves.shape, strict=False)
    ]
    if groups:
        dimensions[0] = grouped("r", groups)
    return HierarchicalTable.of_leaves(dimensions, leaves)


def grouped(name: str, groups: list[int]) -> Dimension:
    leaves = sum(groups)
    starts = [sum(groups[:i]) for i in range(len(groups))]
    cover = [np.ones(leaves, dtype=bool)]
    for start, size in zip(starts, groups, strict=True):
        cover.append((np.arange(leaves) >= start) & (np.arange(leaves) < start + size))
    cover.extend(np.eye(leaves, dtype=bool))
    nodes = ["*", *(f"G{i}" for i in range(len(groups))), *(f"{name}{i}" for i in range(leaves))]
    return Dimension(name, tuple(nodes), np.array(cover))


def seen(t: HierarchicalTable, hidden: np.ndarray) -> np.ndarray:
    return np.where(hidden, np.nan, t.counts.astype(float))


def by_label(t: HierarchicalTable, found: dict[int, tuple[float, float]]) -> dict[str, tuple]:
    return {"".join(t.labels(cell)): tuple(round(v, 6) for v in found[cell]) for cell in found}


def test_primary_cells_alone_are_worked_out_exactly() -> None:
    t = table(T1)
    found = by_label(t, intervals(t.dimensions, seen(t, unsafe_cells(t))))
    assert found == {"r0c2": (10, 10), "r1c0": (8, 8)}


def test_the_published_tables_get_their_optimal_complements() -> None:
    t = table(T1)
    hidden = protect(t, unsafe_cells(t)).hidden
    assert by_label(t, intervals(t.dimensions, seen(t, hidden))) == {
        "r0c0": (0, 28),
        "r0c2": (2, 30),
        "r1c0": (0, 28),
        "r1c2": (2, 30),
    }
    t = table(T2)
    unsafe = unsafe_cells(t)
    hidden = protect(t, unsafe).hidden
    assert t.counts[hidden & ~unsafe].sum() == 116
    assert by_label(t, intervals(t.dimensions, seen(t, hidden))) == {
        "r0c0": (0, 28),
        "r1c1": (4, 32),
        "r2c3": (2, 30),
        "r0c3": (0, 28),
        "r1c0": (30, 58),
        "r2c1": (11, 39),
    }


def test_no_cheaper_complement_of_the_second_table_exists() -> None:
    """Every set of up to three complements, by brute force."""
    t = table(T2)
    unsafe = unsafe_cells(t)
    inner = [c for c in range(t.counts.size) if "*" not in t.labels(c)]
    others = [c for c in inner if not unsafe.ravel()[c]]
    best = None
    for size in (1, 2, 3):
        for extra in itertools.combinations(others, size):
            cost = int(t.counts.ravel()[list(extra)].sum())
            if best is not None and cost >= best:
                continue
            hidden = unsafe.copy()
            hidden.ravel()[list(extra)] = True
            # A line with one hidden cell gives it away: no program needed.
            body = hidden[1:, 1:]
            if (body.sum(axis=0) == 1).any() or (body.sum(axis=1) == 1).any():
                continue
            found = intervals(t.dimensions, seen(t, hidden), enough=11, known=t.leaf_counts)
            if min(high - low for low, high in found.values()) >= 11 - 1e-6:
                best = cost
    assert best == 116


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["public", "group", "secret"]))
def test_the_attackers_programs_confirm_each_suppression(seed: int, zeros: str) -> None:
    draw = np.random.default_rng(seed)
    t = table(draw.poisson(draw.gamma(1, 25, (4, 3))) + 1, [2, 2])
    unsafe = unsafe_cells(t, zeros=zeros)  # type: ignore[arg-type]
    try:
        found = protect(t, unsafe)
    except Refused:
        return
    assert (found.hidden | ~unsafe).all()
    outcome = verify(t, found)
    assert (outcome["leaks"], outcome["negative"], outcome["short"]) == (0, 0, 0)
    attacker = intervals(
        t.dimensions, seen(t, found.hidden), enough=11, known=t.leaf_counts.astype(float)
    )
    for low, high in attacker.values():
        assert high - low >= 11 - 1e-4
        assert high >= 11 - 1e-4


def test_a_region_is_linked_to_its_departments() -> None:
    """T2 by department, its sum by region in the other table: one problem."""
    t = table([*T2, [90, 80, 70, 60]], [2, 2])
    unsafe = unsafe_cells(t)
    rows_only = protect(table(T2), unsafe_cells(table(T2))).hidden
    # The complements of the department table, copied, with the regional table shown beside it.
    naive = unsafe.copy()
    for r, c in itertools.product(range(3), range(4)):
        naive[3 + r, 1 + c] |= rows_only[1 + r, 1 + c]
    short = [
        high - low
        for low, high in intervals(t.dimensions, seen(t, naive), enough=11).values()
        if high - low < 11
    ]
    assert short
    linked = protect(t, unsafe).hidden
    assert (
        min(
            high - low for low, high in intervals(t.dimensions, seen(t, linked), enough=11).values()
        )
        >= 11 - 1e-6
    )


def test_a_cell_published_before_stays_shown_and_is_counted_with() -> None:
    t = table(T2)
    unsafe = unsafe_cells(t)
    before = np.zeros(t.counts.shape, dtype=bool)
    before[1, 4] = True  # r0c3 = 25, the cheapest complement, is already public
    found = protect(t, unsafe, fixed=before)
    assert not found.hidden[1, 4]
    assert verify(t, found)["short"] == 0
    with pytest.raises(Refused, match="1 unsafe cells are already public"):
        protect(t, unsafe, fixed=unsafe & (t.counts == 3))


def test_a_cell_that_nothing_can_protect_is_refused() -> None:
    t = table([[3, 40], [20, 30]])
    unsafe = unsafe_cells(t)
    with pytest.raises(Refused, match="1 of 1 hidden cells cannot be protected"):
        protect(t, unsafe, fixed=~unsafe)


@settings(max_examples=15, deadline=None)
@given(
    st.integers(0, 10_000),
    st.sampled_from(["public", "group", "secret"]),
    st.sampled_from([(5, 4), (4, 3, 2), (6, 2, 2), (4, 2, 2, 2)]),
)
def test_boxes_protect_what_they_hold_and_the_attackers_programs_confirm_it(
    seed: int, zeros: str, shape: tuple[int, ...]
) -> None:
    draw = np.random.default_rng(seed)
    leaves = draw.poisson(draw.gamma(0.6, 25, shape))
    t = table(leaves, [shape[0] - 2, 2])
    unsafe = unsafe_cells(t, zeros=zeros)  # type: ignore[arg-type]
    fixed = ~unsafe & (draw.random(t.counts.shape) < 0.03)
    try:
        found = protect(t, unsafe, fixed=fixed, largest_program=0)
    except Refused:
        # Only what is fixed can stand in the way of a box.
        assert fixed.any()
        return
    assert found.programs == 0 and (found.hidden | ~unsafe).all()
    assert not (found.hidden & fixed).any()
    outcome = verify(t, found)
    assert (outcome["leaks"], outcome["negative"], outcome["short"]) == (0, 0, 0)
    attacker = intervals(
        t.dimensions, seen(t, found.hidden), enough=11, known=t.leaf_counts.astype(float)
    )
    for low, high in attacker.values():
        assert high - low >= 11 - 1e-4
        assert high >= 11 - 1e-4


def test_a_witness_that_lies_is_found() -> None:
    draw = np.random.default_rng(3)
    t = table(draw.poisson(np.outer([60, 30, 25, 20], [40, 8, 3]) / 16 + 1)[..., None] * [1, 2])
    found = protect(t, unsafe_cells(t), largest_program=0)
    assert found.boxes is not None
    kept = found.boxes
    found.boxes = replace(kept, up=kept.up + 1000)
    assert verify(t, found)["negative"] > 0
    found.boxes = replace(kept, up=kept.up * 0, down=kept.down * 0)
    assert verify(t, found)["short"] == found.hidden.sum()
    found.boxes = kept
    hidden = np.flatnonzero(found.hidden.ravel())
    found.hidden.ravel()[hidden[0]] = False
    assert verify(t, found)["leaks"] > 0


def test_a_sparse_cube_of_five_dimensions_is_protected_without_a_program() -> None:
    """19,278 cells, one in eight small."""
    draw = np.random.default_rng(1)
    share = np.ones(())
    for size in (10, 2, 16, 8, 2):
        weight = 1 / np.arange(1, size + 1)
        share = np.multiply.outer(share, weight / weight.sum())
    t = table(draw.multinomial(300_000, share.ravel()).reshape(share.shape), [4, 4, 2])
    unsafe = unsafe_cells(t, zeros="public")
    found = protect(t, unsafe)
    outcome = verify(t, found)
    assert (outcome["leaks"], outcome["negative"], outcome["short"]) == (0, 0, 0)
    assert outcome["narrowest"] >= 11
    assert found.hidden.sum() < t.cells / 2


def test_primary_rules() -> None:
    t = table([[0, 10], [11, 40]])
    inner = (slice(1, None), slice(1, None))
    assert unsafe_cells(t, zeros="public")[inner].tolist() == [[False, True], [False, False]]
    assert unsafe_cells(t, zeros="secret")[inner].tolist() == [[True, True], [False, False]]
    # The only ones of their row: everybody in r0 is in c1.
    lone = table([[0, 30], [25, 40]])
    assert unsafe_cells(lone, zeros="group")[inner].tolist() == [[False, True], [True, False]]
    assert not unsafe_cells(lone, zeros="group", structural=lone.counts == 0)[inner].any()
    stays = np.full(t.counts.shape, 10)
    assert unsafe_cells(t, stays=stays, zeros="public")[t.counts > 0].all()
    assert unsafe_cells(t, also=t.counts == 40)[2, 2]
    with pytest.raises(OpenChronicError, match="fewer than no people"):
        unsafe_cells(HierarchicalTable(t.dimensions, t.counts - 50))


@pytest.mark.parametrize(("largest", "expected"), [(84.9, False), (85.0, False), (85.1, True)])
def test_dominance_is_above_85_percent(largest: float, expected: bool) -> None:
    assert dominated(np.array([largest]), np.array([100.0]))[0] == expected


def test_dominance_of_nothing_and_of_nan() -> None:
    assert not dominated(np.array([0.0]), np.array([0.0]))[0]
    with pytest.raises(OpenChronicError, match="missing"):
        dominated(np.array([np.nan]), np.array([1.0]))


def test_p_percent() -> None:
    # 100 - 80 - 15 = 5 < 10 % of 80: the second can estimate the first.
    assert p_percent(np.array([80.0]), np.array([15.0]), np.array([100.0]))[0]
    assert not p_percent(np.array([40.0]), np.array([30.0]), np.array([100.0]))[0]


def test_cell_key_noise_is_the_same_for_the_same_people_and_fair() -> None:
    draw = np.random.default_rng(0)
    keys = draw.random(40_000) * 50
    for count in (1, 4, 11, 13, 200):
        counts = np.full(len(keys), count)
        noisy = cell_key_noise(keys, counts)
        assert (noisy == cell_key_noise(keys + 3, counts)).mean() > 0.999
        assert abs(noisy.mean() - count) < 0.06
        assert not ((noisy > 0) & (noisy < 11)).any() and noisy.min() >= 0
    assert cell_key_noise(np.array([0.3]), np.array([0])) == 0
    assert np.var(cell_key_noise(keys, np.full(len(keys), 200))) == pytest.approx(2.0, abs=0.1)
    values, shares = perturbation_table(100, 5, 2.0, 11)
    assert values[0] == 95 and values[-1] == 105 and sum(shares) == pytest.approx(1)
