"""Counting rows without reading them: the footers of Parquet files know."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq


def rows_of(paths: Sequence[Path]) -> int:
    """Return the number of rows of some Parquet files."""
    return sum(pq.read_metadata(path).num_rows for path in paths)
