"""The projection in SQL says the same on DuckDB and on Spark, and the same as the product."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest

from openchronic_assets.analytics.network.projection import (
    BOUNDED_SQL,
    EDGES_SQL,
    Pairs,
    bounded,
    pairs_of,
    shared_patients,
)
from openchronic_assets.ingestion.spark import session as product_session

pytestmark = [pytest.mark.spark, pytest.mark.long, pytest.mark.usefixtures("java")]

Edge = tuple[int, int, int]

# Four persons, five providers: the edges are counted by hand in test_network_measures.
TOY = [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2), (2, 2), (2, 3), (2, 4), (3, 3), (3, 4)]


def drawn(seed: int, persons: int, providers: int, n: int) -> list[tuple[int, int]]:
    """Meetings of providers of very unequal sizes; some persons meet more than the cap."""
    rng = np.random.default_rng(seed)
    size = rng.lognormal(0, 1.2, providers)
    who = np.minimum(rng.exponential(persons / 4, n).astype(int), persons - 1)
    met = zip(who.tolist(), rng.choice(providers, n, p=size / size.sum()).tolist(), strict=True)
    return sorted(set(met))


# Name: meetings, cap of providers a person, fewest persons a provider, fewest persons shared.
GRAPHS: dict[str, tuple[list[tuple[int, int]], int, int, int]] = {
    "toy": (TOY, 50, 1, 1),
    "toy, persons of three providers over the cap": (TOY, 2, 1, 1),
    "toy, providers of one person left out after the cap": (TOY, 2, 2, 1),
    "nobody": ([], 50, 1, 1),
    "small": (drawn(1, 60, 12, 300), 8, 3, 2),
    "dense": (drawn(3, 300, 80, 3_000), 20, 11, 3),
}


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    """The session of the product, with as few parts as such graphs need."""
    session = product_session()
    name = "spark.sql.shuffle.partitions"
    session.conf.set(name, "2")
    yield session
    session.conf.unset(name)


def queries(cap: int, fewest: int, minimum: int) -> tuple[str, str]:
    """Return what makes view ``bounded`` and the edges over it."""
    return (
        "create or replace temp view bounded as "
        + BOUNDED_SQL.format(pairs="met", cap=cap, fewest=fewest),
        EDGES_SQL.format(pairs="bounded", minimum=minimum),
    )


def in_duckdb(met: list[tuple[int, int]], asked: tuple[str, str]) -> list[Edge]:
    connection = duckdb.connect()
    connection.execute("create table met (person bigint, provider bigint)")
    connection.register("given", pd.DataFrame(met, columns=["person", "provider"], dtype="int64"))
    connection.execute("insert into met select * from given")
    connection.execute(asked[0])
    return sorted(connection.execute(asked[1]).fetchall())


def in_spark(spark: Any, met: list[tuple[int, int]], asked: tuple[str, str]) -> list[Edge]:
    spark.createDataFrame(met, "person bigint, provider bigint").createOrReplaceTempView("met")
    spark.sql(asked[0])
    return sorted((int(a), int(b), int(w)) for a, b, w in spark.sql(asked[1]).collect())


def by_product(pairs: Pairs, cap: int, fewest: int, minimum: int) -> list[Edge]:
    kept, _ = bounded(pairs, cap=cap, fewest=fewest)
    found = shared_patients(kept, minimum)
    return list(zip(found.left.tolist(), found.right.tolist(), found.shared.tolist(), strict=True))


def test_both_engines_project_as_the_product_does(spark: Any) -> None:
    sizes = {}
    for name, (met, cap, fewest, minimum) in GRAPHS.items():
        asked = queries(cap, fewest, minimum)
        wanted = by_product(
            pairs_of(*np.array(met, np.int64).reshape(-1, 2).T), cap, fewest, minimum
        )
        assert in_duckdb(met, asked) == wanted, name
        assert in_spark(spark, met, asked) == wanted, name
        sizes[name] = len(wanted)
    assert sizes["toy"] == 6 and sizes["nobody"] == 0
    # Persons 1 and 2 are over a cap of two; of the others each provider has one alone.
    assert sizes["toy, persons of three providers over the cap"] == 2
    assert sizes["toy, providers of one person left out after the cap"] == 0
    assert min(sizes["small"], sizes["dense"]) > 20
