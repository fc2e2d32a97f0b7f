"""Steps of the benchmark of networks and variation, each in a process of its own.

python -m openchronic_assets.bench.practice_steps STEP '{"argument": value}'
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

PROVIDERS_OF_AREA = 1_000


class _Clock:
    """Seconds, and processor seconds of this process, since it was made."""

    def __init__(self) -> None:
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def taken(self) -> dict[str, float]:
        """Return both."""
        return {
            "seconds": time.perf_counter() - self.wall,
            "cpu": time.process_time() - self.cpu,
        }


def draw(folder: str, persons: int, providers: int, seed: int = 0) -> dict[str, Any]:
    """Write pairs as they are in a country: most met near home, providers of very unequal sizes.

    Providers a person: negative binomial of mean 10, 50 at most. Sizes of providers: lognormal.
    95 % of pairs are in the person's own area.
    """
    rng = np.random.default_rng(seed)
    areas = max(1, providers // PROVIDERS_OF_AREA)
    degree = rng.negative_binomial(2, 2 / 12, persons).clip(0, 50)
    home = rng.integers(areas, size=persons)
    place = np.sort(rng.integers(areas, size=providers))
    size = np.r_[0.0, np.cumsum(rng.lognormal(0, 1, providers))]
    first = size[np.searchsorted(place, np.arange(areas + 1))]
    person = np.repeat(np.arange(persons), degree)
    area = home[person]
    at, local = rng.random(len(person)), rng.random(len(person)) < 0.95
    low = np.where(local, first[area], 0.0)
    high = np.where(local, first[area + 1], size[-1])
    provider = (np.searchsorted(size, low + at * (high - low), "right") - 1).clip(0, providers - 1)
    key = np.unique(person * providers + provider)
    np.save(Path(folder) / "pairs.npy", key)
    return {"pairs": len(key), "persons": persons, "providers": providers}


def _pairs(folder: str, providers: int) -> Any:
    from openchronic_assets.analytics.network.projection import Pairs

    key = np.load(Path(folder) / "pairs.npy")
    person, provider = key // providers, key % providers
    ones = np.ones(len(key), np.int64)
    return Pairs(person, provider, ones, int(person[-1]) + 1, providers)


def project(folder: str, providers: int) -> dict[str, Any]:
    """Project the pairs on providers; keep the edges for the next step."""
    from openchronic_assets.analytics.network.projection import shared_patients

    pairs = _pairs(folder, providers)
    clock = _Clock()
    edges = shared_patients(pairs)
    taken = clock.taken()
    np.savez(Path(folder) / "edges.npz", left=edges.left, right=edges.right, shared=edges.shared)
    return {**taken, "edges": len(edges), "shared": int(edges.shared.sum())}


def yardstick(folder: str, providers: int) -> dict[str, Any]:
    """Do the same by the self-join in SQL, in DuckDB: what the product is measured against."""
    import duckdb
    import pyarrow as pa

    from openchronic_assets.analytics.network.projection import EDGES_SQL

    pairs = _pairs(folder, providers)
    connection = duckdb.connect(config={"memory_limit": "3GB", "temp_directory": folder})
    numbers = {name: getattr(pairs, name).astype(np.int32) for name in ("person", "provider")}
    connection.register("given", pa.table(numbers))
    connection.execute("create table pairs as from given")
    clock = _Clock()
    rows = connection.execute(
        f"select count(*), sum(shared) from ({EDGES_SQL.format(pairs='pairs', minimum=2)})"
    ).fetchall()
    return {
        **clock.taken(),
        "edges": int(rows[0][0]),
        "shared": int(rows[0][1]),
    }


def thin(folder: str, providers: int) -> dict[str, Any]:
    """Test all edges of two persons or more, and look for communities in all of them."""
    from openchronic_assets.analytics.network import backbone, communities
    from openchronic_assets.analytics.network.projection import Edges

    pairs = _pairs(folder, providers)
    patients, persons = pairs.patients, pairs.persons
    del pairs
    with np.load(Path(folder) / "edges.npz") as kept:
        edges = Edges(kept["left"], kept["right"], kept["shared"], providers)
    clock = _Clock()
    uneven = backbone.disparity(edges) < backbone.DISPARITY
    rare = backbone.hypergeometric(edges, patients, persons) < backbone.HYPERGEOMETRIC
    tested = clock.taken()["cpu"]
    found = communities.communities(edges, seeds=[0])
    return {
        **clock.taken(),
        "backbone": tested,
        "kept": int(((uneven | rare) & (edges.shared >= backbone.THRESHOLD)).sum()),
        "communities": found.count,
        "modularity": found.modularity,
    }


def vary(indicators: int, departments: int, seed: int = 0) -> dict[str, Any]:
    """Study invented indicators over the departments, half of them proportions."""
    from openchronic_assets.analytics.variation import spatial
    from openchronic_assets.analytics.variation.study import Units, study

    rng = np.random.default_rng(seed)
    pairs = spatial.departments()
    known = sorted({code for pair in pairs for code in pair})
    codes = [*known, *(f"97{n}" for n in range(1, 50))][:departments]
    given = []
    for number in range(indicators):
        size = rng.lognormal(8, 0.8, departments).round() + 100
        expected = size * rng.uniform(0.01, 0.3) * rng.lognormal(0, 0.1, departments)
        true = expected * np.exp(rng.normal(0, rng.uniform(0, 0.4), departments))
        given.append(
            Units(
                f"i{number}", "department", "proportion" if number % 2 else "rate", tuple(codes),
                np.minimum(rng.poisson(true), size), size, expected.clip(max=0.9 * size),
                np.zeros(departments), "age_sex",
            )
        )  # fmt: skip
    clock = _Clock()
    found = [study(units, pairs, seed=seed) for units in given]
    taken = clock.taken()
    clock = _Clock()
    for _ in range(20):
        np.sort(rng.random(1_000_000))
    return {
        **taken,
        "yardstick": clock.taken()["cpu"],
        "told": sum(value is not None for one in found for value in one.summary.values()),
    }


STEPS: dict[str, Callable[..., dict[str, Any]]] = {
    "draw": draw,
    "project": project,
    "yardstick": yardstick,
    "thin": thin,
    "vary": vary,
}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(STEPS[sys.argv[1]](**json.loads(sys.argv[2]))) + "\n")
