"""Good files damaged in named ways, each with what must become of it.

The good file is ``GOOD``: six lines of ER_UCD_F. ``DAMAGES`` is the table: what was done, and
whether the file is then accepted, some of its lines are quarantined and why, or all of it is
refused or unreadable, with words that the message must hold.
"""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import sas7bdat

from openchronic_assets.contracts import load

NAME = "ER_UCD_F_2019.csv"
ROW = {
    "DCT_ORD_NUM": "1",
    "FLX_DIS_DTD": "01/03/2019",
    "FLX_EMT_NUM": "1",
    "FLX_EMT_ORD": "1",
    "FLX_EMT_TYP": "1",
    "FLX_TRT_DTD": "12/03/2019",
    "ORG_CLE_NUM": "01C231000",
    "PRS_ORD_NUM": "1",
    "REM_TYP_AFF": "1",
    "UCD_ORD_NUM": "1",
    "UCD_UCD_COD": "0000009123456",
    "UCD_TOP_UCD": "0",
    "UCD_DLV_NBR": "1",
    "UCD_TTF_MNT": "100.25",
}
GOOD = [ROW | {"DCT_ORD_NUM": str(n), "UCD_TTF_MNT": f"{n}00.25"} for n in range(1, 7)]
BIG = 200 << 20


@dataclass(frozen=True)
class Damage:
    """A damaged file and its fate.

    ``outcome`` is ``accepted``, ``quarantined``, ``refused`` (all lines in quarantine) or
    ``unreadable``; ``why`` gives the lines refused by reason, or the code; ``at`` the first refused
    line and its column; ``says`` words of the message; ``kept`` the lines kept, where not all
    others.
    """

    data: bytes | Callable[[Path], None]
    outcome: str
    why: dict[str, int] = field(default_factory=dict)
    at: tuple[int, str | None] | None = None
    says: str = ""
    kept: int = 0
    name: str = NAME
    table: str = "ER_UCD_F"


def text(
    rows: list[dict[str, str]] | None = None,
    *,
    separator: str = ";",
    end: str = "\n",
    header: list[str] | None = None,
) -> bytes:
    """Return rows as a file; the header is theirs unless another is given."""
    rows = GOOD if rows is None else rows
    lines = [header or list(rows[0]), *(list(row.values()) for row in rows)]
    return "".join(separator.join(line) + end for line in lines).encode()


def cells(column: str, value: str, place: int = 2) -> bytes:
    """Return the good file with one cell changed, in line ``place + 2``."""
    rows = list(GOOD)
    rows[place] = rows[place] | {column: value}
    return text(rows)


def everywhere(**values: str) -> bytes:
    """Return the good file with some cells changed in every line."""
    return text([row | values for row in GOOD])


def line(change: Callable[[bytes], bytes], place: int = 2) -> bytes:
    """Return the good file with one line changed."""
    lines = text().split(b"\n")
    lines[place + 1] = change(lines[place + 1])
    return b"\n".join(lines)


def zipped(*members: str, data: bytes = b"", flags: int = 0) -> bytes:
    """Return a zip of members that hold the good file."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for member in members:
            archive.writestr(member, data or text())
    done = bytearray(held.getvalue())
    if flags:
        for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            done[done.index(mark) + offset] |= flags
    return bytes(done)


def zstd(data: bytes) -> bytes:
    """Return bytes compressed by zstd."""
    return bytes(pa.Codec("zstd").compress(data, asbytes=True))


def long_line(path: Path) -> None:
    """Write the good file with a line of 200 MB in its middle, piece by piece."""
    lines = text().split(b"\n")
    with path.open("wb") as handle:
        handle.write(b"\n".join(lines[:3]) + b"\n")
        for _ in range(BIG >> 20):
            handle.write(b"x" * (1 << 20))
        handle.write(b"\n" + b"\n".join(lines[3:]))


def typed(**changes: pa.Array) -> pa.Table:
    """Return the good file as a typed table, some columns replaced."""
    columns = {}
    for name in ROW:
        words = [row[name] for row in GOOD]
        column = load("ER_UCD_F").column(name)
        if column.type == "date":
            texts = [f"{word[6:]}-{word[3:5]}-{word[:2]}" for word in words]
            columns[name] = pa.array(texts).cast(pa.date32())
        elif column.type == "integer":
            columns[name] = pa.array([int(word) for word in words])
        elif column.type == "decimal":
            columns[name] = pa.array([float(word) for word in words])
        else:
            columns[name] = pa.array(words)
    return pa.table(columns | changes)


def parquet(table: pa.Table) -> bytes:
    """Return a table as the bytes of a Parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return bytes(sink.getvalue())


def sas(**options: object) -> Callable[[Path], None]:
    """Return what writes the good file as a SAS table."""
    epoch = 3653  # days from 1960 to 1970
    table = typed()
    columns: list[sas7bdat.Column] = []
    for schema in table.schema:
        if pa.types.is_string(schema.type):
            columns.append((schema.name, 20, ""))
        else:
            columns.append((schema.name, 0, "DATE" if pa.types.is_date(schema.type) else ""))
    rows: list[list[float | str | None]] = []
    for row in table.to_pylist():
        rows.append(
            [
                value
                if isinstance(value, str | int | float)
                else float((value.toordinal() - 719163) + epoch)
                for value in row.values()
            ]
        )

    def make(path: Path) -> None:
        sas7bdat.write(path, columns, rows, **options)  # type: ignore[arg-type]

    return make


def accepted(data: bytes | Callable[[Path], None], name: str = NAME, kept: int = 6) -> Damage:
    """Return a file of which every line is kept."""
    return Damage(data, "accepted", kept=kept, name=name)


def quarantined(
    data: bytes | Callable[[Path], None],
    reason: str,
    column: str | None = None,
    *,
    count: int = 1,
    at: int = 4,
    kept: int | None = None,
    name: str = NAME,
) -> Damage:
    """Return a file of which some lines are quarantined, for one reason."""
    kept = 6 - count if kept is None else kept
    return Damage(data, "quarantined", {reason: count}, (at, column), kept=kept, name=name)


def value(column: str, word: str, reason: str) -> Damage:
    """Return the good file with one value that is refused."""
    return quarantined(cells(column, word), reason, column)


def refused(data: bytes, code: str, says: str, count: int = 6, **more: str) -> Damage:
    """Return a file whose header is wrong."""
    return Damage(data, "refused", {code: count}, says=says, **more)


def unreadable(
    data: bytes | Callable[[Path], None], code: str, says: str, name: str = NAME
) -> Damage:
    """Return a file of which nothing can be read."""
    return Damage(data, "unreadable", {code: 0}, says=says, name=name)


def _without(name: str) -> bytes:
    return text([{key: word for key, word in row.items() if key != name} for row in GOOD])


def _quoted(row: dict[str, str]) -> dict[str, str]:
    return {name: f'"{word}"' for name, word in row.items()}


_GZIP = gzip.compress(text([ROW | {"DCT_ORD_NUM": str(n * 7919 % 9973)} for n in range(3000)]))
_ZSTD = zstd(text([ROW | {"DCT_ORD_NUM": str(n * 7919 % 9973)} for n in range(3000)]))
_MIDDLE = len(_GZIP) // 2
_AMOUNTS = pa.array([0.1 + 0.2, 1.0, 2.5, -3.25, None, float("nan")])
_NAMES = list(ROW)

DAMAGES: dict[str, Damage] = {
    # Odd, and nothing is in doubt.
    "a byte order mark": accepted(b"\xef\xbb\xbf" + text()),
    "line ends of Windows": accepted(text(end="\r\n")),
    "mixed line ends": accepted(line(lambda each: each + b"\r")),
    "no line feed at the end": accepted(text().rstrip(b"\n")),
    "blank lines at the end": accepted(text() + b"\r\n\n\n"),
    "blank lines before the header": accepted(b"\n\r\n" + text()),
    "every cell in quotes": accepted(text([_quoted(row) for row in GOOD])),
    "a separator in quotes": accepted(cells("UCD_UCD_COD", '"91;23"')),
    "a quote that is not closed": accepted(line(lambda each: each.replace(b"01C", b'"01C'))),
    "a quote in quotes": accepted(cells("UCD_UCD_COD", '"91""23"')),
    "separated by commas": accepted(text(separator=",")),
    "separated by bars": accepted(text(separator="|")),
    "separated by tabs": accepted(text(separator="\t"), "ER_UCD_F_2019.tsv"),
    "a separator at the end of every line": accepted(text(end=";\n")),
    "columns in another order": accepted(
        text([dict(reversed(list(row.items()))) for row in GOOD])
    ),
    "a header in lower case": accepted(text(header=[name.lower() for name in ROW])),
    "a header in quotes": accepted(text(header=[f'"{name}"' for name in ROW])),
    "the optional columns missing": accepted(text()),
    "a column outside the contract": accepted(text([row | {"NOM": "x"} for row in GOOD])),
    "decimal commas": accepted(
        text([row | {"UCD_TTF_MNT": row["UCD_TTF_MNT"].replace(".", ",")} for row in GOOD])
    ),
    "decimals without their zero": accepted(everywhere(UCD_TTF_MNT=".81")),
    "negative amounts": accepted(everywhere(UCD_TTF_MNT="-100.25", UCD_DLV_NBR="-1")),
    "scientific notation of a whole number": accepted(cells("UCD_TTF_MNT", "1.5E2")),
    "whole numbers written as floating ones": accepted(cells("UCD_DLV_NBR", "1.0")),
    "leading zeros": accepted(cells("DCT_ORD_NUM", "000000003")),
    "blanks around the values": accepted(everywhere(UCD_TTF_MNT=" 100.25 ", PRS_ORD_NUM=" 1")),
    "ISO dates": accepted(everywhere(FLX_DIS_DTD="2019-03-01", FLX_TRT_DTD="2019-03-12")),
    "SAS dates": accepted(everywhere(FLX_DIS_DTD="01MAR2019", FLX_TRT_DTD="12mar2019")),
    "SAS datetimes at midnight": accepted(everywhere(FLX_DIS_DTD="01MAR2019:00:00:00")),
    "a sentinel date": accepted(cells("FLX_TRT_DTD", "01/01/1600")),
    "an unknown code": accepted(cells("UCD_UCD_COD", "ZZZZ")),
    "an over-long value": accepted(cells("UCD_UCD_COD", "9" * 100_000)),
    "a file in Windows-1252": accepted(
        text([row | {"UCD_UCD_COD": "rétrocédé"} for row in GOOD]).decode().encode("cp1252")
    ),
    "a header alone": accepted(";".join(ROW).encode() + b"\n", kept=0),
    "a gzip under the name of a text": accepted(gzip.compress(text())),
    "a text under the name of a gzip": accepted(text(), NAME + ".gz"),
    "two gzips one behind the other": accepted(
        gzip.compress(text()[:200]) + gzip.compress(text()[200:]), NAME + ".gz"
    ),
    "a zstd": accepted(zstd(text()), NAME + ".zst"),
    "a zip": accepted(zipped("inside/of.csv"), "ER_UCD_F_2019.zip"),
    "a Parquet": accepted(parquet(typed()), "ER_UCD_F_2019.parquet"),
    "a SAS table": accepted(sas(), "ER_UCD_F_2019.sas7bdat"),
    # One value is not what its column holds.
    "a day that is none": value("FLX_DIS_DTD", "31/02/2019", "not_a_date"),
    "a SAS datetime among dates": value("FLX_DIS_DTD", "01JAN2019:00:00:00", "not_a_date"),
    "an ISO date among others": value("FLX_DIS_DTD", "2019-03-01", "not_a_date"),
    "a year of two digits": value("FLX_DIS_DTD", "01/03/19", "not_a_date"),
    "a date in American order": value("FLX_TRT_DTD", "03/13/2019", "not_a_date"),
    "a date of zeros": value("FLX_TRT_DTD", "00/00/0000", "not_a_date"),
    "a date with a time of day": value("FLX_TRT_DTD", "12/03/2019 10:30:00", "not_a_date"),
    "a word for an amount": value("UCD_TTF_MNT", "cent", "not_a_decimal"),
    "a currency": value("UCD_TTF_MNT", "100.25 EUR", "not_a_decimal"),
    "a thousands separator": value("UCD_TTF_MNT", "1 000.25", "not_a_decimal"),
    "a decimal comma among points": value("UCD_TTF_MNT", "100,25", "not_a_decimal"),
    "an amount that is no number": value("UCD_TTF_MNT", "NaN", "not_a_decimal"),
    "an infinite amount": value("UCD_TTF_MNT", "-inf", "not_a_decimal"),
    "an amount beyond eighteen digits": value("UCD_TTF_MNT", "9" * 17 + ".25", "not_a_decimal"),
    "a typographic minus": value("UCD_TTF_MNT", "\u2212100.25", "not_a_decimal"),
    "what a spreadsheet shows": value("UCD_TTF_MNT", "#####", "not_a_decimal"),
    "a third decimal": value("UCD_TTF_MNT", "100.255", "too_many_decimals"),
    "the noise of a floating number": value(
        "UCD_TTF_MNT", "0.30000000000000004", "too_many_decimals"
    ),
    "a tiny number": value("UCD_TTF_MNT", "1e-20", "too_many_decimals"),
    "a fraction of a whole number": value("UCD_DLV_NBR", "1.5", "not_an_integer"),
    "a fraction too small to see": value("UCD_DLV_NBR", "1.000000000001", "not_an_integer"),
    "a hexadecimal number": value("UCD_DLV_NBR", "0x1f", "not_an_integer"),
    "digits of another script": value("UCD_DLV_NBR", "\uff11\uff12", "not_an_integer"),
    "a number beyond sixty-four bits": value("DCT_ORD_NUM", "9" * 20, "not_an_integer"),
    "an empty key": value("DCT_ORD_NUM", "", "missing_key"),
    "a key of blanks": value("DCT_ORD_NUM", "   ", "missing_key"),
    # One line is not what a line is.
    "a cell too many": quarantined(line(lambda each: each + b";1"), "field_count"),
    "a separator too many at the end": quarantined(line(lambda each: each + b";"), "field_count"),
    "a cell too few": quarantined(line(lambda each: each.rpartition(b";")[0]), "field_count"),
    "a separator in a value": quarantined(cells("UCD_UCD_COD", "91;23"), "field_count"),
    "a line feed in quotes": quarantined(
        cells("UCD_UCD_COD", '"91\n23"'), "field_count", count=2, kept=5
    ),
    "another delimiter in one line": quarantined(
        line(lambda each: each.replace(b";", b",")), "field_count"
    ),
    "the end mark of old systems": quarantined(text() + b"\x1a\n", "field_count", at=8, kept=6),
    "a blank line in the middle": quarantined(
        line(lambda each: b"\n" + each), "empty_line", kept=6
    ),
    "a NUL byte": quarantined(line(lambda each: each.replace(b"01C", b"0\0C")), "nul_byte"),
    "a line of NUL bytes": quarantined(line(lambda each: bytes(100)), "nul_byte"),
    "Latin-1 in UTF-8": quarantined(
        line(lambda each: each.replace(b"01C", b"h\xe9las")).replace(b"0000009", "é0009".encode()),
        "undecodable_byte",
    ),
    "a flipped bit": quarantined(
        line(lambda each: each.replace(b"01C23", b"01C\xb23")), "undecodable_byte"
    ),
    "half a character": quarantined(
        line(lambda each: each.replace(b"01C", b"0\xc3;")), "undecodable_byte"
    ),
    "the header again in the middle": quarantined(
        line(lambda each: ";".join(ROW).encode() + b"\n" + each), "not_an_integer", "UCD_DLV_NBR",
        kept=6,
    ),
    "a line of 200 MB": quarantined(long_line, "line_too_long", kept=6, at=4),
    # The same inside a typed table: the row's number stands for the line.
    "amounts with noise in a Parquet": Damage(
        parquet(typed(UCD_TTF_MNT=_AMOUNTS)), "quarantined",
        {"too_many_decimals": 1, "not_a_decimal": 1}, (1, "UCD_TTF_MNT"), kept=4,
        name="ER_UCD_F_2019.parquet",
    ),
    "a line feed in a Parquet": quarantined(
        parquet(typed(UCD_UCD_COD=pa.array(["a", "b", "c\nd", "e", "f", "g"]))), "line_feed", at=3,
        name="ER_UCD_F_2019.parquet",
    ),
    "bytes in a Parquet": quarantined(
        parquet(typed(UCD_UCD_COD=pa.array([b"a", b"b", b"\xff", b"e", b"f", b"g"]))),
        "undecodable_byte", at=3, name="ER_UCD_F_2019.parquet",
    ),
    "an empty key in a Parquet": quarantined(
        parquet(typed(DCT_ORD_NUM=pa.array([1, 2, None, 4, 5, 6]))), "missing_key", "DCT_ORD_NUM",
        at=3, name="ER_UCD_F_2019.parquet",
    ),
    # The header is not that of the table and year.
    "no header": refused(text().split(b"\n", 1)[1], "not_this_table", "a header line", 5),
    "a header of numbers": refused(
        text(header=[str(n) for n in range(14)]), "not_this_table", "a header line"
    ),
    "a page of a web site": refused(
        b"<!DOCTYPE html>\n<p>404</p>\n", "not_this_table", "a header line", 1
    ),
    "a wrong file under a right name": refused(
        text([{"MALADIE": "1", "LIBELLE": "x"}]), "not_this_table", "a header line", 1
    ),
    "a column missing": refused(_without("UCD_TTF_MNT"), "missing_column", "UCD_TTF_MNT"),
    "a name misspelt": refused(
        text(header=["UCD_TTF_MTN" if name == "UCD_TTF_MNT" else name for name in ROW]),
        "missing_column", "UCD_TTF_MNT",
    ),
    "a column twice": refused(
        text([row | {"_": "1"} for row in GOOD], header=[*_NAMES, "UCD_UCD_COD"]),
        "column_twice", "UCD_UCD_COD",
    ),
    "the structure of another year": refused(
        (";".join(load("T_MCOaaC").for_year(2019).names()) + "\n").encode()
        + b";".join([b"1"] * len(load("T_MCOaaC").for_year(2019).names())) + b"\n",
        "structure_of_another_year", "not of 2008", 1, name="T_MCO08C.csv", table="T_MCOaaC",
    ),
    # The bytes are not what the name says, or not all of them.
    "an empty file": unreadable(b"", "empty_file", "ask the provider"),
    "blank lines alone": unreadable(b"\n\r\n\n", "empty_file", "ask the provider"),
    "a byte order mark alone": unreadable(b"\xef\xbb\xbf", "empty_file", "ask the provider"),
    "an empty gzip": unreadable(gzip.compress(b""), "empty_file", "ask", NAME + ".gz"),
    "a truncated gzip": unreadable(_GZIP[:-20], "truncated_gzip", "copy", NAME + ".gz"),
    "half a gzip": unreadable(_GZIP[:_MIDDLE], "truncated_gzip", "copy", NAME + ".gz"),
    "a gzip with a flipped byte": unreadable(
        _GZIP[:_MIDDLE] + bytes([_GZIP[_MIDDLE] ^ 0xFF]) + _GZIP[_MIDDLE + 1 :],
        "not_gzip", "copy", NAME + ".gz",
    ),
    "a gzip with a wrong checksum": unreadable(
        _GZIP[:-8] + b"\0\0\0\0" + _GZIP[-4:], "not_gzip", "copy", NAME + ".gz"
    ),
    "a gzip with something behind it": unreadable(
        _GZIP + b"more", "not_gzip", "copy", NAME + ".gz"
    ),
    "a gzip without its head": unreadable(_GZIP[3:], "not_gzip", "copy", NAME + ".gz"),
    "a gzip in a gzip": unreadable(
        gzip.compress(_GZIP), "nested_archive", "unpack", NAME + ".gz"
    ),
    "a truncated zstd": unreadable(_ZSTD[:-20], "truncated_zstd", "copy", NAME + ".zst"),
    "a truncated zip": unreadable(
        zipped("a.csv")[:-30], "not_zip", "copy", "ER_UCD_F_2019.zip"
    ),
    "a zip of two files": unreadable(
        zipped("a.csv", "b.csv"), "several_members", "unzip", "ER_UCD_F_2019.zip"
    ),
    "a workbook": unreadable(
        zipped("[Content_Types].xml", "xl/workbook.xml"), "several_members", "unzip"
    ),
    "a zip that leaves its folder": unreadable(
        zipped("../../evil.csv"), "unsafe_member", "clean archive", "ER_UCD_F_2019.zip"
    ),
    "an encrypted zip": unreadable(
        zipped("a.csv", flags=1), "encrypted", "decrypt", "ER_UCD_F_2019.zip"
    ),
    "a Parquet in a zip": unreadable(
        zipped("a.parquet", data=parquet(typed())), "nested_archive", "unpack",
        "ER_UCD_F_2019.zip",
    ),
    "UTF-16": unreadable(text().decode().encode("utf-16"), "utf_16", "UTF-8"),
    "UTF-16 without a mark": unreadable(text().decode().encode("utf-16-le"), "not_text", "UTF-8"),
    "an old workbook": unreadable(
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "not_text", "UTF-8"
    ),
    "a truncated Parquet": unreadable(
        parquet(typed())[:-9], "not_parquet", "copy", "ER_UCD_F_2019.parquet"
    ),
    "lists in a Parquet": unreadable(
        parquet(typed(UCD_UCD_COD=pa.array([["a"]] * 6))), "nested_column", "flatten",
        "ER_UCD_F_2019.parquet",
    ),
    "a SAS table without its end": unreadable(
        sas(declared=9), "not_sas7bdat", "copy", "ER_UCD_F_2019.sas7bdat"
    ),
    "a SAS table that is none": unreadable(
        b"\0" * 5000, "not_sas7bdat", "copy", "ER_UCD_F_2019.sas7bdat"
    ),
}  # fmt: skip
