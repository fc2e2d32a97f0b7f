"""Code lists with their labels, as published, several vintages of each.

A list lies in ``lake/nomenclatures/<name>/<vintage>.parquet``: ``code``, ``label``,
``valid_from``, ``valid_to`` (both days included, NULL where open), ``source``, then the other
columns of the file as text. One code has one label on one day, so that a join to a list never
multiplies lines. The same file gives the same bytes; ``nomenclatures.json`` is an index that can
be written again from the files at any time.
"""

from __future__ import annotations

import csv
import datetime
import io
import json
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from openchronic_assets.contracts import load, tables
from openchronic_assets.errors import OpenChronicError, Refused, UsageError
from openchronic_assets.settings import Home

INDEX = "nomenclatures.json"
UNDATED = "undated"
SUFFIXES = (".csv", ".txt", ".tsv")
RESERVED = ("code", "label", "valid_from", "valid_to", "source")

_MARKS = (";", "\t", "|", ",")
_VINTAGE = re.compile(r"(19|20)[0-9]{2}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?")
_DATED_STEM = re.compile(r"(?P<name>.+?)[_-](?P<vintage>(?:19|20)\d\d(?:-?\d\d){0,2})")
_HEADER_CELL = re.compile(r"[^\W\d][\w .()'’/°-]{0,80}")
_TECHNICAL = ("TEC_COL", "NOM_TABLE")  # of the publisher's export, no part of the list
_CODE = re.compile(r"_(COD|NUM|IDE)$")
JOINED = "__"  # between the parts of a code, as publishers write it
_LABEL = re.compile(r"(^|_)(LIB|LIBELLE|LIBC|LIBELLES|LABEL|INTITULE|DESIGNATION)(_|\d|$)")
# Pairs of columns that open and close a code; the first that fits is taken. The history of a
# tariff (HIS, DTD) opens anew at each change, so it is taken only where a code has several rows.
_LIFE = ((r"CRE_DAT$", "SUP_DAT"), (r"VALID_FROM$", "VALID_TO"), (r"DATE_DEBUT$", "DATE_FIN"))
_HISTORY = ((r"DTD$", "DTF"), (r"DSD$", "DSF"), *_LIFE)
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_SAS_DATE = re.compile(r"(\d{2})([A-Z]{3})(\d{4})(?::\d{2}:\d{2}:\d{2})?")


@dataclass(frozen=True)
class Layout:
    """Which columns of a file are what, where the user says so; names, or numbers from 1."""

    name: str | None = None
    code: str | None = None
    label: str | None = None
    valid_from: str | None = None
    valid_to: str | None = None
    vintage: str | None = None
    source: str | None = None


@dataclass(frozen=True)
class Listed:
    """One code list as read: its columns and its rows, in order of code."""

    name: str
    vintage: str
    code: str
    label: str | None
    valid: tuple[str, str] | None
    table: pa.Table


@dataclass
class Imported:
    """What an import did: lists written, lists held already, files passed over or refused."""

    written: list[dict[str, Any]] = field(default_factory=list)
    unchanged: list[dict[str, Any]] = field(default_factory=list)
    passed_over: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)


class _NoList(Exception):
    """A file is not a code list; the text says why and what to do."""


def import_lists(home: Home, place: Path, layout: Layout | None = None) -> Imported:
    """Import a file, or every ``.csv``, ``.txt`` and ``.tsv`` file of a folder and below.

    A file of a folder that holds no code list is passed over, unless its name is one that a
    contract asks for: then it is refused. Nothing half-written is left behind either.

    Args:
        home: where the lake is.
        place: the file or folder.
        layout: what the user says of the columns (a file alone), and the vintage.

    Raises:
        UsageError: there is nothing to import, or a layout is given for a folder.
        Refused: the file named holds no code list.
    """
    layout = layout or Layout()
    _check(layout, place)
    done = Imported()
    if place.is_file():
        try:
            _import_one(home, place, layout, done)
        except _NoList as error:
            raise Refused(f"{place.name}: {error}") from None
    else:
        for path in _candidates(place):
            try:
                _import_one(home, path, layout, done)
            except _NoList as error:
                name = path.relative_to(place).as_posix()
                kept = done.refused if _name_of(path.stem)[0] in asked_for() else done.passed_over
                kept[name] = str(error)
            except Refused as error:
                done.refused[path.relative_to(place).as_posix()] = str(error)
    # Also after an import that wrote nothing: the one before may have been cut short.
    if done.written or done.unchanged:
        write_index(home)
    return done


def _check(layout: Layout, place: Path) -> None:
    if layout.vintage and layout.vintage != UNDATED and not _VINTAGE.fullmatch(layout.vintage):
        raise UsageError("a vintage is written 2021, 2021-07 or 2021-07-15")
    if place.is_dir() and any((layout.name, layout.code, layout.label, layout.valid_from,
                               layout.valid_to, layout.source)):  # fmt: skip
        raise UsageError("a layout is of one file: import the files that need one alone")
    if bool(layout.valid_from) != bool(layout.valid_to):
        raise UsageError("--from and --to go together")
    if not place.exists():
        raise UsageError(f"{place} is not there: name a code list, or a folder of them")
    if place.is_dir() and not _candidates(place):
        raise UsageError(f"{place} holds no {', '.join(SUFFIXES)} file: name a folder of lists")


def _candidates(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES and path.is_file() and not path.name.startswith(".")
    )


def _import_one(home: Home, path: Path, layout: Layout, done: Imported) -> None:
    listed = read(path, layout)
    folder = home.nomenclatures / listed.name.lower()
    target = folder / f"{listed.vintage}.parquet"
    content = _bytes(listed)
    said = {
        "name": listed.name,
        "vintage": listed.vintage,
        "rows": listed.table.num_rows,
        "code": listed.code,
        "label": listed.label,
        "valid": list(listed.valid) if listed.valid else None,
        "file": path.name,
    }
    if target.exists():
        if target.read_bytes() == content:
            done.unchanged.append(said)
            return
        raise Refused(
            f"{listed.name} is held as of {listed.vintage} with another content: give --vintage "
            "with the year or the day of this one to keep both, or remove "
            f"lake/nomenclatures/{listed.name.lower()}/{target.name} to replace it"
        )
    folder.mkdir(parents=True, exist_ok=True)
    aside = folder / f".{target.name}.{os.getpid()}"
    try:
        aside.write_bytes(content)
        aside.replace(target)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise OpenChronicError(
            f"lake/nomenclatures/{listed.name.lower()} cannot be written "
            f"({error.strerror}): free some space or rights, then import again"
        ) from None
    done.written.append(said)


def _bytes(listed: Listed) -> bytes:
    out = io.BytesIO()
    pq.write_table(listed.table, out, compression="zstd", version="2.6")
    return out.getvalue()


def read(path: Path, layout: Layout) -> Listed:
    """Read one file as a code list, finding out its dialect and which column is what.

    Raises:
        _NoList: the file is not one, or a rule of code lists is broken; the text names line and
            column.
        UsageError: the layout names a column that the file has not.
    """
    names, rows, lines = _records(path, header=not _numbered(layout))
    name, stem_vintage = _name_of(path.stem)
    given = [_wanted(each, names, path) for each in layout.code.split(",")] if layout.code else []
    parts = [each for each in given if each] or _code_columns(names, rows)
    code = JOINED.join(parts)
    label = _wanted(layout.label, names, path) or _label_column(names, rows, parts)
    from_, to = _wanted(layout.valid_from, names, path), _wanted(layout.valid_to, names, path)
    codes = _codes(names, rows, parts)
    empty = next((line for each, line in zip(codes, lines, strict=True) if not each), None)
    if empty is not None:
        raise _NoList(f"line {empty}, column {code}: a code is empty; complete it or take it out")
    unique = len(set(codes)) == len(codes)
    pair = (from_, to) if from_ and to else _validity(names, rows, unique=unique)
    spans = [_span(row, names, pair, line) for row, line in zip(rows, lines, strict=True)]
    _one_label_a_day(codes, spans, lines, code)
    kept = parts if len(parts) > 1 else []  # the parts of a joined code serve on their own too
    others = [each for each in names if each in kept or each not in (*parts, label, *(pair or ()))]
    order = sorted(range(len(rows)), key=lambda i: (codes[i], spans[i][0] or datetime.date.min))
    columns: dict[str, pa.Array] = {
        "code": pa.array([codes[i] for i in order], pa.string()),
        "label": pa.array([_text(rows[i], names, label) for i in order], pa.string()),
        "valid_from": pa.array([spans[i][0] for i in order], pa.date32()),
        "valid_to": pa.array([spans[i][1] for i in order], pa.date32()),
        "source": pa.array([layout.source or path.name] * len(rows), pa.string()),
    }
    for each in others:
        columns[_lake_name(each, columns)] = pa.array(
            [_text(rows[i], names, each) for i in order], pa.string()
        )
    metadata = {"code_column": code, "label_column": label or ""}
    table = pa.table(columns).replace_schema_metadata(metadata)
    chosen = (layout.name or name).upper()
    if not re.fullmatch(r"[A-Z][A-Z0-9_]{0,63}", chosen):
        raise UsageError(f"{path.name}: give --name with letters, digits and underscores")
    vintage = layout.vintage or stem_vintage or UNDATED
    return Listed(chosen, vintage, code, label, pair, table)


def _numbered(layout: Layout) -> bool:
    """Whether the user names columns by number: the file has no header line."""
    given = (layout.code, layout.label, layout.valid_from, layout.valid_to)
    return any(each is not None and each.isdecimal() for each in given)


def _records(path: Path, *, header: bool) -> tuple[list[str], list[list[str]], list[int]]:
    """Return column names, rows and the line on which each row ends."""
    text = _decoded(path)
    mark = _mark(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=False)
    names: list[str] = []
    rows, lines = [], []
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if not names:
                names = _names(cells) if header else [str(n) for n in range(1, len(cells) + 1)]
                if header:
                    continue
            if len(cells) == len(names) + 1 and not cells[-1].strip():
                cells = cells[:-1]
            if len(cells) != len(names):
                raise _NoList(
                    f"line {reader.line_num} has {len(cells)} cells where the header has "
                    f"{len(names)}: correct it"
                )
            rows.append(cells)
            lines.append(reader.line_num)
    except csv.Error:
        raise _NoList(f"line {reader.line_num} cannot be cut into cells: correct it") from None
    if not rows:
        raise _NoList("it has no code: a header line and one line a code are expected")
    return names, rows, lines


def _decoded(path: Path) -> str:
    content = path.read_bytes()
    if b"\0" in content:
        raise _NoList("it is not text (NUL bytes): export it as CSV")
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise _NoList("it is neither UTF-8 nor Windows-1252: convert it to UTF-8")


def _mark(text: str) -> str:
    """Return the separator under which the first record has the most cells."""
    widths = {}
    for mark in _MARKS:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark)
        try:
            widths[mark] = next((len(cells) for cells in reader if cells), 0)
        except csv.Error:
            widths[mark] = 0
    best = max(_MARKS, key=lambda mark: widths[mark])
    if widths[best] < 2:
        raise _NoList("it is not a table: a separator ( ; , tab | ) between columns is expected")
    return best


def _names(cells: Sequence[str]) -> list[str]:
    names = [cell.strip() for cell in cells]
    while names and not names[-1]:
        names.pop()
    if not all(_HEADER_CELL.fullmatch(each) for each in names):
        raise _NoList(
            "its first line is no header: import it alone with --code and --label as numbers of "
            "columns, from 1"
        )
    folded = [each.upper() for each in names]
    if twice := sorted({each for each in folded if folded.count(each) > 1}):
        raise _NoList(f"column {', '.join(twice)} stands twice in the header: remove one of them")
    return names


def _wanted(given: str | None, names: list[str], path: Path) -> str | None:
    if given is None:
        return None
    for each in names:
        if each.upper() == given.strip().upper():
            return each
    raise UsageError(f"{path.name} has no column {given}; its columns: {', '.join(names)}")


def _codes(names: list[str], rows: list[list[str]], parts: Sequence[str]) -> list[str]:
    """Return the code of each row: one column, or several joined, empty where one of them is."""
    places = [names.index(each) for each in parts]
    cells = [[row[place].strip() for place in places] for row in rows]
    return [JOINED.join(each) if all(each) else "" for each in cells]


def _code_columns(names: list[str], rows: list[list[str]]) -> list[str]:
    """Return the column of the code, or the columns that make it together.

    The first one that is not technical, where it tells the rows apart (by the day, if codes have a
    history). Some lists begin with their key composed (``BTF_PRS_IDE__BTF_HIS_DTD``): its first
    part is the code if that tells apart, else the whole. In others two or three columns make the
    code (department and commune).
    """
    first, *parts = names[0].split("__")
    if parts:
        own = next((each for each in names[1:] if each.upper() == first.upper()), None)
        return [own if own and _tells_apart(names, rows, [own]) else names[0]]
    telling = [each for each in names if each.upper() not in _TECHNICAL] or names
    if _tells_apart(names, rows, telling[:1]):
        return telling[:1]
    before = next((i for i, each in enumerate(telling) if _LABEL.search(each.upper())), 0)
    coded = [
        each
        for each in telling[:before]
        if _CODE.search(each.upper()) and not _is_constant(names, rows, each)
    ]
    for width in (2, 3):
        if len(coded) >= width and _tells_apart(names, rows, coded[:width]):
            return coded[:width]
    return telling[:1]


def _is_constant(names: list[str], rows: list[list[str]], column: str) -> bool:
    return len({row[names.index(column)] for row in rows}) == 1


def _tells_apart(names: list[str], rows: list[list[str]], parts: Sequence[str]) -> bool:
    codes = _codes(names, rows, parts)
    if len(set(codes)) == len(codes):
        return True
    pair = _validity(names, rows, unique=False)
    if pair is None:
        return False
    lines = list(range(len(rows)))
    try:
        _one_label_a_day(codes, [_span(row, names, pair, 0) for row in rows], lines, "")
    except _NoList:
        return False
    return True


def _label_column(names: list[str], rows: list[list[str]], parts: Sequence[str]) -> str | None:
    """Return the label's column: the one named a label and, of several, named most like the code.

    ``PFS_ACT_NAT`` has ``ACT_NAT_LIB`` rather than ``SPE_LIB_SNI``; between equals
    (``UCD_DSN_LIB``, ``UCD_DOC_LIB``) the one that tells most codes apart.
    """
    named = [each for each in names if each not in parts and _LABEL.search(each.upper())]
    words = {word for each in parts for word in each.upper().split("_")}

    def likeness(each: str) -> tuple[int, int]:
        shared = len(words & set(each.upper().split("_")))
        return shared, len({row[names.index(each)].strip() for row in rows})

    return max(named, key=likeness, default=None)


def _validity(names: list[str], rows: list[list[str]], *, unique: bool) -> tuple[str, str] | None:
    """Return the columns that open and close a code, where the file has such a pair."""
    for pattern, closing in _LIFE if unique else _HISTORY:
        for each in names:
            end = re.sub(pattern, closing, each.upper())
            other = next((name for name in names if name.upper() == end), None)
            if other is None or end == each.upper():
                continue
            try:
                for row in rows:
                    _span(row, names, (each, other), 0)
            except _NoList:
                continue
            return each, other
    return None


def _span(
    row: list[str], names: list[str], pair: tuple[str, str] | None, line: int
) -> tuple[datetime.date | None, datetime.date | None]:
    if pair is None:
        return None, None
    found: list[datetime.date | None] = []
    for column in pair:
        text = row[names.index(column)].strip()
        try:
            found.append(_date(text))
        except ValueError:
            raise _NoList(f"line {line}, column {column}: not a date; correct it") from None
    first, last = found
    if first and last and last < first:
        raise _NoList(f"line {line}: {pair[1]} is before {pair[0]}; correct it")
    return first, last


def _date(text: str) -> datetime.date | None:
    """Return a date of any form that lists write; NULL where empty, 1600 or 9999 (open).

    Raises:
        ValueError: the text is no date.
    """
    if not text:
        return None
    if match := _SAS_DATE.fullmatch(text.upper()):
        if match[2] not in _MONTHS:
            raise ValueError
        year, month, day = int(match[3]), _MONTHS.index(match[2]) + 1, int(match[1])
    elif match := re.fullmatch(r"(\d{2})/(\d{2})/(\d{4})", text):
        day, month, year = (int(each) for each in match.groups())
    elif match := re.fullmatch(r"(\d{4})-?(\d{2})-?(\d{2})(?:[T ][\d:.]+)?", text):
        year, month, day = (int(each) for each in match.groups())
    else:
        raise ValueError
    value = datetime.date(year, month, day)
    return None if year <= 1600 or year >= 2900 else value


def _one_label_a_day(
    codes: list[str],
    spans: list[tuple[datetime.date | None, datetime.date | None]],
    lines: list[int],
    column: str,
) -> None:
    by_code: dict[str, list[int]] = {}
    for place, code in enumerate(codes):
        by_code.setdefault(code, []).append(place)
    for places in by_code.values():
        ordered = sorted(places, key=lambda i: spans[i][0] or datetime.date.min)
        for one, next_ in zip(ordered, ordered[1:], strict=False):
            end, start = spans[one][1], spans[next_][0]
            if end is None or start is None or start <= end:
                raise _NoList(
                    f"lines {lines[one]} and {lines[next_]}, column {column}: a code stands twice "
                    "on the same day; name its columns with --code, --label, --from and --to, or "
                    "keep one of them"
                )


def _text(row: list[str], names: list[str], column: str | None) -> str | None:
    return (row[names.index(column)].strip() or None) if column else None


def _lake_name(column: str, taken: Iterable[str]) -> str:
    name = re.sub(r"\W+", "_", column.strip().lower()).strip("_") or "column"
    name = f"c{name}" if name[0].isdigit() else name
    while name in taken or name in RESERVED:
        name += "_"
    return name


@cache
def asked_for() -> dict[str, list[str]]:
    """Return the code lists that contracts name, each with its columns, ``TABLE.COLUMN``."""
    found: dict[str, list[str]] = {}
    for name in tables():
        for column in load(name).columns:
            if column.nomenclature:
                found.setdefault(column.nomenclature.upper(), []).append(f"{name}.{column.name}")
    return found


def _name_of(stem: str) -> tuple[str, str | None]:
    """Return the list's name and vintage as a file's stem says them.

    ``IR_NAT_V_2019`` is IR_NAT_V of 2019; ``damir_BEN_RES_REG`` is BEN_RES_REG, which a contract
    names, while ``IR_CCAM_V63`` is a name of its own.
    """
    name, vintage = stem.upper(), None
    if name not in asked_for() and (match := _DATED_STEM.fullmatch(name)):
        digits = match["vintage"].replace("-", "")
        dated = "-".join(each for each in (digits[:4], digits[4:6], digits[6:]) if each)
        if _VINTAGE.fullmatch(dated):
            name, vintage = match["name"], dated
    if name not in asked_for():
        rest = name
        while "_" in rest:
            rest = rest.partition("_")[2]
            if rest in asked_for():
                return rest, vintage
    return name, vintage


def vintages(home: Home) -> dict[str, list[str]]:
    """Return the vintages of each list in the lake, by lower-case name, oldest first."""
    found: dict[str, list[str]] = {}
    for path in sorted(home.nomenclatures.glob("*/*.parquet")):
        if not path.name.startswith("."):
            found.setdefault(path.parent.name, []).append(path.stem)
    # Text order is date order: 2019 < 2019-07 < 2020. What has no date is older than what has.
    return {name: sorted(each, key=lambda v: (v != UNDATED, v)) for name, each in found.items()}


def current(home: Home) -> dict[str, Path]:
    """Return the newest vintage of each list, by lower-case name."""
    return {
        name: home.nomenclatures / name / f"{each[-1]}.parquet"
        for name, each in vintages(home).items()
    }


def index(home: Home) -> dict[str, Any]:
    """Describe every list of the lake from its files: vintages, rows, columns, the newest one."""
    found: dict[str, Any] = {}
    for name, each in vintages(home).items():
        described = {}
        for vintage in each:
            footer = pq.read_metadata(home.nomenclatures / name / f"{vintage}.parquet")
            metadata = footer.metadata or {}
            described[vintage] = {
                "rows": footer.num_rows,
                "code": metadata.get(b"code_column", b"").decode(),
                "label": metadata.get(b"label_column", b"").decode() or None,
            }
        found[name] = {"name": name.upper(), "current": each[-1], "vintages": described}
    return found


def write_index(home: Home) -> Path:
    """Write ``nomenclatures.json`` anew from the files of the lake."""
    path = home.nomenclatures / INDEX
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_text(json.dumps(index(home), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    aside.replace(path)
    return path


def rows(home: Home, name: str, vintage: str | None = None) -> list[dict[str, Any]]:
    """Return the rows of a list, of its newest vintage where none is named.

    Raises:
        UsageError: the lake has no such list or vintage.
    """
    held = vintages(home)
    folder = name.lower()
    if folder not in held:
        near = ", ".join(sorted(each.upper() for each in held)) or "none yet"
        raise UsageError(f"{name} is not in the lake; lists there: {near}")
    chosen = vintage or held[folder][-1]
    if chosen not in held[folder]:
        raise UsageError(f"{name} has no vintage {chosen}; it has {', '.join(held[folder])}")
    table = pq.read_table(home.nomenclatures / folder / f"{chosen}.parquet")
    found: list[dict[str, Any]] = table.to_pylist()
    return found
