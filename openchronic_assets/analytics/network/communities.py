"""Communities of providers, and how far they depend on chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from sklearn.metrics import (
    adjusted_rand_score,
    normalized_mutual_info_score,
)

from openchronic_assets.analytics.network.projection import Edges, Ints
from openchronic_assets.errors import UsageError

SEEDS = 20
STABLE = 0.8
"""Mean agreement (NMI) of partitions of several seeds from which communities are told as stable."""


@dataclass(frozen=True)
class Communities:
    """A partition of the providers that have an edge.

    Attributes:
        of: array (nodes,): number of the community, largest first, -1 for a provider without edge.
        count: how many communities.
        modularity: of the partition; None where there is no edge.
        nmi: mean normalised mutual information between the partitions of two seeds; None for one.
        ari: mean adjusted Rand index between the partitions of two seeds; None for one.
        resolution: parameter of the modularity that was maximised.
    """

    of: Ints
    count: int
    modularity: float | None
    nmi: float | None
    ari: float | None
    resolution: float

    @property
    def is_stable(self) -> bool | None:
        """Whether seeds agree; None where that is not known."""
        return None if self.nmi is None else self.nmi >= STABLE


def graph(edges: Edges) -> Any:
    """Return the network as a weighted graph of networkit."""
    import networkit

    return networkit.GraphFromCoo(
        (
            edges.shared.astype(np.float64),
            (edges.left.astype(np.uint64), edges.right.astype(np.uint64)),
        ),
        n=edges.nodes,
        weighted=True,
        directed=False,
    )


def communities(
    edges: Edges,
    *,
    seeds: Sequence[int] = tuple(range(SEEDS)),
    method: str = "leiden",
    resolution: float = 1.0,
) -> Communities:
    """Return the partition of the best modularity over several seeds, and how well seeds agree.

    Runs on one thread: with several, the same seed gives different partitions.

    Args:
        edges: the network.
        seeds: at least one.
        method: ``leiden`` (Traag 2019), or ``louvain`` (Blondel 2008), which may leave a community
            in pieces.
        resolution: above 1, smaller communities.

    Raises:
        UsageError: no such method, no seed, or a resolution that is not above 0.
    """
    if method not in ("leiden", "louvain"):
        raise UsageError(f"no method {method!r}: leiden or louvain")
    if not seeds or resolution <= 0:
        raise UsageError("communities need a seed, and a resolution above 0")
    alone = edges.degree == 0
    if not len(edges):
        return Communities(np.full(edges.nodes, -1), 0, None, None, None, resolution)
    import networkit

    threads = networkit.getMaxNumberOfThreads()
    networkit.setNumberOfThreads(1)
    try:
        found: list[tuple[float, Ints]] = []
        for seed in seeds:
            # The order of providers is the chance: on one thread, Louvain draws nothing else.
            renamed = np.random.default_rng(seed).permutation(edges.nodes)
            drawn = graph(
                Edges(renamed[edges.left], renamed[edges.right], edges.shared, edges.nodes)
            )
            networkit.setSeed(seed, False)
            if method == "leiden":
                search = networkit.community.ParallelLeiden(drawn, gamma=resolution)
            else:
                search = networkit.community.PLM(drawn, refine=True, gamma=resolution)
            search.run()
            of = _numbered(np.asarray(search.getPartition().getVector(), np.int64)[renamed], alone)
            found.append((modularity(edges, of, resolution), of))
    finally:
        networkit.setNumberOfThreads(threads)
    linked = ~alone
    pairs = [(one[linked], other[linked]) for (_, one), (_, other) in combinations(found, 2)]
    best, of = max(found, key=lambda each: each[0])
    return Communities(
        of=of,
        count=int(of.max()) + 1,
        modularity=best,
        nmi=_mean([normalized_mutual_info_score(*pair) for pair in pairs]),
        ari=_mean([adjusted_rand_score(*pair) for pair in pairs]),
        resolution=resolution,
    )


def modularity(edges: Edges, of: Ints, resolution: float = 1.0) -> float:
    """Return the weighted modularity of a partition (Newman 2004).

    The sum over communities of inside / m - resolution (strength / 2 m)^2.
    """
    whole = float(edges.shared.sum())
    linked = of >= 0
    inside = float(edges.shared[of[edges.left] == of[edges.right]].sum())
    strength = np.bincount(of[linked], edges.strength[linked])
    return inside / whole - resolution * float(((strength / (2 * whole)) ** 2).sum())


def _numbered(of: Ints, alone: np.ndarray[Any, np.dtype[np.bool_]]) -> Ints:
    """Return communities numbered by falling size, then by their first provider."""
    names, first, place, size = np.unique(
        of[~alone], return_index=True, return_inverse=True, return_counts=True
    )
    rank = np.empty(len(names), np.int64)
    rank[np.lexsort((first, -size))] = np.arange(len(names))
    numbered = np.full(len(of), -1)
    numbered[~alone] = rank[place]
    return numbered


def _mean(values: list[float]) -> float | None:
    return float(np.mean(values)) if values else None
