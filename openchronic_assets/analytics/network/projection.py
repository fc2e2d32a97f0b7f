"""From who met whom to who shares patients: the projection of persons and providers.

The pairs are a mart in SQL on both engines (``provider_contact``). Their projection is a product
of sparse matrices in blocks of rows: half of the processor time and a third of the memory of the
self-join in SQL, which is kept as a second opinion and for a cluster (docs/decisions/0028).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse  # type: ignore[import-untyped]

from openchronic_assets.errors import UsageError

CAP = 50
"""Persons who met more providers than this are left out: they tie everybody to everybody."""

FEWEST = 11
"""Providers seen by fewer persons than this are left out."""

_WORK = 16_000_000  # entries that a block of the product may hold before it is summed

Ints = NDArray[np.int64]

# In the common dialect of DuckDB and Spark, over (person, provider), each pair once: the rules of
# ``bounded``, then the projection. Provider numbers make a pair of them an unordered one.
BOUNDED_SQL = """
select of_few.person, of_few.provider
from (
    select
        under_cap.person, under_cap.provider,
        count(*) over (partition by under_cap.provider) as patients
    from (
        select person, provider, count(*) over (partition by person) as met from {pairs}
    ) as under_cap
    where under_cap.met <= {cap}
) as of_few
where of_few.patients >= {fewest}
"""
EDGES_SQL = """
select
    one.provider as left_node,
    other.provider as right_node,
    cast(count(*) as bigint) as shared
from {pairs} as one
inner join {pairs} as other on one.person = other.person and one.provider < other.provider
group by one.provider, other.provider
having count(*) >= {minimum}
"""


@dataclass(frozen=True)
class Pairs:
    """Persons and providers who met, each pair once, both numbered from 0.

    Attributes:
        person: array (pairs,).
        provider: array (pairs,).
        visits: array (pairs,): contacts of the pair.
        persons: how many persons are numbered.
        providers: how many providers are numbered.
    """

    person: Ints
    provider: Ints
    visits: Ints
    persons: int
    providers: int

    @property
    def patients(self) -> Ints:
        """Array (providers,): persons whom each provider met."""
        return np.bincount(self.provider, minlength=self.providers)

    @property
    def met(self) -> Ints:
        """Array (persons,): providers whom each person met."""
        return np.bincount(self.person, minlength=self.persons)


@dataclass(frozen=True)
class Edges:
    """Pairs of providers with the persons whom they share; ``left`` < ``right``, in that order.

    Attributes:
        left: array (edges,) of provider numbers.
        right: array (edges,) of provider numbers.
        shared: array (edges,): persons shared.
        nodes: how many providers are numbered, those without an edge included.
    """

    left: Ints
    right: Ints
    shared: Ints
    nodes: int

    def __len__(self) -> int:
        return len(self.left)

    def where(self, kept: NDArray[np.bool_] | Ints) -> Edges:
        """Return the edges of a mask or of positions, over the same nodes."""
        return Edges(self.left[kept], self.right[kept], self.shared[kept], self.nodes)

    @property
    def degree(self) -> Ints:
        """Array (nodes,): edges of each provider."""
        ends = np.bincount(self.left, minlength=self.nodes)
        return ends + np.bincount(self.right, minlength=self.nodes)

    @property
    def strength(self) -> Ints:
        """Array (nodes,): persons shared, summed over a provider's edges."""
        total = np.bincount(self.left, self.shared, minlength=self.nodes)
        total += np.bincount(self.right, self.shared, minlength=self.nodes)
        return total.astype(np.int64)


@dataclass(frozen=True)
class Left:
    """What the rules leave out of the pairs: persons over the cap, providers of few persons."""

    persons_over_cap: int
    providers_of_few: int


def pairs_of(person: Ints, provider: Ints, visits: Ints | None = None) -> Pairs:
    """Return pairs from numbers, each pair once with its visits summed.

    Raises:
        UsageError: the arrays differ in length, or a number is negative.
    """
    person, provider = np.asarray(person, np.int64), np.asarray(provider, np.int64)
    visits = np.ones(len(person), np.int64) if visits is None else np.asarray(visits, np.int64)
    if not len(person) == len(provider) == len(visits):
        raise UsageError("persons, providers and visits must be of one length")
    if not len(person):
        return Pairs(person, provider, visits, 0, 0)
    if min(person.min(), provider.min()) < 0:
        raise UsageError("persons and providers are numbered from 0")
    persons, providers = int(person.max()) + 1, int(provider.max()) + 1
    key = person * providers + provider
    if not (np.diff(key) > 0).all():
        key, place = np.unique(key, return_inverse=True)
        visits = np.bincount(place, visits).astype(np.int64)
        person, provider = key // providers, key % providers
    return Pairs(person, provider, visits, persons, providers)


def bounded(pairs: Pairs, *, cap: int = CAP, fewest: int = FEWEST) -> tuple[Pairs, Left]:
    """Return the pairs without persons over the cap, then without providers of few persons.

    Numbers stay what they were: a provider left out has no pair.
    """
    over = pairs.met > cap
    kept = ~over[pairs.person]
    patients = np.bincount(pairs.provider[kept], minlength=pairs.providers)
    few = (patients > 0) & (patients < fewest)
    kept &= ~few[pairs.provider]
    left = Left(int(over.sum()), int(few.sum()))
    return Pairs(
        pairs.person[kept], pairs.provider[kept], pairs.visits[kept], pairs.persons, pairs.providers
    ), left


def shared_patients(pairs: Pairs, minimum: int = 2) -> Edges:
    """Return the pairs of providers who share at least ``minimum`` persons.

    w(i, j) is the number of persons whom both i and j met, however often. Edges of one person are
    more than half of all and say little (Mandl 2014, PMC4238195), hence the default.

    Raises:
        UsageError: ``minimum`` is under 1.
    """
    if minimum < 1:
        raise UsageError(f"an edge shares at least one person: minimum {minimum}")
    seen = sparse.csr_matrix(
        (np.ones(len(pairs.person), np.int32), (pairs.person, pairs.provider)),
        shape=(pairs.persons, pairs.providers),
    )
    turned = seen.T.tocsr()
    found: list[tuple[Ints, Ints, Ints]] = []
    for first, last in _blocks(pairs):
        product = (turned[first:last] @ seen).tocoo()
        kept = (product.data >= minimum) & (product.col > product.row + first)
        # Rows come in order from the product, columns of a row do not.
        row, column, shared = product.row[kept] + first, product.col[kept], product.data[kept]
        order = np.lexsort((column, row))
        found.append((row[order], column[order], shared[order]))
    empty = np.zeros(0, np.int32)
    return Edges(
        np.concatenate([empty, *(each[0] for each in found)]),
        np.concatenate([empty, *(each[1] for each in found)]),
        np.concatenate([empty, *(each[2] for each in found)]),
        pairs.providers,
    )


def _blocks(pairs: Pairs) -> list[tuple[int, int]]:
    """Return ranges of providers whose product makes about ``_WORK`` entries at most."""
    if not pairs.providers:
        return []
    work = np.bincount(pairs.provider, pairs.met[pairs.person], minlength=pairs.providers)
    block = (np.cumsum(work) // _WORK).astype(np.int64)
    firsts = np.flatnonzero(np.r_[True, np.diff(block) > 0])
    return list(zip(firsts.tolist(), [*firsts[1:].tolist(), pairs.providers], strict=True))
