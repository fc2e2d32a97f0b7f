"""Text files for the benchmarks of ingestion, shaped by a contract and made by arithmetic."""

from __future__ import annotations

from pathlib import Path

import duckdb

from openchronic_assets.contracts import Column, load

YEAR = 2020
NARROW = ("ER_UCD_F", 22)  # table, columns: the width of a typical table of DCIR
WIDE = ("ER_PRS_F", 1000)  # all columns of the widest table


def write_text(path: Path, table: str, width: int, lines: int, spoilt_every: int = 0) -> None:
    """Write a file of a table: amounts, codes and dates that repeat as in life.

    Args:
        path: the file to write, separated by ``;``.
        table: SNDS name of the table.
        width: number of columns; optional ones go first. Those that its providers leave empty
            (not required, in a wide table) are empty in every line.
        lines: lines after the header.
        spoilt_every: if not 0, one line in so many has a word for an amount.
    """
    columns = list(load(table).for_year(YEAR).columns)
    for column in [each for each in columns if not each.required]:
        if len(columns) <= width:
            break
        columns.remove(column)
    sparse = width > 2 * NARROW[1]
    cells = [
        _cell(place, column, sparse, spoilt_every if column.role == "amount" else 0)
        for place, column in enumerate(columns)
    ]
    with duckdb.connect() as connection:
        connection.execute(
            f"copy (select {', '.join(cells)} from range({lines}) r(i)) "
            f"to '{path}' (format csv, header, delimiter ';', quote '')"
        )


def _cell(place: int, column: Column, sparse: bool, spoilt_every: int) -> str:
    draw = f"hash(i * 131 + {place})"
    if sparse and not column.required:
        value = "''"
    elif column.type == "integer":
        value = f"{draw} % {(9, 97, 999, 99_999, 9_999_999)[place % 5]}"
    elif column.type == "decimal":
        value = f"cast({draw} % 1000000 / 100.0 as decimal(18, 2))"
    elif column.type in ("date", "datetime"):
        value = f"strftime(date '{YEAR}-01-01' + cast({draw} % 366 as int), '{column.formats[0]}')"
    elif column.type == "yearmonth":
        value = f"{YEAR}01 + {draw} % 12"
    elif column.type == "year":
        value = f"1930 + {draw} % 80"
    elif column.role == "pseudonym":
        value = f"printf('%017d', i // 15 * 7919 + {place})"
    else:
        value = f"'01C' || (100000 + {draw} % 300)"
    if spoilt_every:
        value = f"case when i % {spoilt_every} = 7 then 'inconnu' else cast({value} as varchar) end"
    return f"{value} as {column.name}"
