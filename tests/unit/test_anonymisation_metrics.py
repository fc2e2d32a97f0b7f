from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from openchronic_assets.anonymisation.cube import cube_from_parquet
from openchronic_assets.anonymisation.full_domain import search
from openchronic_assets.anonymisation.hierarchies import Hierarchy, HierarchyError
from openchronic_assets.anonymisation.metrics import measure, measure_classes

LETTER = Hierarchy("letter", ("0", "1"), tuple((value, "*") for value in "abcd"))


def test_figures_of_a_small_table() -> None:
    figures = measure_classes({("a",): 6, ("*",): 4}, [LETTER], suppressed=2)
    assert (figures.rows, figures.classes, figures.k, figures.suppressed) == (10, 2, 4, 2)
    assert figures.average_class == 5.0
    assert figures.max_risk == 0.25
    assert figures.average_risk == 0.2
    assert figures.suppressed_share == pytest.approx(1 / 6)
    # shares: 6 x 1/4 + 4 x 1 + 2 x 1 = 7.5, between 12/4 = 3 (untouched) and 12 (all lost)
    assert figures.loss == pytest.approx(0.5)


def test_an_empty_table_has_the_worst_risk() -> None:
    figures = measure_classes({}, [LETTER], suppressed=3)
    assert (figures.k, figures.max_risk, figures.average_risk, figures.loss) == (0, 1.0, 1.0, 1.0)
    assert figures.suppressed_share == 1.0


def test_a_null_is_a_value_and_not_one_of_the_hierarchy(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"letter": pa.array(["a", "a", None], pa.string())}), path)
    with pytest.raises(HierarchyError, match="1 published values"):
        measure([path], [LETTER])


def test_the_loss_of_a_written_full_domain_table_is_the_one_of_the_search(tmp_path: Path) -> None:
    tree = Hierarchy("n", ("0", "1", "2"), tuple((str(i), f"g{i // 2}", "*") for i in range(6)))
    source, written = tmp_path / "source.parquet", tmp_path / "written.parquet"
    values = ["0", "0", "1", "2", "3", "3", "3", "5"]
    pq.write_table(pa.table({"n": values}), source)
    found = search(cube_from_parquet([source], [tree]), 3, 0.2)
    assert found is not None and found.node == (1,)
    parent = {row[0]: row[1] for row in tree.rows}
    pq.write_table(pa.table({"n": [parent[v] for v in values if parent[v] != "g2"]}), written)
    figures = measure([written], [tree], suppressed=1)
    assert figures.loss == pytest.approx(found.loss)
    assert (figures.k, figures.suppressed) == (3, found.suppressed)
