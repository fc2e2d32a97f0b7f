"""What became of a file: counts, euros and names, never a value of the data."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any

# Every reason for which a row is refused, in words for people.
REASONS = {
    "field_count": "the line has not as many fields as the header",
    "undecodable_byte": "the line holds a byte that is not UTF-8",
    "nul_byte": "the line holds a NUL byte",
    "line_too_long": "the line is longer than 16 MiB",
    "line_feed": "a value holds a line feed",
    "empty_line": "the line is empty",
    "missing_key": "a key column is empty",
    "not_an_integer": "the value is not a whole number",
    "not_a_decimal": "the value is not a number",
    "too_many_decimals": "the value has more decimals than the contract: loading it would round",
    "not_a_date": "the value is not a date in the format of its column",
    "not_a_year": "the value is not a year of four digits",
    "not_a_month": "the value is not a month",
    "missing_column": "the header lacks a column of the table and year",
    "column_twice": "the header names a column twice",
    "not_this_table": "the header is not that of the table",
    "structure_of_another_year": "the header is the structure of another year",
}


@dataclass
class Amount:
    """Euros of one amount column: what the text said, what was kept, what was refused.

    ``read`` and ``quarantined`` are sums of the text, ``kept`` is the sum of the typed values.
    ``unreadable`` counts the values that are no number, or stand in a line that cannot be cut into
    its cells; they are in no sum.
    """

    read: Decimal = Decimal(0)
    kept: Decimal = Decimal(0)
    quarantined: Decimal = Decimal(0)
    unreadable: int = 0

    def add(self, other: Amount) -> None:
        """Add the euros of another file."""
        self.read += other.read
        self.kept += other.kept
        self.quarantined += other.quarantined
        self.unreadable += other.unreadable

    @property
    def balances(self) -> bool:
        """Whether every euro read is on one side or the other."""
        return self.read == self.kept + self.quarantined


@dataclass
class FileReport:
    """The account of one file.

    ``status``: ``loaded``; ``refused`` (its structure is wrong, all its lines are in quarantine);
    ``unreadable`` (nothing of it is loaded and its number of lines is not known). ``year`` is the
    contract's; ``year_source`` says where it came from. ``slices`` counts the rows kept by what a
    newer delivery can replace (flux month, year of death, pair of epochs: ``slices.slice_sql``),
    ``slice_amounts`` their euros.
    """

    path: str
    table: str
    period: str
    year: int | None
    year_source: str
    status: str = "loaded"
    code: str | None = None
    message: str | None = None
    rows_read: int = 0
    kept: int = 0
    quarantined: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    first_refused: list[dict[str, Any]] = field(default_factory=list)
    amounts: dict[str, Amount] = field(default_factory=dict)
    care_years: dict[str, int] = field(default_factory=dict)
    care_amounts: dict[str, dict[str, Decimal]] = field(default_factory=dict)
    slices: dict[str, int] = field(default_factory=dict)
    slice_amounts: dict[str, dict[str, Decimal]] = field(default_factory=dict)
    newest_treatment: str | None = None
    ignored: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    quarantine_parts: list[str] = field(default_factory=list)
    container: str = "text"  # or its compression, or ``sas7bdat``, ``parquet``
    encoding: str = "utf-8"
    notes: list[str] = field(default_factory=list)  # what is odd and harmless
    bytes: int = 0
    sha256: str = ""

    @property
    def balances(self) -> bool:
        """Whether every line and every euro of the file is accounted for."""
        return self.rows_read == self.kept + self.quarantined and all(
            amount.balances for amount in self.amounts.values()
        )

    def refuse(self, status: str, code: str, message: str) -> None:
        """Turn the report into that of a file of which nothing is kept."""
        blank = FileReport(self.path, self.table, self.period, self.year, self.year_source)
        blank.sha256, blank.bytes = self.sha256, self.bytes
        blank.container, blank.encoding, blank.notes = self.container, self.encoding, self.notes
        self.__dict__.update(blank.__dict__)
        self.status, self.code, self.message = status, code, message

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON types; amounts as exact decimal text."""
        document = asdict(self)
        for amount in document["amounts"].values():
            for side in ("read", "kept", "quarantined"):
                amount[side] = decimal_text(amount[side])
        for amounts in [*document["care_amounts"].values(), *document["slice_amounts"].values()]:
            for name in amounts:
                amounts[name] = decimal_text(amounts[name])
        return document

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> FileReport:
        """Read back what ``to_json`` wrote."""
        values = dict(document)
        values["amounts"] = {
            name: Amount(
                Decimal(each["read"]),
                Decimal(each["kept"]),
                Decimal(each["quarantined"]),
                each["unreadable"],
            )
            for name, each in values["amounts"].items()
        }
        # Records of the first version knew flux months alone, under another name.
        values.setdefault("slices", values.pop("flux_months", {}))
        for by in ("care_amounts", "slice_amounts"):
            values[by] = {
                key: {name: Decimal(value) for name, value in amounts.items()}
                for key, amounts in values.get(by, {}).items()
            }
        return cls(**values)


def decimal_text(value: Decimal) -> str:
    """Return an exact amount without needless zeros: at least two decimals."""
    text = f"{value:f}"
    if "." not in text:
        return f"{text}.00"
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"
