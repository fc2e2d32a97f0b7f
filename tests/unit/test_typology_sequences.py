"""Typologies: distances by the textbook recurrence, clusters by other libraries and by hand."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import fcluster, linkage  # type: ignore[import-untyped]
from sklearn.metrics import (  # type: ignore[import-untyped]
    adjusted_rand_score,
    silhouette_score,
)

from openchronic_assets.analytics.typology import analysis, clusters, distances, sequences
from openchronic_assets.errors import UsageError


def by_hand(one: Any, other: Any, costs: Any) -> float:
    """Return the optimal matching of two sequences, cell by cell."""
    n, m = len(one), len(other)
    d = [[float(i + j) if not i or not j else 0.0 for j in range(m + 1)] for i in range(n + 1)]
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            d[i][j] = min(
                d[i - 1][j] + 1, d[i][j - 1] + 1,
                d[i - 1][j - 1] + costs[one[i - 1]][other[j - 1]],
            )  # fmt: skip
    return d[n][m]


def common(one: Any, other: Any) -> int:
    """Return the length of the longest common subsequence, by trying them all."""
    for length in range(len(one), 0, -1):
        mine = {tuple(one[list(at)]) for at in combinations(range(len(one)), length)}
        if any(tuple(other[list(at)]) in mine for at in combinations(range(len(other)), length)):
            return length
    return 0


def drawn(seed: int, people: int = 40, length: int = 7, states: int = 4) -> sequences.Sequences:
    codes = np.random.default_rng(seed).integers(states, size=(people, length))
    return sequences.distinct(codes, "abcd"[:states])


def test_distinct_sequences_keep_everybody() -> None:
    found = sequences.distinct(np.array([[1, 0], [0, 1], [1, 0], [1, 1]]), "ab")
    assert found.codes.tolist() == [[1, 0], [0, 1], [1, 1]]
    assert (found.weight.tolist(), found.of.tolist()) == ([2, 1, 1], [0, 1, 0, 2])
    with pytest.raises(UsageError, match="not in the list"):
        sequences.distinct(np.array([[2]]), "ab")
    with pytest.raises(UsageError, match="needs people"):
        sequences.distinct(np.zeros((0, 3), int), "ab")


def test_the_cap_draws_frequent_sequences_first_and_the_same_each_time() -> None:
    found = sequences.Sequences(
        ("a",), np.zeros((100, 1), np.int8), np.r_[np.full(5, 1000), np.ones(95, int)],
        np.zeros(0, np.int64),
    )  # fmt: skip
    kept = sequences.capped(found, 20, seed=3)
    assert len(set(kept.tolist())) == 20 and set(range(5)) <= set(kept.tolist())
    assert sequences.capped(found, 20, seed=3).tolist() == kept.tolist()
    assert sequences.capped(found, 100).tolist() == list(range(100))


def test_substitution_costs_are_two_less_the_transition_rates() -> None:
    codes = np.array([[0, 0, 1], [0, 1, 1]], np.int8)
    costs = distances.transition_costs(codes, np.array([1, 3]), 3)
    # From a: once to a, once and three times to b. From b: three times to b. From c: never.
    assert costs[0, 1] == pytest.approx(2 - 4 / 5 - 0)
    assert costs[0, 2] == 2 and (np.diag(costs) == 0).all() and (costs == costs.T).all()


def test_dynamic_costs_look_at_the_moments_before_and_after() -> None:
    codes = np.array([[0, 0, 1], [0, 1, 1]], np.int8)
    costs = distances.dynamic_costs(codes, np.array([1, 3]), 2)
    # From the first to the second moment a goes to b three times of four; then once of once.
    assert costs[:, 0, 1] == pytest.approx([4 - 0.75, 4 - 0.75 - 1, 4 - 1])


def test_distances_are_those_of_the_textbook(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distances, "_PAIRS", 50)
    found = drawn(1)
    codes = found.codes
    costs = distances.transition_costs(codes, found.weight, 4)
    dynamic = distances.dynamic_costs(codes, found.weight, 4)
    told = {
        "om": distances.all_pairs(codes, "om", costs),
        "hamming": distances.all_pairs(codes, "hamming"),
        "dhd": distances.all_pairs(codes, "dhd", dynamic),
        "lcs": distances.all_pairs(codes, "lcs"),
    }
    length = codes.shape[1]
    for i, j in [(0, 1), (3, 8), (5, 5), (12, 30), (20, 2), (7, 33)]:
        one, other = codes[i], codes[j]
        assert told["om"][i, j] == pytest.approx(by_hand(one, other, costs), abs=1e-5)
        assert told["hamming"][i, j] == (one != other).sum()
        assert told["dhd"][i, j] == pytest.approx(
            sum(dynamic[t][one[t], other[t]] for t in range(length)), abs=1e-5
        )
        assert told["lcs"][i, j] == 2 * length - 2 * common(one, other)
    with pytest.raises(UsageError, match="substitution costs"):
        distances.between(codes, codes, "om")
    with pytest.raises(UsageError, match="one length"):
        distances.between(codes, codes[:, 1:], "hamming")
    with pytest.raises(UsageError, match="no distance"):
        distances.all_pairs(codes, "edit")


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.integers(0, 2), min_size=4, max_size=4), min_size=3, max_size=3))
def test_distances_are_symmetric_and_no_shorter_by_a_detour(rows: list[list[int]]) -> None:
    codes = np.array(rows, np.int8)
    for method in ("hamming", "lcs"):
        d = distances.all_pairs(codes, method)
        assert (d == d.T).all() and (np.diag(d) == 0).all()
        assert d[0, 2] <= d[0, 1] + d[1, 2]


def points(seed: int) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(seed)
    at, weight = rng.normal(size=(40, 3)), rng.integers(1, 5, 40)
    return at, weight, np.sqrt(((at[:, None] - at) ** 2).sum(-1))


def test_ward_with_weights_is_scipys_on_repeated_points() -> None:
    at, weight, distance = points(2)
    repeated = np.repeat(np.arange(40), weight)
    tree = linkage(at[repeated], "ward")
    for k in (1, 2, 4, 7, 40):
        found = clusters.cluster(distance, weight, k, "ward")
        assert adjusted_rand_score(fcluster(tree, k, "maxclust"), found.of[repeated]) == 1


def test_silhouettes_are_those_of_repeated_points() -> None:
    _, weight, distance = points(3)
    found = clusters.cluster(distance, weight, 4)
    repeated = np.repeat(np.arange(40), weight)
    whole = distance[np.ix_(repeated, repeated)]
    assert found.silhouette == pytest.approx(
        silhouette_score(whole, found.of[repeated], metric="precomputed")
    )
    assert clusters.cluster(distance, weight, 1).silhouette is None


def test_no_swap_of_a_medoid_is_better() -> None:
    _, weight, distance = points(4)
    found = clusters.cluster(distance, weight, 3)
    best = weight @ distance[:, found.medoids].min(axis=1)
    for place in range(3):
        for other in range(40):
            tried = found.medoids.copy()
            tried[place] = other
            assert weight @ distance[:, tried].min(axis=1) >= best - 1e-9
    assert found.explained == pytest.approx(1 - best / (distance @ weight).min())
    again = clusters.cluster(distance, weight, 3)
    assert again.medoids.tolist() == found.medoids.tolist()


def test_planted_types_are_found_whatever_the_distance() -> None:
    rng = np.random.default_rng(5)
    shapes = np.array([[0] * 8, [1] * 8, [0, 0, 0, 0, 2, 2, 2, 2]])
    planted = np.repeat([0, 1, 2], [50, 40, 30])
    codes = shapes[planted]
    noisy = rng.random(codes.shape) < 0.08
    codes = np.where(noisy, rng.integers(3, size=codes.shape), codes)
    found = sequences.distinct(codes, "abc")
    for method in distances.METHODS:
        costs = {
            "om": distances.transition_costs(found.codes, found.weight, 3),
            "dhd": distances.dynamic_costs(found.codes, found.weight, 3),
        }.get(method)
        matrix = distances.all_pairs(found.codes, method, costs)
        for clustering in clusters.METHODS:
            best, tried = clusters.choose(matrix, found.weight, range(2, 6), clustering)
            assert best.count == 3 and max(tried, key=lambda k: tried[k] or -1) == 3
            assert adjusted_rand_score(planted, best.of[found.of]) > 0.8


def test_small_types_join_the_nearest_until_none_is_small() -> None:
    between = np.array([[0, 1, 5.0], [1, 0, 4], [5, 4, 0]])
    of, merged = analysis.merge_small(np.array([6.0, 6, 40]), between)
    assert (of.tolist(), merged) == ([1, 1, 2], 1)  # six and six make twelve
    of, merged = analysis.merge_small(np.array([3.0, 4, 40]), between)
    assert (of.tolist(), merged) == ([2, 2, 2], 2)
    of, merged = analysis.merge_small(np.array([20.0, 11, 40]), between)
    assert (of.tolist(), merged) == ([0, 1, 2], 0)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 40), min_size=1, max_size=8))
def test_shown_states_never_tell_few_people(counts: list[int]) -> None:
    found = analysis.shown_counts({str(at): n for at, n in enumerate(counts)})
    assert sum(n for _, n in found) == sum(counts)
    few = [n for _, n in found if n < analysis.SHOWN]
    assert not few or (len(found) == 1 and sum(counts) < analysis.SHOWN)


def test_discrepancy_is_half_the_mean_distance() -> None:
    codes = np.array([[0, 0], [0, 0], [1, 1], [1, 0]], np.int8)
    found = sequences.distinct(codes, "ab")
    matrix = distances.all_pairs(found.codes, "hamming")
    everything = np.arange(len(found.weight))
    d = np.array([[(a != b).sum() for b in codes] for a in codes])
    group = np.array(["x", "x", "y", "y"])
    total = d.sum() / 4 / 2
    within = d[:2, :2].sum() / 2 / 2 + d[2:, 2:].sum() / 2 / 2
    assert analysis.discrepancy(matrix, everything, found, group) == pytest.approx(
        1 - within / total
    )
    assert analysis.discrepancy(matrix, everything, found, np.array(["x"] * 4)) is None
    assert analysis.discrepancy(matrix, everything[:1], found, group) is None


def test_the_map_shows_no_rare_step_and_marks_the_slow_ones() -> None:
    rows = [
        ("INDEX", "GP", 100, 120, 5.0), ("GP", "SPE", 60, 70, 40.0), ("SPE", "GP", 40, 44, 8.0),
        ("GP", "GP", 90, 300, 60.0), ("GP", "MCO", 10, 12, 90.0), ("MCO", "GP", 11, 11, 3.0),
    ]  # fmt: skip
    table = pd.DataFrame(
        rows, columns=["from_activity", "to_activity", "case_count", "event_count", "median_days"]
    ).assign(p90_days=100.0)
    steps, facts, reasons = analysis.process_map(table)
    assert steps["case_count"].min() == 11 and len(steps) == 5
    slow = steps[steps["is_bottleneck"]]
    assert slow[["from_activity", "to_activity"]].to_numpy().tolist() == [["GP", "SPE"]]
    # What is hidden is ten people: the share of events would tell them.
    assert facts["share_of_events_shown"] is None and "share_of_events_shown" in reasons
    steps, facts, reasons = analysis.process_map(table.assign(case_count=3))
    assert not len(steps) and facts["share_of_events_shown"] == 0 and not reasons
    steps, facts, reasons = analysis.process_map(table[:0])
    assert not len(steps) and "share_of_events_shown" in reasons
