"""The fast path and the careful path are two readings of the same text: they must agree."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openchronic_assets.contracts import load
from openchronic_assets.ingestion import lines, parse
from openchronic_assets.ingestion.lines import Block, sha256_of
from openchronic_assets.ingestion.parse import ParseTask, parse_file, stamp_of
from openchronic_assets.ingestion.plain import BLANKS, NO_LINES, PlainReader

SECRET = b"a secret of the tests, 32 characters or more"
GOOD = {
    "string": "AB1",
    "integer": "12",
    "decimal": "10.25",
    "date": "01/03/2019",
    "datetime": "02JAN2019:00:00:00",
    "year": "2019",
    "yearmonth": "201903",
    "month": "3",
}
TABLES = ("ER_UCD_F", "IR_BEN_R", "T_MCOaaC", "KI_CCI_R")
WRITINGS = """
0 -0 007 -5 +5 5. .5 -.5 - . -. 1-2 0x1f 1e3 1e-7 1_000 12.7 3400935418487.0 12.00 .0 1.0.0
1,5 1.005 10.500000 123456789012345678 9223372036854775807 9223372036854775808 NaN inf nan NULL
01/03/2019 1/3/2019 29/02/2019 29/02/2020 00/00/0000 01/01/0999 01/01/1600 01/03/20190
2019-03-01 20190301 01MAR2019 02JAN2019:10:00:00 02jan2019:00:00:00 02JAN2019:24:00:00
999 02019 12 13 012 201913 201900 xxxxxxxxxxxxxxxxx XXXXXXXXXXXXXXXXD 00000000
abcdefghijklmnopq 01C231000 é € true t
"""
CELL = st.one_of(
    st.sampled_from(WRITINGS.split()),
    st.sampled_from(["", " ", " 7 ", "\t7", "7\t", "\u00a07", "\u3000", "A B", " ab", "\ufeff1"]),
    st.sampled_from(['"12"', '"a;b"', '"', 'a"b', '"a""b"', '"a"b', "a\0b", "a\rb", "\r"]),
    st.text(st.sampled_from("0123456789.-eE/ "), max_size=12),
    st.text(st.characters(blacklist_characters="\n", blacklist_categories=["Cs"]), max_size=5),
)
# Bytes that stand between cells, or in place of a line.
LINE_END = st.sampled_from([b"\n"] * 8 + [b"\r\n", b"\r\n", b"\n\n", b"\r\r\n", b"\r", b" \n"])
LINE = st.sampled_from([b"", b";", b"\xff", b"\xef\xbb\xbf", b"12;13", b"   "])


def names_of(table: str) -> list[str]:
    return [column.name for column in load(table).for_year(2019).columns if column.is_loaded]


@st.composite
def texts(draw: st.DrawFn, table: str) -> bytes:
    columns = [load(table).column(name) for name in names_of(table)]
    mostly_good = [GOOD[column.type] for column in columns]
    body = b""
    for _ in range(draw(st.integers(0, 8))):
        if draw(st.integers(0, 9)) == 0:
            body += draw(LINE)
        else:
            cells = list(mostly_good)
            for place in draw(st.lists(st.integers(0, len(cells) - 1), max_size=3)):
                cells[place] = draw(CELL)
            quote = draw(st.sampled_from(["", "", "", '"']))
            body += ";".join(f"{quote}{cell}{quote}" for cell in cells).encode()
            if draw(st.integers(0, 5)) == 0:
                body += draw(st.sampled_from([b";", b";1", b"\xe9"]))
        body += draw(LINE_END)
    return body


def outcome(folder: Path, path: Path, table: str) -> dict[str, Any]:
    report = parse_file(
        ParseTask(
            path=str(path),
            source=path.name,
            table=table,
            period="2019",
            year=2019,
            year_source="name",
            delivery_id="d1",
            sha256=sha256_of(path),
            stamp=stamp_of(path),
            out=str(folder / "out"),
            quarantine=str(folder / "quarantine"),
            scratch=str(folder / "scratch"),
            accept_structure=True,
        ),
        SECRET,
    )
    assert report.status == "loaded" and report.balances, report.to_json()
    found: dict[str, Any] = {"report": report.to_json()}
    with duckdb.connect() as connection:
        for side in ("out", "quarantine"):
            parts = [str(part) for part in sorted((folder / side).glob("*.parquet"))]
            if parts:
                rows = connection.sql(f"from read_parquet({parts})")
                found[side] = (rows.columns, rows.types, rows.fetchall())
    return found


def both(header: str, body: bytes, table: str, block: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Parse a text twice: by both paths, and by the careful path alone."""

    def nothing(self: PlainReader, block: Block) -> tuple[Any, Any]:
        return NO_LINES, np.arange(len(block))

    with (
        tempfile.TemporaryDirectory() as name,
        mock.patch.object(lines, "BLOCK", block),
    ):
        folder = Path(name)
        path = folder / "f.csv"
        path.write_bytes(header.encode() + b"\n" + body)
        fast = outcome(folder / "fast", path, table)
        with mock.patch.object(PlainReader, "read", nothing):
            careful = outcome(folder / "careful", path, table)
    return fast, careful


@pytest.mark.parametrize("trailing", ["", ";"])
@pytest.mark.parametrize("table", TABLES)
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_both_paths_agree_on_every_cell_and_every_line(
    table: str, trailing: str, data: st.DataObject
) -> None:
    header = ";".join(names_of(table)) + trailing
    body = data.draw(texts(table))
    fast, careful = both(header, body, table, data.draw(st.sampled_from([40, 300, 1 << 20])))
    assert fast == careful


def test_plain_lines_take_the_fast_path_and_the_others_do_not() -> None:
    """The rest of this file would pass if nothing ever took the fast path."""
    names = names_of("ER_UCD_F")
    good = [GOOD[load("ER_UCD_F").column(name).type] for name in names]
    spoilt = {3: '"12', 5: "1.005", 7: "0x1f", 9: "1;2"}
    body = ""
    place = names.index("UCD_TTF_MNT")
    good[names.index("UCD_DLV_NBR")] = "12.0"
    fine = {2: '"12.50"', 4: "-.5", 6: " 7 "}
    for number in range(2, 12):
        cells = list(good)
        cells[place] = (spoilt | fine).get(number, cells[place])
        body += ";".join(cells) + "\n"
    taken: list[int] = []
    left: list[int] = []
    read = PlainReader.read

    def listening(self: PlainReader, block: Block) -> tuple[Any, Any]:
        table, others = read(self, block)
        taken.extend(table.column("line").to_pylist())
        left.extend((block.first + others).tolist())
        return table, others

    with mock.patch.object(PlainReader, "read", listening):
        both(";".join(names), body.encode(), "ER_UCD_F", 1 << 20)
    assert taken == [2, 4, 6, 8, 10, 11]
    assert left == [3, 5, 7, 9]


def test_a_column_that_is_empty_for_long_is_read_where_it_has_a_value(tmp_path: Path) -> None:
    names = names_of("ER_UCD_F")
    good = [GOOD[load("ER_UCD_F").column(name).type] for name in names]
    place = names.index("UCD_TOP_UCD")
    body = ""
    for number in range(60):
        cells = list(good)
        cells[place] = {40: "7", 50: '""', 55: " "}.get(number, "")
        body += ";".join(cells) + "\n"
    with mock.patch.object(parse._Loader, "_judge", side_effect=AssertionError):
        path = tmp_path / "f.csv"
        path.write_text(";".join(names) + "\n" + body)
        with mock.patch.object(lines, "BLOCK", 400):
            kept = outcome(tmp_path, path, "ER_UCD_F")["out"]
    found = [row[kept[0].index("ucd_top_ucd")] for row in kept[2]]
    assert found == [None] * 40 + [7] + [None] * 19


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_file_with_every_cell_in_quotes_takes_the_fast_path(end: str) -> None:
    names = names_of("ER_UCD_F")
    line = ";".join(f'"{GOOD[load("ER_UCD_F").column(name).type]}"' for name in names)
    with (
        tempfile.TemporaryDirectory() as name,
        mock.patch.object(parse._Loader, "_judge", side_effect=AssertionError),
    ):
        path = Path(name) / "f.csv"
        path.write_bytes(f"{';'.join(names)}{end}{(line + end) * 3}".encode())
        found = outcome(Path(name) / "fast", path, "ER_UCD_F")
    assert found["report"]["kept"] == 3


def test_blanks_are_those_that_the_careful_path_trims() -> None:
    with duckdb.connect() as connection:
        found = connection.execute(
            "select string_agg(chr(i::int), '' order by i) from range(1, 55000) r(i) "
            "where trim(chr(i::int)) = ''"
        ).fetchone()
    assert found == (BLANKS,)
