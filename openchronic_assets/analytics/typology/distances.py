"""Distances between sequences of one length: optimal matching, Hamming, dynamic Hamming, LCS.

All pairs at once: the recurrence runs over positions, each step over an array of pairs, so that
5,000 sequences of 24 months take minutes and no loop over pairs. Source: Studer and Ritschard 2016;
Gabadinho 2011 (TraMineR) for the substitution costs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from openchronic_assets.analytics.typology.sequences import Codes
from openchronic_assets.errors import UsageError

METHODS = ("om", "hamming", "dhd", "lcs")
INDEL = 1.0

_PAIRS = 200_000  # pairs of sequences held at once

Floats = NDArray[np.float32]
Costs = NDArray[np.float64]
Ints = NDArray[np.int64]


def transition_costs(codes: Codes, weight: Ints, states: int) -> Costs:
    """Return substitution costs 2 - p(b | a) - p(a | b), 0 on the diagonal.

    p is the share of the moments in state a that are followed by b; a state that nothing follows
    costs 2.
    """
    counts = np.zeros((states, states))
    repeated = np.repeat(weight, codes.shape[1] - 1)
    np.add.at(counts, (codes[:, :-1].ravel(), codes[:, 1:].ravel()), repeated)
    return _symmetric(counts)


def dynamic_costs(codes: Codes, weight: Ints, states: int) -> Costs:
    """Return, for each position, substitution costs 4 - the rates before and after it (Lesnard).

    Array (length, states, states): 4 - p_t(a | b) - p_t(b | a) - p_{t+1}(a | b) - p_{t+1}(b | a),
    p_t from t - 1 to t; at the ends the missing rates count 0.
    """
    length = codes.shape[1]
    found = np.full((length, states, states), 4.0)
    for t in range(1, length):
        counts = np.zeros((states, states))
        np.add.at(counts, (codes[:, t - 1], codes[:, t]), weight)
        rates = 2 - _symmetric(counts)
        found[t - 1] -= rates
        found[t] -= rates
    for costs in found:
        np.fill_diagonal(costs, 0)
    return found


def _symmetric(counts: Costs) -> Costs:
    total = counts.sum(axis=1, keepdims=True)
    rate = np.divide(counts, total, out=np.zeros_like(counts), where=total > 0)
    costs: Costs = 2 - rate - rate.T
    np.fill_diagonal(costs, 0)
    return costs


def between(one: Codes, other: Codes, method: str = "om", costs: Costs | None = None) -> Floats:
    """Return the distances (sequences of one, sequences of other).

    Args:
        one: sequences.
        other: sequences of the same length.
        method: ``om`` (insertion and deletion cost 1, substitution ``costs``), ``hamming``
            (positions that differ), ``dhd`` (``costs`` by position), ``lcs`` (states that are not
            in the longest common subsequence).
        costs: of ``transition_costs`` for ``om``, of ``dynamic_costs`` for ``dhd``.

    Raises:
        UsageError: no such method, sequences of different lengths, or costs missing.
    """
    if method not in METHODS:
        raise UsageError(f"no distance {method!r}; there are: {', '.join(METHODS)}")
    if one.shape[1] != other.shape[1]:
        raise UsageError("sequences to compare must be of one length")
    if method in ("om", "dhd") and costs is None:
        raise UsageError(f"the distance {method} needs substitution costs")
    length = one.shape[1]
    if method == "hamming":
        return _summed(one, other, length, lambda a, b, t: a != b)
    if method == "dhd":
        assert costs is not None
        known = costs
        return _summed(one, other, length, lambda a, b, t: known[t][a, b])
    if method == "lcs":
        # The common subsequence is what is left where a substitution costs two steps.
        states = int(max(one.max(), other.max())) + 1
        costs = 2 * INDEL * (1 - np.eye(states))
    assert costs is not None
    return _matched(one, other, costs)


def _summed(one: Codes, other: Codes, length: int, cost: Callable[[Any, Any, int], Any]) -> Floats:
    found = np.zeros((len(one), len(other)), np.float32)
    for t in range(length):
        found += cost(one[:, t][:, None], other[:, t][None, :], t)
    return found


def _matched(one: Codes, other: Codes, costs: Costs) -> Floats:
    found = np.empty((len(one), len(other)), np.float32)
    step = max(1, _PAIRS // max(1, len(other)))
    priced = costs.astype(np.float32)
    for first in range(0, len(one), step):
        found[first : first + step] = _block(one[first : first + step], other, priced)
    return found


def _block(one: Codes, other: Codes, costs: Floats) -> Floats:
    """Return the optimal matching of a block: the recurrence along the columns of each pair."""
    length, shape = one.shape[1], (len(one), len(other))
    steps = np.arange(length + 1, dtype=np.float32) * np.float32(INDEL)
    before = np.broadcast_to(steps[:, None, None], (length + 1, *shape)).copy()
    now = np.empty_like(before)
    for i in range(1, length + 1):
        price = costs[one[:, i - 1]]  # (block, states)
        now[0] = i * INDEL
        for j in range(1, length + 1):
            best = before[j - 1] + price[:, other[:, j - 1]]
            np.minimum(best, before[j] + np.float32(INDEL), out=best)
            np.minimum(best, now[j - 1] + np.float32(INDEL), out=now[j])
        before, now = now, before
    return before[length].copy()


def all_pairs(codes: Codes, method: str = "om", costs: Costs | None = None) -> Floats:
    """Return the symmetric matrix of distances of sequences with each other.

    Half of the pairs are computed, by blocks, and mirrored.
    """
    count = len(codes)
    found = np.zeros((count, count), np.float32)
    step = 500
    for first in range(0, count, step):
        part = slice(first, first + step)
        found[part, first:] = between(codes[part], codes[first:], method, costs)
        found[first:, part] = found[part, first:].T
    return found
