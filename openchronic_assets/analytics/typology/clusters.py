"""Clusters of weighted sequences around medoids, and how well they hold together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openchronic_assets.errors import UsageError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

METHODS = ("pam", "ward")


@dataclass(frozen=True)
class Clusters:
    """A partition of sequences.

    Attributes:
        of: array (sequences,): number of the cluster, the heaviest first.
        medoids: array (clusters,): positions of the sequences nearest to all of theirs.
        silhouette: mean over people, None where it cannot be said.
        silhouettes: array (sequences,); 0 for a sequence alone in its cluster.
        explained: share of the distance to the medoid of all that the medoids explain.
        method: ``pam`` or ``ward``.
    """

    of: Ints
    medoids: Ints
    silhouette: float | None
    silhouettes: Floats
    explained: float
    method: str

    @property
    def count(self) -> int:
        """How many clusters."""
        return len(self.medoids)


def cluster(
    distance: NDArray[np.floating], weight: Ints, k: int, method: str = "pam", rounds: int = 100
) -> Clusters:
    """Return ``k`` clusters, or fewer where there are fewer sequences.

    ``pam``: medoids built one by one (Kaufman and Rousseeuw 1990), then swapped while a swap
    shortens the sum of weighted distances (all swaps of a round at once, Schubert 2021). ``ward``:
    Ward's hierarchy of weighted sequences, cut; then the medoid of each branch. Both give the same
    for the same matrix.

    Raises:
        UsageError: no such method, less than one cluster, or a matrix of another size.
    """
    if method not in METHODS:
        raise UsageError(f"no method {method!r}; there are: {', '.join(METHODS)}")
    n = len(weight)
    if k < 1 or distance.shape != (n, n) or not n:
        raise UsageError("clusters need a square matrix of distances, and a number of them")
    k = min(k, n)
    if method == "pam":
        medoids = _swapped(distance, weight, _built(distance, weight, k), rounds)
        of = np.argmin(distance[:, medoids], axis=1)
        of[medoids] = np.arange(len(medoids))
    else:
        of = _ward(distance, weight, k)
        medoids = _medoids(distance, weight, of)
    total = np.bincount(of, weight, minlength=len(medoids))
    order = np.lexsort((medoids, -total))
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    of, medoids = rank[of], medoids[order]
    each = silhouettes(distance, weight, of)
    middle = int(np.argmin(distance @ weight))
    whole = float(weight @ distance[:, middle])
    inside = float(weight @ distance[np.arange(n), medoids[of]])
    return Clusters(
        of=of,
        medoids=medoids,
        silhouette=float(weight @ each / weight.sum()) if len(medoids) > 1 else None,
        silhouettes=each,
        explained=1 - inside / whole if whole > 0 else 0.0,
        method=method,
    )


def choose(
    distance: NDArray[np.floating], weight: Ints, ks: range, method: str = "pam"
) -> tuple[Clusters, dict[int, float | None]]:
    """Return the clusters of the best mean silhouette, and the silhouette of each number."""
    tried = {k: cluster(distance, weight, k, method) for k in ks if k <= len(weight)}
    if not tried:
        tried = {1: cluster(distance, weight, 1, method)}
    best = max(tried.values(), key=lambda one: -2.0 if one.silhouette is None else one.silhouette)
    return best, {k: one.silhouette for k, one in tried.items()}


def assign(distance: NDArray[np.floating]) -> Ints:
    """Return the nearest medoid of each row of distances (sequences, medoids)."""
    found: Ints = np.argmin(distance, axis=1)
    return found


def silhouettes(distance: NDArray[np.floating], weight: Ints, of: Ints) -> Floats:
    """Return the silhouette of each sequence, its own people taken as that many points.

    (b - a) / max(a, b): a, mean distance to the others of the cluster; b, to the nearest other
    cluster (Rousseeuw 1987). 0 for somebody alone.
    """
    k = int(of.max()) + 1
    towards = np.stack([distance[:, of == c] @ weight[of == c] for c in range(k)], axis=1)
    size = np.bincount(of, weight, minlength=k)
    own = np.arange(len(of))
    with np.errstate(divide="ignore", invalid="ignore"):
        inner = towards[own, of] / (size[of] - 1)
        mean = towards / size
        mean[own, of] = np.inf
        outer = mean.min(axis=1)
        found = (outer - inner) / np.maximum(inner, outer)
    alone = (size[of] <= 1) | ~np.isfinite(outer)
    return np.where(alone | ~np.isfinite(found), 0.0, found)


def _built(distance: NDArray[np.floating], weight: Ints, k: int) -> Ints:
    first = int(np.argmin(distance @ weight))
    medoids, nearest = [first], distance[:, first].astype(np.float64)
    while len(medoids) < k:
        gain = np.maximum(nearest[:, None] - distance, 0).T @ weight
        gain[medoids] = -1
        chosen = int(np.argmax(gain))
        medoids.append(chosen)
        nearest = np.minimum(nearest, distance[:, chosen])
    return np.array(medoids)


def _swapped(distance: NDArray[np.floating], weight: Ints, medoids: Ints, rounds: int) -> Ints:
    n, k = len(weight), len(medoids)
    medoids = medoids.copy()
    if k >= n:
        return medoids
    for _ in range(rounds):
        towards = distance[:, medoids].astype(np.float64)
        order = np.argsort(towards, axis=1, kind="stable")
        nearest = order[:, 0]
        first = towards[np.arange(n), nearest]
        second = towards[np.arange(n), order[:, 1]] if k > 1 else np.full(n, np.inf)
        # What each candidate saves whoever is removed, and what removing each medoid then costs.
        closer = np.minimum(distance - first[:, None], 0)
        change = np.tile(weight @ closer, (k, 1))
        for m in range(k):
            mine = nearest == m
            kept = np.minimum(distance[mine], second[mine, None])
            change[m] += weight[mine] @ (kept - first[mine, None] - closer[mine])
        change[:, medoids] = np.inf
        place = int(np.argmin(change))
        if change.flat[place] >= -1e-9 * max(1.0, float(weight @ first)):
            break
        medoids[place // n] = place % n
    return medoids


def _ward(distance: NDArray[np.floating], weight: Ints, k: int) -> Ints:
    """Return Ward's clusters of weighted points (Lance and Williams on squared distances)."""
    n = len(weight)
    size = weight.astype(np.float64)
    square = distance.astype(np.float64) ** 2
    square *= 2 * np.outer(size, size) / (size[:, None] + size[None, :])
    np.fill_diagonal(square, np.inf)
    of = np.arange(n)
    alive = np.ones(n, bool)
    nearest = square.argmin(axis=1)
    best = square[np.arange(n), nearest]
    for _ in range(n - k):
        i = int(np.argmin(np.where(alive, best, np.inf)))
        j = int(nearest[i])
        height = best[i]
        of[of == j] = i
        others = alive.copy()
        others[[i, j]] = False
        a, b, c = size[i], size[j], size[others]
        fresh = ((a + c) * square[i, others] + (b + c) * square[j, others] - c * height) / (
            a + b + c
        )
        square[i, others] = square[others, i] = fresh
        square[j, :] = square[:, j] = np.inf
        alive[j] = False
        size[i], best[j] = a + b, np.inf
        # Rows whose nearest was merged look again; the others may have a nearer one now.
        row = np.flatnonzero(others)
        stale = (nearest[row] == i) | (nearest[row] == j)
        again = row[stale]
        nearest[again] = square[again].argmin(axis=1)
        best[again] = square[again, nearest[again]]
        closer = row[~stale & (fresh < best[row])]
        nearest[closer] = i
        best[closer] = square[closer, i]
        if len(row):
            nearest[i] = int(square[i].argmin())
            best[i] = square[i, nearest[i]]
    found: Ints = np.unique(of, return_inverse=True)[1].ravel()
    return found


def _medoids(distance: NDArray[np.floating], weight: Ints, of: Ints) -> Ints:
    found = []
    for c in range(int(of.max()) + 1):
        members = np.flatnonzero(of == c)
        inside = distance[np.ix_(members, members)] @ weight[members]
        found.append(int(members[np.argmin(inside)]))
    return np.array(found)
