"""The typed form of a contract: tables, columns and the years in which they exist."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from openchronic_assets.errors import UsageError

TYPES = ("string", "integer", "decimal", "date", "datetime", "year", "yearmonth", "month")
ROLES = (
    "key",
    "pseudonym",
    "identifier_dropped",
    "quasi_identifier",
    "amount",
    "quantity",
    "date",
    "code",
    "technical",
    "text",
)
# One secret domain for each kind of key: keys of one domain join after hashing, others cannot.
DOMAINS = (
    "person",
    "person_ano",
    "practitioner",
    "rpps",
    "death",
    "mother",
    "carto",
    "hospital_patient",
)
UNITS = (
    "euro",
    "percent",
    "year",
    "week",
    "day",
    "gram",
    "litre",
    "kilometre",
    "dose",
    "per_100_000",
)
CALENDARS = ("flux", "care", "snapshot")

# Text forms in which deliveries write dates (snds_model: DCIR dd/mm/yyyy, PMSI ddMMMyyyy with or
# without a time, ISO in public files). Month names are English in SAS exports.
DATE_FORMATS = (
    "%d/%m/%Y",
    "%Y-%m-%d",
    "%d%b%Y",
    "%Y%m%d",
    "%d%b%Y:%H:%M:%S",
    "%Y-%m-%d %H:%M:%S",
    "%d/%m/%Y %H:%M:%S",
    "%d%m%Y",
    "%Y%m%d.0",  # a date that a tool took for a floating number (IR_PHA_R)
)
DATETIME_FORMATS = (
    "%d%b%Y:%H:%M:%S",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%dT%H:%M:%SZ",
    "%d/%m/%Y %H:%M:%S",
    "%d%b%Y",
    "%d/%m/%Y",
    "%Y-%m-%d",
)


class ContractError(UsageError):
    """A contract file is not well formed, or a table or year is not under contract."""


@dataclass(frozen=True)
class Years:
    """The years in which a column exists: closed intervals, the last one possibly open."""

    spans: tuple[tuple[int, int | None], ...]

    @classmethod
    def parse(cls, text: str) -> Years:
        """Read ``2006-``, ``2009-2010,2013-`` or ``all``."""
        if text == "all":
            return cls(((0, None),))
        spans: list[tuple[int, int | None]] = []
        for part in text.split(","):
            first, _, last = part.strip().partition("-")
            spans.append((int(first), int(last) if last else None))
        return cls(tuple(spans))

    def before(self, year: int) -> Years:
        """Return the same years, closed before one of them."""
        kept = [
            (first, year - 1 if last is None or last >= year else last)
            for first, last in self.spans
            if first < year
        ]
        return Years(tuple(kept))

    def __contains__(self, year: int) -> bool:
        return any(first <= year and (last is None or year <= last) for first, last in self.spans)

    def __str__(self) -> str:
        if self.spans == ((0, None),):
            return "all"
        return ",".join(
            f"{first}-" if last is None else f"{first}-{last}" for first, last in self.spans
        )


def spans(years: set[int], *, open_end: bool) -> str:
    """Return years as contracts write them, ``2009-2010,2013-2013``; the last one maybe open."""
    found: list[list[int]] = []
    for year in sorted(years):
        if found and found[-1][1] == year - 1:
            found[-1][1] = year
        else:
            found.append([year, year])
    written = [f"{first}-{last}" for first, last in found]
    if open_end and written:
        written[-1] = f"{found[-1][0]}-"
    return ",".join(written)


@dataclass(frozen=True)
class Column:
    """One column: how it is written, what it is for, when it exists.

    ``scale`` is the number of decimals that a value may carry; ``unit`` what a number counts;
    ``nomenclature`` the code list that labels it; ``required`` columns must be in the header of a
    file of their years, the others load as NULL where a delivery leaves them out. ``null_values``
    are texts by which its provider says that there is no value: they load as NULL. ``years_note``
    says which source is believed, and why, where the two disagree or only one speaks.
    """

    name: str
    type: str
    role: str
    years: Years
    scale: int = 0
    formats: tuple[str, ...] = ()
    domain: str | None = None
    unit: str | None = None
    nomenclature: str | None = None
    required: bool = False
    reason: str | None = None
    years_note: str | None = None
    null_values: tuple[str, ...] = ()
    description: str | None = None

    @property
    def precision(self) -> int:
        """Digits of a decimal in the lake: 18, whatever the byte length of the SAS source."""
        return 18

    @property
    def lake_type(self) -> str:
        """The SQL type of the column in ``lake/raw``."""
        return {
            "string": "VARCHAR",
            "integer": "BIGINT",
            "decimal": f"DECIMAL({self.precision},{self.scale})",
            "date": "DATE",
            "datetime": "TIMESTAMP",
            "year": "INTEGER",
            "yearmonth": "INTEGER",
            "month": "INTEGER",
        }[self.type]

    @property
    def lake_name(self) -> str:
        """The column's name in the lake."""
        return self.name.lower()

    @property
    def is_loaded(self) -> bool:
        """Whether the column reaches the lake; direct identifiers do not."""
        return self.role != "identifier_dropped"


@dataclass(frozen=True)
class Table:
    """A table under contract, over all years or, from ``for_year``, in one of them."""

    name: str
    product: str
    calendar: str
    grain: str
    key: tuple[str, ...]
    not_null: tuple[str, ...]
    columns: tuple[Column, ...]
    year: int | None = None

    @property
    def raw_name(self) -> str:
        """The table's name in the lake: ``er_prs_f``, ``t_mcoaab``."""
        return self.name.lower()

    @property
    def years(self) -> Years:
        """The years in which the table exists: those of any of its columns."""
        ranges = [each.years.spans for each in self.columns]
        if any(each == ((0, None),) for each in ranges):
            return Years.parse("all")
        far = 1 + max((last or first) for each in ranges for first, last in each)
        present = {
            year for year in range(1900, far + 1) if any(year in c.years for c in self.columns)
        }
        return Years.parse(spans(present, open_end=far in present))

    @property
    def patient_key(self) -> Column | None:
        """The column that says whose row it is, where the table has one."""
        for name in ("BEN_NIR_PSA", "NIR_ANO_17", "BEN_IDT_ANO"):
            for column in self.columns:
                if column.name == name:
                    return column
        return None

    def column(self, name: str) -> Column:
        """Return a column by its SNDS name, whatever its case.

        Raises:
            ContractError: the table has no such column.
        """
        for column in self.columns:
            if column.name == name.upper():
                return column
        raise ContractError(f"{self.name} has no column {name} under contract")

    def names(self) -> tuple[str, ...]:
        """Column names, in contract order."""
        return tuple(column.name for column in self.columns)

    def for_year(self, year: int) -> Table:
        """Return the table as it is in one year.

        Raises:
            ContractError: no column of the table exists in that year.
        """
        columns = tuple(column for column in self.columns if year in column.years)
        if not columns:
            raise ContractError(f"{self.name} does not exist in {year}; its years: {self.years}")
        kept = {column.name for column in columns}
        return dataclasses.replace(
            self,
            columns=columns,
            year=year,
            key=tuple(name for name in self.key if name in kept),
            not_null=tuple(name for name in self.not_null if name in kept),
        )
