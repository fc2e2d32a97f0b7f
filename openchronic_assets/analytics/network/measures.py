"""What the place of a provider, or of a patient, in the network is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openchronic_assets.analytics.network.communities import graph
from openchronic_assets.analytics.network.projection import Edges, Ints, Pairs

EXACT = 2_000  # nodes up to which betweenness is exact
SAMPLES = 512  # shortest path trees drawn beyond
_LOOKED_UP = 4_000_000  # pairs of providers looked up at once

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Places:
    """Measures of each provider, arrays (nodes,); NaN where a measure cannot be said.

    Attributes:
        patients: persons met.
        degree: providers with whom persons are shared.
        strength: persons shared, summed over those providers.
        adjusted_degree: degree for 100 patients (Landon 2012).
        clustering: share of pairs of neighbours who are neighbours; NaN under two neighbours.
        betweenness: shortest paths between two others that pass here, as shares of theirs, summed;
            each edge is one step.
        pagerank: weighted, damping 0.85.
        core: largest k such that the provider is in the k-core.
        participation: 1 - sum over communities of (strength towards it / strength)^2.
    """

    patients: Ints
    degree: Ints
    strength: Ints
    adjusted_degree: Floats
    clustering: Floats
    betweenness: Floats
    pagerank: Floats
    core: Ints
    participation: Floats


def places(edges: Edges, patients: Ints, of: Ints, *, seed: int = 0) -> Places:
    """Return the measures of each provider.

    Args:
        edges: the network.
        patients: array (nodes,): persons whom each provider met.
        of: array (nodes,): communities.
        seed: of the sampled betweenness, beyond ``EXACT`` nodes.
    """
    import networkit

    degree, strength = edges.degree, edges.strength
    nothing = np.full(edges.nodes, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        adjusted = np.where(patients > 0, 100 * degree / patients, np.nan)
    if not len(edges):
        zeros = np.zeros(edges.nodes, np.int64)
        return Places(
            np.asarray(patients), degree, strength, adjusted, nothing, nothing, nothing, zeros,
            nothing,
        )  # fmt: skip
    threads = networkit.getMaxNumberOfThreads()
    networkit.setNumberOfThreads(1)
    networkit.setSeed(seed, False)
    try:
        drawn = graph(edges)
        plain = networkit.graphtools.toUnweighted(drawn)
        if int((degree > 0).sum()) <= EXACT:
            between = networkit.centrality.Betweenness(plain)
        else:
            between = networkit.centrality.EstimateBetweenness(plain, SAMPLES)
        # Each pair of ends is counted once each way.
        paths = np.asarray(between.run().scores()) / 2
        rank = np.asarray(networkit.centrality.PageRank(drawn, damp=0.85).run().scores())
        core = np.asarray(networkit.centrality.CoreDecomposition(drawn).run().scores())
        triangles = np.asarray(
            networkit.centrality.LocalClusteringCoefficient(plain, turbo=False).run().scores()
        )
    finally:
        networkit.setNumberOfThreads(threads)
    return Places(
        patients=np.asarray(patients),
        degree=degree,
        strength=strength,
        adjusted_degree=adjusted,
        clustering=np.where(degree > 1, triangles, np.nan),
        betweenness=paths,
        pagerank=rank,
        core=core.astype(np.int64),
        participation=_participation(edges, of),
    )


def _participation(edges: Edges, of: Ints) -> Floats:
    """Return 1 - the sum of squared shares of strength by community (Guimerà and Amaral 2005)."""
    count = int(of.max()) + 2
    end = np.r_[edges.left, edges.right].astype(np.int64)
    towards = np.r_[of[edges.right], of[edges.left]] + 1
    key, place = np.unique(end * count + towards, return_inverse=True)
    share = np.bincount(place, np.r_[edges.shared, edges.shared])
    squares = np.bincount(key // count, share**2, minlength=edges.nodes)
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = 1 - squares / edges.strength.astype(np.float64) ** 2
    return found


def relative_centrality(betweenness: Floats, general: NDArray[np.bool_],
                        specialist: NDArray[np.bool_]) -> float | None:  # fmt: skip
    """Return the mean betweenness of general practitioners over that of specialists.

    None where one of the groups is empty or specialists have none (Landon 2012: 0.19 to 1.06).
    """
    if not general.any() or not specialist.any():
        return None
    below = float(betweenness[specialist].mean())
    return float(betweenness[general].mean()) / below if below > 0 else None


def assortativity(edges: Edges, kind: Ints) -> float | None:
    """Return how much edges join providers of one kind, weighted (Newman 2003).

    1: only of one kind; 0: as by chance; None without an edge or with one kind alone.
    """
    if not len(edges):
        return None
    count = int(kind.max()) + 1
    mixing = np.zeros((count, count))
    np.add.at(mixing, (kind[edges.left], kind[edges.right]), edges.shared)
    mixing = mixing + mixing.T
    mixing /= mixing.sum()
    chance = float((mixing.sum(0) * mixing.sum(1)).sum())
    return None if chance >= 1 else (float(np.trace(mixing)) - chance) / (1 - chance)


def care_density(pairs: Pairs, edges: Edges, *, exclude_self: bool = True) -> Floats:
    """Return the care density of each person: persons shared by a pair of her providers, in mean.

    CD_p = sum of w_ij over the pairs of the n providers whom p met / (n (n - 1) / 2); NaN under two
    providers. Without ``exclude_self`` p counts in each pair; with it, each w_ij is one less, so
    the density does not say that p met them. Source: Pollack 2013 (PMC3579968).

    Args:
        pairs: who met whom.
        edges: the network of these pairs with all its edges of two persons or more: a pair that
            has no edge shares p alone.
        exclude_self: leave the person out.
    """
    key = edges.left.astype(np.int64) * edges.nodes + edges.right  # sorted, as edges are
    more = edges.shared.astype(np.int64) - 1
    order = np.lexsort((pairs.provider, pairs.person))
    provider, met = pairs.provider[order], pairs.met
    first = np.r_[0, np.cumsum(met)[:-1]]
    found = np.full(pairs.persons, np.nan)
    for n in range(2, int(met.max(initial=0)) + 1):
        who = np.flatnonzero(met == n)
        one, other = np.triu_indices(n, 1)
        step = max(1, _LOOKED_UP // len(one))
        for start in range(0, len(who), step):
            some = who[start : start + step]
            theirs = provider[first[some][:, None] + np.arange(n)]
            wanted = theirs[:, one] * edges.nodes + theirs[:, other]
            place = np.searchsorted(key, wanted)
            place[place == len(key)] = 0
            total = (
                np.where(key[place] == wanted, more[place], 0).sum(axis=1)
                if len(key)
                else np.zeros(len(some))
            )
            found[some] = total / len(one)
    return found if exclude_self else found + 1


def fragmentation(pairs: Pairs, of: Ints) -> Floats:
    """Return the share of each person's visits outside the community where most of hers are.

    Visits to providers of no community are left out; NaN without any other.
    """
    inside = of[pairs.provider] >= 0
    person, visits = pairs.person[inside], pairs.visits[inside]
    count = int(of.max(initial=-1)) + 1
    if not count or not len(person):
        return np.full(pairs.persons, np.nan)
    key, place = np.unique(person * count + of[pairs.provider[inside]], return_inverse=True)
    theirs = np.bincount(place, visits)
    most = np.zeros(pairs.persons)
    np.maximum.at(most, key // count, theirs)
    total = np.bincount(person, visits, minlength=pairs.persons)
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = np.where(total > 0, 1 - most / total, np.nan)
    return found
