"""The header of a file, held against the contract of its year before any row is read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openchronic_assets.contracts import DIRECT_ALIASES, Table, load
from openchronic_assets.contracts.compare import header_differences
from openchronic_assets.contracts.official import newest_year
from openchronic_assets.errors import OpenChronicError, UsageError
from openchronic_assets.ingestion.formats import REMEDIES, UnreadableFile
from openchronic_assets.ingestion.source import Source

SEPARATORS = (";", ",", "|", "\t")
# The last year that the sources of the contracts describe: a later file is held against the newest
# structure known.
NEWEST_YEAR = newest_year()


@dataclass(frozen=True)
class Header:
    """How the columns of a file stand to a contract.

    ``width`` is the number of columns; ``trailing`` tells a header that ends with a separator, so
    that its lines may end with one too. Elsewhere one separator too many means shifted cells.
    ``positions`` maps a contract column to its 0-based place in the file; ``ignored`` are columns
    outside the contract, which are not loaded; ``absent`` are optional columns of the year that
    the file leaves out; ``foreign`` exist in other years only.
    """

    separator: str
    width: int
    trailing: bool
    table: Table
    positions: dict[str, int]
    ignored: tuple[str, ...]
    absent: tuple[str, ...]
    foreign: tuple[str, ...]


class StructureError(Exception):
    """The header is not one of this table and year; ``code`` says how, ``columns`` which."""

    def __init__(self, code: str, message: str, columns: tuple[str, ...] = ()):
        super().__init__(message)
        self.code = code
        self.columns = columns


def split_header(line: str, table: Table) -> tuple[str, list[str]]:
    """Return the separator of a header line and its column names, folded and without aliases.

    The separator is the one under which most names are columns of the table.
    """
    known = set(table.names())

    def names(separator: str) -> list[str]:
        cells = [cell.strip().strip('"').strip().upper() for cell in line.split(separator)]
        # A separator at the very end of the header is no column (Open DAMIR writes one).
        if cells and not cells[-1]:
            cells.pop()
        # Some extractions keep the key beside its other name: the key itself is then the key.
        free = known - set(cells)
        return [_unalias(cell, free) for cell in cells]

    candidates = [(separator, names(separator)) for separator in SEPARATORS]
    return max(candidates, key=lambda each: sum(name in known for name in each[1]))


def _unalias(name: str, free: set[str]) -> str:
    for candidate in DIRECT_ALIASES.get(name, ()):
        if candidate in free:
            return candidate
    return name


def newest_fitting_year(names: list[str], table: Table, oldest: int = 2005) -> int | None:
    """Return the newest year whose required columns are all there, or None."""
    years = range(NEWEST_YEAR, oldest - 1, -1)
    return next(
        (year for year in years if _exists(table, year) and not _missing(names, table, year)), None
    )


def _exists(table: Table, year: int) -> bool:
    return any(year in column.years for column in table.columns)


def check(line: str, table: Table, year: int, *, strict: bool) -> Header:
    """Hold a header against the contract of one year.

    Args:
        line: the header as text.
        table: the contract over all years.
        year: the year whose structure is asked for.
        strict: refuse a header that is plainly the structure of another year; off where the year
            was not stated but found, or where the delivery says that its structure is meant.

    Raises:
        StructureError: not the table's header, a required column is missing, a column stands
            twice, or the structure is that of another year.
    """
    separator, names = split_header(line, table)
    known = set(table.names())
    if not any(name in known for name in names):
        raise StructureError(
            "not_this_table",
            f"the first line holds no column of {table.name}: a header line is expected there; "
            "ask the provider for it, or correct the file's name",
        )
    repeated = tuple(sorted({name for name in names if names.count(name) > 1 and name in known}))
    if repeated:
        raise StructureError(
            "column_twice",
            f"column {', '.join(repeated)} stands twice in the header: remove one of them",
            repeated,
        )
    if not _exists(table, min(year, NEWEST_YEAR)):
        raise StructureError(
            "table_of_other_years",
            f"{table.name} does not exist in {year}: correct the year in the file's name "
            f"(openchronic contracts show {table.name} gives its years)",
        )
    structure = table.for_year(min(year, NEWEST_YEAR))
    of_year = set(structure.names())
    # Years on which the two sources disagree prove nothing about a header.
    certain = {column.name for column in table.columns if not column.years_note}
    foreign = tuple(name for name in names if name in known and name not in of_year)
    missing = _missing(names, table, year)
    if strict and (evidence := [name for name in foreign if name in certain] + list(missing)):
        better = _better_years(names, table, year, len(evidence), certain)
        if better:
            raise StructureError(
                "structure_of_another_year",
                f"the header is the structure of {better}, not of {year}: "
                f"{_said(foreign, 'does not exist', 'do not exist')} in {year}"
                f"{'; missing: ' + ', '.join(missing) if missing else ''}; correct the year in the "
                'file\'s name, or deliver with "accept_structure": true in delivery.json',
                tuple(evidence),
            )
    if missing:
        raise StructureError(
            "missing_column",
            f"column {', '.join(missing)} is missing from the header ({table.name}, {year}): "
            "ask the provider for it",
            missing,
        )
    positions = {name: place for place, name in enumerate(names) if name in known}
    return Header(
        separator=separator,
        width=len(names),
        trailing=line.rstrip("\r\n ").endswith(separator),
        table=table,
        positions=positions,
        ignored=tuple(name for name in names if name not in known),
        absent=tuple(name for name in structure.names() if name not in positions),
        foreign=foreign,
    )


def _missing(names: list[str], table: Table, year: int) -> tuple[str, ...]:
    year = min(year, NEWEST_YEAR)
    return tuple(
        column.name
        for column in table.columns
        if column.required and year in column.years and column.name not in names
    )


def _better_years(
    names: list[str], table: Table, year: int, differences: int, certain: set[str]
) -> str | None:
    scores: dict[int, int] = {}
    for other in range(2005, NEWEST_YEAR + 1):
        known = {column.name for column in table.columns}
        there = {column.name for column in table.columns if other in column.years}
        if not there:
            continue
        foreign = sum(name in known and name in certain and name not in there for name in names)
        scores[other] = foreign + len(_missing(names, table, other))
    best = min(scores.values(), default=differences)
    # Only a year that fits without any difference is proof: anything less may be a provider's cut.
    if best > 0 or differences == 0 or scores.get(min(year, NEWEST_YEAR)) == 0:
        return None
    fitting = sorted(other for other, score in scores.items() if score == 0)
    return f"{fitting[0]}-{fitting[-1]}" if len(fitting) > 1 else str(fitting[0])


def _said(columns: tuple[str, ...], one: str, many: str) -> str:
    if not columns:
        return "required columns differ"
    shown = ", ".join(columns[:6]) + (f" and {len(columns) - 6} more" if len(columns) > 6 else "")
    return f"{shown} {one if len(columns) == 1 else many}"


def check_file(path: Path, table_name: str | None, year: int | None) -> dict[str, Any]:
    """Hold the header of one file against its contract; what differs, in names of columns.

    Args:
        path: the file; its name says table and year where the arguments do not.
        table_name: SNDS name of the table.
        year: the year; without any, the newest structure that fits.

    Raises:
        UsageError: there is no such file, or its name says no table.
        OpenChronicError: the file cannot be read.
    """
    from openchronic_assets.ingestion.delivery import recognise

    if not path.is_file():
        raise UsageError(f"{path} is not a file")
    recognised = recognise(path.name)
    if table_name is None and recognised is None:
        raise UsageError(f"{path.name} does not name a table under contract: give --table")
    table = load(table_name or (recognised[0] if recognised else ""))
    asked = year if year is not None else (recognised[2] if recognised else None)
    try:
        line = Source(path).header()
    except UnreadableFile as error:
        raise OpenChronicError(f"{path.name}: {REMEDIES[error.code]}") from None
    if line is None:
        raise OpenChronicError(f"{path.name} is empty: ask the provider for it")
    names = split_header(line, table)[1]
    against = asked or newest_fitting_year(names, table) or NEWEST_YEAR
    answer: dict[str, Any] = {"file": path.name, "table": table.name, "year": against}
    if against > NEWEST_YEAR:
        answer["structure_of"] = NEWEST_YEAR
    differences = header_differences(names, table, min(against, NEWEST_YEAR))
    try:
        header = check(line, table, against, strict=asked is not None)
    except StructureError as error:
        answer |= {"fits": False, "reason": error.code, "message": str(error),
                   "columns": list(error.columns)}  # fmt: skip
    else:
        answer |= {"fits": True, "separator": header.separator}
    return answer | {
        "absent": [each["column"] for each in differences if each["what"].startswith("absent")],
        "of_other_years": [
            each["column"] for each in differences if each["what"] == "of other years"
        ],
        "outside_the_contract": [
            each["column"] for each in differences if each["what"] == "outside the contract"
        ],
        "differences": differences,
    }
