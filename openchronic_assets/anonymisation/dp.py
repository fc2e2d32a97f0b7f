"""Differentially private cubes: counts with noise, the patient being the unit of privacy.

What a patient can change is bounded before the data are seen: at most ``cells_per_person`` cells
of the cube and ``rows_per_cell`` events in each; which of a person's events are kept follows from
a keyed hash, never from the order of a file. The cells are those of public lists (all departments
times all disease groups, zeros included), so that the presence of a cell tells nothing. Noise is
the discrete Gaussian of OpenDP, calibrated in zCDP; margins are summed from the noisy cells after
the noise, which costs nothing and makes them agree.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa

from openchronic_assets import duck
from openchronic_assets.anonymisation.ledger import Ledger, epsilon
from openchronic_assets.errors import OpenChronicError, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

DELTA = 1e-6
EVENTS_AT_ONCE = 8_000_000
"""Events counted in one go; more are counted by groups of people, to bound the memory."""


@dataclass(frozen=True)
class Bounds:
    """What one person can change at most; fixed before the data are read.

    Attributes:
        cells_per_person: cells that a person counts in (L0).
        rows_per_cell: events of a person in one cell (Linf); 1 counts persons.
    """

    cells_per_person: int
    rows_per_cell: int = 1

    def __post_init__(self) -> None:
        for value in (self.cells_per_person, self.rows_per_cell):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise UsageError("a bound on contributions is a whole number from 1")

    @property
    def l2(self) -> float:
        """Largest Euclidean change of the cube when one person comes or goes."""
        return math.sqrt(self.cells_per_person) * self.rows_per_cell

    def scale(self, rho: float) -> float:
        """Return the standard deviation of the noise that spends ``rho``."""
        if not (math.isfinite(rho) and rho > 0):
            raise UsageError("rho is a positive number")
        return self.l2 / math.sqrt(2 * rho)


@dataclass(frozen=True)
class NoisyCube:
    """A released cube.

    Attributes:
        keys: for each dimension, its public list of values.
        counts: array, one axis a dimension: noisy counts, whole, none below zero.
        rho: budget spent.
        delta: for which ``epsilon`` is told.
        epsilon: of (epsilon, delta)-differential privacy, by the tight conversion.
        scale: standard deviation of the noise.
    """

    keys: dict[str, tuple[str, ...]]
    counts: NDArray[np.int64]
    rho: float
    delta: float
    epsilon: float
    scale: float


def bounded_counts(
    files: Sequence[Path],
    person: str,
    keys: Mapping[str, Sequence[str]],
    bounds: Bounds,
    secret: bytes,
    *,
    expressions: Mapping[str, str] | None = None,
    where: str = "true",
    memory_limit: str = "4GB",
    threads: int = 2,
    temporary: Path | None = None,
) -> NDArray[np.int64]:
    """Count events by cell, each person truncated to the bounds. Exact: never to be published.

    Args:
        files: Parquet files of events.
        person: column of the person.
        keys: dimension to its public list of values; other values are in no cell.
        bounds: see :class:`Bounds`.
        secret: key of the hash that decides which cells of a person are kept.
        expressions: dimension to its SQL expression, where it is not the column of that name.
        where: SQL condition on the events.
        memory_limit: of DuckDB, which spills beyond.
        threads: of DuckDB.
        temporary: folder to spill in.

    Raises:
        UsageError: no key, or a key given twice.
        OpenChronicError: an event has no person, or a file cannot be read.
    """
    lists = {name: [str(value) for value in values] for name, values in keys.items()}
    if not lists or any(not values or len(set(values)) != len(values) for values in lists.values()):
        raise UsageError("give each dimension a list of distinct values")
    sql = {name: (expressions or {}).get(name, _quoted(name)) for name in lists}
    shape = tuple(len(values) for values in lists.values())
    config: dict[str, Any] = {
        "memory_limit": memory_limit,
        "threads": str(threads),
        "preserve_insertion_order": "false",
    }
    if temporary is not None:
        config["temp_directory"] = str(temporary)
    source = {"files": [str(file) for file in files]}
    salt = int.from_bytes(hashlib.sha256(secret).digest()[:8]) >> 1
    counts = np.zeros(int(np.prod(shape)), dtype=np.int64)
    try:
        with duck.connect(**config) as connection:
            # One number for a cell: the position of each value in its public list.
            stride, cell, joins = 1, [], []
            for number, name in reversed(list(enumerate(lists))):
                values = pa.table(
                    {
                        "value": pa.array(lists[name], pa.string()),
                        "place": pa.array([i * stride for i in range(shape[number])], pa.int64()),
                    }
                )
                connection.register(f"values_{number}", values)
                joins.append(
                    f"join values_{number} on values_{number}.value = event.dimension_{number}"
                )
                cell.append(f"values_{number}.place")
                stride *= shape[number]
            columns = ", ".join(
                f"cast({sql[name]} as varchar) as dimension_{i}" for i, name in enumerate(lists)
            )
            events, orphans = connection.execute(
                f"select count(*), count(*) filter (where {_quoted(person)} is null) "
                f"from read_parquet($files) where {where}",
                source,
            ).fetchone() or (0, 0)
            if orphans:
                raise OpenChronicError(
                    f"{orphans} events have no person; their contribution cannot be bounded: "
                    "leave them out"
                )
            parts = max(1, math.ceil(events / EVENTS_AT_ONCE))
            for part in range(parts):
                found = connection.execute(
                    f"""
                    with event as (
                        select hash({_quoted(person)}, {salt}) as person, {columns}
                        from read_parquet($files)
                        where ({where}) and hash({_quoted(person)}) % {parts} = {part}
                    ),

                    -- One whole number holds a cell and its rows: a third of the time of a pair.
                    contribution as (
                        select
                            event.person,
                            ({" + ".join(cell)})::bigint as cell,
                            least(count(*), {bounds.rows_per_cell})::bigint as rows
                        from event {" ".join(joins)}
                        group by all
                    ),

                    kept as (
                        select unnest(
                            arg_min(
                                cell * {bounds.rows_per_cell + 1} + rows,
                                hash(person, cell, {salt}),
                                {bounds.cells_per_person}
                            )
                        ) as one
                        from contribution
                        group by person
                    )

                    select
                        one // {bounds.rows_per_cell + 1} as cell,
                        sum(one % {bounds.rows_per_cell + 1})::bigint as rows
                    from kept
                    group by cell
                    """,
                    source,
                ).fetchnumpy()
                cells, rows = (np.ma.filled(found[name], 0) for name in ("cell", "rows"))
                counts[cells.astype(np.int64)] += rows.astype(np.int64)
    except duckdb.Error as error:
        raise OpenChronicError(
            f"the events of a private cube cannot be counted ({type(error).__name__}); "
            "check the columns and the files"
        ) from None
    return counts.reshape(shape)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def add_noise(counts: NDArray[np.int64], bounds: Bounds, rho: float) -> NDArray[np.int64]:
    """Add discrete Gaussian noise that spends ``rho``; the sampler and its proof are OpenDP's.

    Raises:
        OpenChronicError: the mechanism would spend more than ``rho``, or OpenDP is not there.
    """
    try:
        import opendp.prelude as dp
    except ImportError as error:
        raise OpenChronicError(
            "differential privacy needs the package opendp; install openchronic with its "
            "dependencies"
        ) from error
    dp.enable_features("contrib")
    scale = bounds.scale(rho)
    space = dp.vector_domain(dp.atom_domain(T="i64")), dp.l2_distance(T=float)
    # A hair wider, so that rounding never spends more than was reserved.
    mechanism = dp.m.make_gaussian(*space, scale=scale * (1 + 1e-9))
    spent: Any = mechanism.map(bounds.l2)  # type: ignore[no-untyped-call]
    if not spent <= rho:
        raise OpenChronicError("the noise would spend more than its budget; nothing was drawn")
    drawn = mechanism([int(value) for value in counts.ravel()])
    return np.asarray(drawn, dtype=np.int64).reshape(counts.shape)


def consistent(noisy: NDArray[np.int64]) -> NDArray[np.int64]:
    """Bring noisy counts to zero or more while keeping their sum: all margins then agree.

    The closest non-negative cube of the same total (Euclidean), then whole numbers by largest
    remainders; ties by position. Only noisy values are used: this is post-processing.
    """
    flat = noisy.astype(np.float64).ravel()
    total = max(0, int(noisy.sum()))
    if total == 0:
        return np.zeros(noisy.shape, dtype=np.int64)
    ordered = np.sort(flat)[::-1]
    excess = (np.cumsum(ordered) - total) / np.arange(1, len(flat) + 1)
    last = int(np.flatnonzero(ordered - excess > 0)[-1])
    lifted = np.maximum(flat - excess[last], 0.0)
    whole = np.floor(lifted).astype(np.int64)
    short = total - int(whole.sum())
    order = np.lexsort((np.arange(len(flat)), -(lifted - whole)))
    whole[order[:short]] += 1
    result: NDArray[np.int64] = whole.reshape(noisy.shape)
    return result


def release_cube(
    ledger: Ledger,
    release: str,
    population: str,
    files: Sequence[Path],
    person: str,
    keys: Mapping[str, Sequence[str]],
    bounds: Bounds,
    rho: float,
    secret: bytes,
    *,
    delta: float = DELTA,
    **options: Any,
) -> NoisyCube:
    """Reserve the budget, count, add noise and return the cube; the caller commits it.

    The reservation stands before the first row is read. ``Ledger.commit`` is to follow with the
    hash of the written file; until then, and after a crash, the budget counts as spent.

    Raises:
        Refused: the budget does not allow it, or the release has reserved before.
        OpenChronicError: see :func:`bounded_counts`, :func:`add_noise`.
    """
    lists = {name: tuple(str(value) for value in values) for name, values in keys.items()}
    query = json.dumps({"keys": lists, "person": person, **{k: str(v) for k, v in options.items()
                        if k in ("expressions", "where")}}, sort_keys=True)  # fmt: skip
    ledger.reserve(
        release,
        population,
        rho,
        {
            "unit": "person",
            "mechanism": "discrete gaussian",
            "delta": delta,
            "epsilon": epsilon(rho, delta),
            "bounds": asdict(bounds),
            "keys": "public",
            "query_sha256": hashlib.sha256(query.encode()).hexdigest(),
        },
    )
    exact = bounded_counts(files, person, lists, bounds, secret, **options)
    noisy = consistent(add_noise(exact, bounds, rho))
    return NoisyCube(lists, noisy, rho, delta, epsilon(rho, delta), bounds.scale(rho))
