"""Sequences of states as numbers: each distinct one once, with how many people it stands for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openchronic_assets.errors import UsageError

STATES = ("DEAD", "MCO", "PSY", "SSR", "HAD", "ED", "SPE", "GP", "NURSE", "PHARM", "NONE")
"""Of ``pathway_state``, in the order in which one wins over another."""

ALPHABET: Mapping[str, tuple[str, ...]] = {
    "DEAD": ("DEAD",),
    "MCO": ("MCO",),
    "SSR": ("PSY", "SSR", "HAD"),
    "ED": ("ED",),
    "SPE": ("SPE",),
    "GP": ("GP",),
    "CITY": ("NURSE", "PHARM"),
    "NONE": ("NONE",),
}
"""The eight states of a typology [A]: SSR holds psychiatry, rehabilitation, home care."""

MOST = 5_000
"""Distinct sequences compared with each other; the matrix of their distances is 100 MB."""

Codes = NDArray[np.int8]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Sequences:
    """Distinct sequences of one length, the most frequent first.

    Attributes:
        states: names of the states.
        codes: array (sequences, length) of positions in ``states``.
        weight: array (sequences,): people of each.
        of: array (people,): sequence of each person.
    """

    states: tuple[str, ...]
    codes: Codes
    weight: Ints
    of: Ints

    @property
    def length(self) -> int:
        """States of a sequence."""
        return int(self.codes.shape[1])


def distinct(codes: NDArray[np.integer], states: Sequence[str]) -> Sequences:
    """Return the distinct rows of a table of states, by falling frequency, then by states.

    Raises:
        UsageError: no row, no column, or a code that is no state.
    """
    table = np.asarray(codes, np.int8)
    if table.ndim != 2 or not table.size:
        raise UsageError("a typology needs people with a sequence of states")
    if table.min() < 0 or table.max() >= len(states):
        raise UsageError("a state of a sequence is not in the list of states")
    found, place, weight = np.unique(table, axis=0, return_inverse=True, return_counts=True)
    order = np.argsort(-weight, kind="stable")
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return Sequences(tuple(states), found[order], weight[order], rank[place.ravel()])


def capped(sequences: Sequences, most: int = MOST, seed: int = 0) -> Ints:
    """Return the positions of the sequences to compare: all, or ``most`` drawn by their weight.

    A sequence of many people is drawn with that chance more; the others are given to the nearest
    medoid (``clusters.assign``).
    """
    count = len(sequences.weight)
    if count <= most:
        return np.arange(count)
    share = sequences.weight / sequences.weight.sum()
    drawn = np.random.default_rng(seed).choice(count, most, replace=False, p=share)
    return np.sort(drawn)
