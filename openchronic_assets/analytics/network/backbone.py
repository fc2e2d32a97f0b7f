"""Which ties are more than chance: thresholds, and the statistical backbone of a network."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from openchronic_assets.analytics.network.projection import Edges, Ints
from openchronic_assets.errors import UsageError

THRESHOLD = 8
"""Persons shared from which four out of five ties are real ones: Barnett 2011 [K]."""

DISPARITY = 0.05
HYPERGEOMETRIC = 0.01

_CHUNK = 1_000_000
_SMALL = 1e-17

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


def disparity(edges: Edges) -> Floats:
    """Return the disparity of each edge, the smaller of its two ends'.

    At an end of degree k and strength s: (1 - w / s)^(k - 1), the chance of so large a share if
    the strength fell on the k edges at random. An end with one edge says nothing: 1. Source:
    Serrano, Boguñá and Vespignani 2009.
    """
    degree, strength = edges.degree, edges.strength
    found = np.ones(len(edges))
    for end in (edges.left, edges.right):
        share = edges.shared / strength[end]
        with np.errstate(divide="ignore", invalid="ignore"):
            said = np.exp((degree[end] - 1) * np.log1p(-share))
        found = np.minimum(found, np.where(degree[end] > 1, said, 1.0))
    return found


def hypergeometric(edges: Edges, patients: Ints, persons: int) -> Floats:
    """Return for each edge the chance of sharing as many persons, if each met people at random.

    P(X >= w), X hypergeometric: of ``persons`` people, i met n_i and j met n_j. Summed from the
    term at w away from the mean, so that small chances are exact.

    Args:
        edges: the network.
        patients: array (nodes,): persons whom each provider met.
        persons: all persons of the network.

    Raises:
        UsageError: a provider met more persons than there are, or shares more than it met.
    """
    patients = np.asarray(patients, np.int64)
    if len(edges) and int(patients.max()) > persons:
        raise UsageError("a provider met more persons than the network holds")
    table = np.zeros(persons + 2)
    table[2:] = np.cumsum(np.log(np.arange(2, persons + 2, dtype=np.float64)))
    found = np.empty(len(edges))
    for start in range(0, len(edges), _CHUNK):
        part = slice(start, start + _CHUNK)
        found[part] = _tail(
            patients[edges.left[part]],
            patients[edges.right[part]],
            edges.shared[part].astype(np.int64),
            persons,
            table,
        )
    return found


def _tail(n: Ints, m: Ints, w: Ints, everybody: int, table: Floats) -> Floats:
    if (w > np.minimum(n, m)).any():
        raise UsageError("two providers share more persons than one of them met")
    above = w > n * (m / everybody)  # on this side of the mean terms only shrink
    found = np.empty(len(w))
    found[above] = _sum(n[above], m[above], w[above], everybody, table, up=True)
    low = ~above
    found[low] = 1 - _sum(n[low], m[low], w[low] - 1, everybody, table, up=False)
    return np.clip(found, 0.0, 1.0)


def _sum(n: Ints, m: Ints, w: Ints, everybody: int, table: Floats, *, up: bool) -> Floats:
    """Return the sum of the terms of the law from w upwards, or from w downwards."""
    lowest, highest = np.maximum(0, n + m - everybody), np.minimum(n, m)
    total = np.zeros(len(w))
    on = np.flatnonzero((w >= lowest) & (w <= highest))
    k, n, m = w[on].copy(), n[on], m[on]
    rest = everybody - n - m
    term = np.exp(
        table[n] - table[k] - table[n - k]
        + table[everybody - n] - table[m - k] - table[rest + k]
        - table[everybody] + table[m] + table[everybody - m]
    )  # fmt: skip
    total[on] = term
    while len(on):
        if up:
            term = term * ((n - k) * (m - k)) / ((k + 1.0) * (rest + k + 1.0))
            k += 1
        else:
            with np.errstate(divide="ignore", invalid="ignore"):
                term = term * (k * (rest + k * 1.0)) / ((n - k + 1.0) * (m - k + 1.0))
            k -= 1
        total[on] += term
        going = term > np.maximum(total[on] * _SMALL, 1e-320)
        on, k, n, m, rest, term = (each[going] for each in (on, k, n, m, rest, term))
    return total


def strongest(edges: Edges, share: float = 0.2) -> Mask:
    """Return the edges among the strongest ``share`` of one of their ends (Landon 2012: 20 %).

    A provider keeps at least one; ties with the last one kept are kept.

    Raises:
        UsageError: ``share`` is no share.
    """
    if not 0 < share <= 1:
        raise UsageError(f"a share lies between 0 and 1: {share}")
    end = np.r_[edges.left, edges.right]
    shared = np.r_[edges.shared, edges.shared]
    order = np.lexsort((-shared, end))
    degree = edges.degree
    first = np.r_[0, np.cumsum(degree)[:-1]]
    last = first + np.maximum(1, np.ceil(degree * share).astype(np.int64)) - 1
    limit = np.full(edges.nodes, np.iinfo(np.int64).max)
    some = degree > 0
    limit[some] = shared[order][last[some]]
    kept: Mask = (edges.shared >= limit[edges.left]) | (edges.shared >= limit[edges.right])
    return kept


def backbone(
    edges: Edges,
    patients: Ints,
    persons: int,
    *,
    threshold: int = THRESHOLD,
    rule: str = "either",
) -> Mask:
    """Return the edges of at least ``threshold`` persons that a test also keeps.

    Args:
        edges: the network, with all its edges of two persons or more: degrees and strengths of the
            tests are those before the threshold.
        patients: array (nodes,): persons whom each provider met.
        persons: all persons of the network.
        threshold: fewest persons shared.
        rule: ``disparity`` (under 0.05), ``hypergeometric`` (under 0.01), ``either`` of them, or
            ``none``.

    Raises:
        UsageError: no such rule.
    """
    if rule not in ("disparity", "hypergeometric", "either", "none"):
        raise UsageError(f"no rule {rule!r}: disparity, hypergeometric, either or none")
    kept: Mask = edges.shared >= threshold
    if rule == "none":
        return kept
    tested = np.zeros(len(edges), bool)
    if rule in ("disparity", "either"):
        tested |= disparity(edges) < DISPARITY
    if rule in ("hypergeometric", "either"):
        wanted = np.flatnonzero(kept & ~tested)
        tested[wanted] = hypergeometric(edges.where(wanted), patients, persons) < HYPERGEOMETRIC
    return kept & tested
