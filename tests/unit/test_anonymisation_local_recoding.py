from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openchronic_assets.anonymisation.cube import Cube, cube_from_arrow
from openchronic_assets.anonymisation.full_domain import search
from openchronic_assets.anonymisation.hierarchies import Hierarchy
from openchronic_assets.anonymisation.local_recoding import Recoding, loss_of, recode
from openchronic_assets.anonymisation.metrics import measure_classes

PLACE = Hierarchy(
    "place",
    ("0", "1", "2"),
    (("a", "AB", "*"), ("b", "AB", "*"), ("c", "CD", "*"), ("d", "CD", "*")),
)
AGE = Hierarchy("age", ("0", "1", "2"), tuple((str(n), f"half{n // 3}", "*") for n in range(6)))
BOTH = (PLACE, AGE)


def recoded(rows: list[tuple[str, str]], k: int, **options: Any) -> tuple[Cube, Recoding]:
    table = pa.table(
        {h.name: pa.array([row[d] for row in rows], pa.string()) for d, h in enumerate(BOTH)}
    )
    cube = cube_from_arrow(table, BOTH)
    return cube, recode(cube, k, **options)


def test_a_small_group_is_shown_coarser_while_the_large_one_stays_fine() -> None:
    rows = [("a", "0")] * 5 + [("b", "0")] * 2 + [("b", "1")] * 1 + [("d", "5")] * 2
    _, result = recoded(rows, 3)
    assert dict(zip(result.tuples, result.counts.tolist(), strict=True)) == {
        ("a", "0"): 5,
        ("b", "half0"): 3,
    }
    # The two people of "d" could only be shown as (*, *) or below k: they are removed.
    assert result.suppressed == 2


def test_nothing_is_starred_everywhere() -> None:
    _, result = recoded([("a", "0"), ("c", "5")], 2)
    assert result.tuples == ()
    assert result.suppressed == 2


def test_weights_decide_which_attribute_stays_fine() -> None:
    rows = [("a", "0"), ("a", "1"), ("b", "0"), ("b", "1")]
    _, by_place = recoded(rows, 2, weights={"place": 10.0})
    _, by_age = recoded(rows, 2, weights={"age": 10.0})
    assert by_place.tuples == (("a", "half0"), ("b", "half0"))
    assert by_age.tuples == (("AB", "0"), ("AB", "1"))


@settings(max_examples=100, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.sampled_from(PLACE.leaves), st.sampled_from(AGE.leaves)),
        min_size=1,
        max_size=80,
    ),
    k=st.integers(1, 12),
    keep_all=st.booleans(),
)
def test_every_tuple_has_k_records_and_covers_the_records_it_stands_for(
    rows: list[tuple[str, str]], k: int, keep_all: bool
) -> None:
    cube, result = recoded(rows, k, keep_all=keep_all)
    assert result.records + result.suppressed == len(rows)
    again: Counter[tuple[str, ...]] = Counter()
    for position, levels in enumerate(result.shown.tolist()):
        count = int(cube.counts[position])
        if levels[0] < 0:
            assert levels == [-1, -1]
            continue
        again[tuple(h.rows[cube.codes[position, d]][levels[d]] for d, h in enumerate(BOTH))] += (
            count
        )
    assert dict(again) == dict(zip(result.tuples, result.counts.tolist(), strict=True))
    assert all(count >= k for count in again.values())
    assert keep_all or ("*", "*") not in again
    if keep_all:
        assert result.suppressed == (len(rows) if len(rows) < k else 0)
    figures = measure_classes(dict(again), BOTH, result.suppressed)
    assert loss_of(result) == pytest.approx(figures.loss, abs=1e-12)
    assert list(result.tuples) == sorted(result.tuples)


def test_local_recoding_loses_less_than_the_best_single_node() -> None:
    generator = np.random.default_rng(7)
    rows = [
        (str(PLACE.leaves[p]), str(a))
        for p, a in zip(
            generator.choice(4, 400, p=[0.7, 0.2, 0.07, 0.03]),
            generator.choice(6, 400, p=[0.4, 0.3, 0.1, 0.1, 0.05, 0.05]),
            strict=True,
        )
    ]
    cube, result = recoded(rows, 12)
    best = search(cube, 12, 0.05)
    local = measure_classes(
        dict(zip(result.tuples, result.counts.tolist(), strict=True)), BOTH, result.suppressed
    )
    assert best is not None
    assert local.loss < best.loss
    assert local.loss == pytest.approx(0.0, abs=0.2)
