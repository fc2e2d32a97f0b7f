"""Files of ER_PRS_F of any size: generated lines, repeated under other keys.

The generator makes some fifty thousand lines of persons; a larger file holds them again and again,
each time with other persons and other order numbers. So every column has the values and the blanks
of a generated extract, and the keys are as many as in life.
"""

from __future__ import annotations

import gzip
import tempfile
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa

from openchronic_assets import synthetic

TABLE = "ER_PRS_F"
YEAR = 2019
PERSONS = 3_000
SEED = 20_190
PARTS = ("before", "person", "between", "order_number", "after")


def write_files(folder: Path, lines: int, files: int) -> list[Path]:
    """Write files named by month of flux, of the same number of lines, as ``ER_PRS_F_201901.csv``.

    Args:
        folder: where to write.
        lines: lines in all, headers apart.
        files: number of files, twelve at most.
    """
    header, block = _generated()
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    with duckdb.connect() as connection:
        connection.register("block", block)
        for number in range(files):
            path = folder / f"{TABLE}_{YEAR}{number + 1:02d}.csv"
            count = lines // files + (number < lines % files)
            _write(connection, path, header, len(block), count, number)
            paths.append(path)
    return paths


def _generated() -> tuple[str, pa.Table]:
    """Return the header and the lines of a generated extract, cut around the keys."""
    with tempfile.TemporaryDirectory(prefix="openchronic-bench-") as name:
        folder = Path(name) / "extract"
        synthetic.generate(folder, PERSONS, (YEAR, YEAR), SEED, ["23"], truth=Path(name) / "truth")
        texts = [
            gzip.decompress(path.read_bytes()).decode()
            for path in sorted(folder.rglob(f"{TABLE}_*.csv.gz"))
        ]
    header = texts[0].split("\n", 1)[0]
    names = header.split(";")
    rows = [row for text in texts for row in _cut(text, names)]
    columns = zip(*rows, strict=True)
    return header, pa.table(dict(zip(PARTS, map(list, columns), strict=True)))


def _cut(text: str, names: list[str]) -> Iterator[tuple[str, ...]]:
    person, order = names.index("BEN_NIR_PSA"), names.index("DCT_ORD_NUM")  # in this order
    for line in text.splitlines()[1:]:
        cells = line.split(";")
        if len(cells) == len(names) and cells[order].isdigit():
            yield (
                ";".join([*cells[:person], ""]),
                cells[person],
                ";".join(["", *cells[person + 1 : order], ""]),
                cells[order],
                ";".join(["", *cells[order + 1 :]]),
            )


def _write(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    header: str,
    block: int,
    lines: int,
    number: int,
) -> None:
    copies = -(-lines // block)
    first = 1 + number * 10_000
    # The delimiter is one that no line holds: each line is one cell.
    connection.execute(
        f"""
        copy (
            select '{header}' as line
            union all
            (
                select concat(
                    before, left(person, 13), lpad(cast(n % 10000 as varchar), 4, '0'),
                    "between", cast(order_number as bigint) + n * 1000000, after
                )
                from range({first}, {first + copies}) copies(n), block
                limit {lines}
            )
        ) to '{path}' (format csv, header false, delimiter '\x01', quote '', escape '')
        """
    )
