"""Dirt as deliveries have it: odd values, which must load, and added rows, most to be refused.

The rows of a clean extract stay what they are: dirt either writes a value otherwise (blanks around
a key, ``3400935418487.0``), or adds a row made from a good one with one thing wrong. So the truth
of a dirty extract is that of the clean one, plus the list of what was planted: file, line, kind,
and what should become of it: ``kept`` as it is, ``quarantined`` for a reason, or ``flagged``, kept
and told by a rule of the warehouse. Catalogue: snds_model chapter 5.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from openchronic_assets.contracts import Column, Table

LEVELS = ("none", "realistic", "hostile")

ODD_SHARE = 0.004
BAD_SHARE = {"realistic": 1 / 4000, "hostile": 1 / 300}

# Columns whose values come padded with blanks; keys only with blanks after.
TRAILING = ("BEN_NIR_PSA", "NIR_ANO_17")
BOTH_SIDES = ("MED_MTF_COD", "CAM_PRS_IDE", "CDC_ACT", "UCD_UCD_COD", "DCD_CIM_COD")

# An identifier that no person, claim or stay of an extract has.
NOBODY = "Z" * 17
NO_CLAIM = "999999999"


@dataclass(frozen=True)
class Kind:
    """A kind of added row: what should become of it, why, and whether it needs a text file."""

    becomes: str
    reason: str
    text_only: bool = False


KINDS = {
    "bad_date": Kind("quarantined", "not_a_date"),
    "three_decimals": Kind("quarantined", "too_many_decimals"),
    "extra_separator": Kind("quarantined", "field_count", True),
    "text_in_number": Kind("quarantined", "not_an_integer"),
    "two_digit_year": Kind("quarantined", "not_a_date"),
    "long_number": Kind("quarantined", "not_an_integer"),
    "missing_field": Kind("quarantined", "field_count", True),
    "empty_key": Kind("quarantined", "missing_key"),
    "month_13": Kind("quarantined", "not_a_month"),
    "nul_byte": Kind("quarantined", "nul_byte", True),
    "latin1_byte": Kind("quarantined", "undecodable_byte", True),
    "empty_line": Kind("quarantined", "empty_line", True),
    "date_of_1600": Kind("kept", "unknown date"),
    "negative_amount": Kind("kept", "a regularisation without its first line"),
    "unknown_code": Kind("kept", "absent from its nomenclature"),
    "long_value": Kind("kept", "longer than its column in the source"),
    "duplicate_row": Kind("flagged", "is_duplicate_key"),
    "broken_join": Kind("flagged", "no parent row"),
    "unknown_person": Kind("flagged", "not_in_referential"),
}
REALISTIC = ("bad_date", "three_decimals", "extra_separator", "text_in_number")


@dataclass(frozen=True)
class Planted:
    """One thing planted on a line: its kind, the column, what becomes of it and why."""

    line: int
    kind: str
    column: str
    becomes: str
    reason: str

    def moved(self, lines: int) -> Planted:
        """Return the same on a line further down."""
        return replace(self, line=self.line + lines)


@dataclass(frozen=True)
class Bad:
    """One added row: its kind, the column (empty for a whole row), its cells and its bytes."""

    kind: str
    column: str
    values: list[str | None]
    raw: bytes

    @property
    def becomes(self) -> str:
        """What should become of the row."""
        return KINDS[self.kind].becomes

    @property
    def reason(self) -> str:
        """Why."""
        return KINDS[self.kind].reason


def soil(
    rng: np.random.Generator, contract: Table, rows: pa.Table, level: str
) -> tuple[pa.Table, list[Planted]]:
    """Write some good values otherwise; ``level`` tells how many. All of them must load."""
    share = ODD_SHARE * (5 if level == "hostile" else 1)
    planted: list[Planted] = []
    for position, name in enumerate(contract.names()):
        if name in TRAILING or name in BOTH_SIDES:
            before, after = ("" if name in TRAILING else " "), "  "
            kind = "padded_key" if name in TRAILING else "padded_code"
        elif name == "PHA_PRS_C13":
            before, after, kind = "", ".0", "float_cip13"
        else:
            continue
        values = rows.column(position).combine_chunks()
        odd = rng.random(rows.num_rows) < share
        odd &= np.asarray(pc.is_valid(values))
        changed = pc.binary_join_element_wise(before, values, after, "")
        written = pc.if_else(pa.array(odd), changed, values)
        rows = rows.set_column(position, rows.column_names[position], written)
        planted += [
            Planted(int(row) + 1, kind, name, "kept", "read as its trimmed value")
            for row in np.flatnonzero(odd)
        ]
    return rows, planted


def bad_rows(
    rng: np.random.Generator,
    contract: Table,
    rows: pa.Table,
    level: str,
    separator: str,
    form: str,
    each_kind: bool,
) -> list[Bad]:
    """Return added rows made from some of ``rows``; with ``each_kind``, at least one of each kind.

    A kind that a table cannot have (no date, no amount), or a file of that form, is left out.
    """
    count = rows.num_rows
    if count == 0:
        return []
    names = REALISTIC if level == "realistic" else tuple(KINDS)
    kinds = [name for name in names if form == "csv" or not KINDS[name].text_only]
    wanted = [str(kind) for kind in rng.choice(kinds, int(rng.poisson(count * BAD_SHARE[level])))]
    if each_kind:
        wanted = [*kinds, *wanted]
    # Empty lines that end a file are no lines of it: another row follows them.
    wanted.sort(key=lambda kind: kind != "empty_line")
    if wanted and wanted[-1] == "empty_line":
        wanted.append("missing_field")
    spoiled = []
    for kind in wanted:
        row = rows.slice(int(rng.integers(0, count)), 1).to_pylist()[0]
        made = _spoil(rng, contract, list(row.values()), kind, separator)
        if made is not None:
            spoiled.append(made)
    return spoiled


def _spoil(
    rng: np.random.Generator,
    contract: Table,
    values: list[str | None],
    kind: str,
    separator: str,
) -> Bad | None:
    """Return a row with one thing wrong, or None where its table cannot have that."""
    middle = len(values) // 2
    column = ""

    def as_line() -> bytes:
        return separator.join(value or "" for value in values).encode()

    if kind == "extra_separator":
        values[middle] = f"{values[middle] or ''}{separator}"
    elif kind == "missing_field":
        if len(values) < 2:
            return None
        return Bad(kind, column, values, separator.join(v or "" for v in values[:-1]).encode())
    elif kind == "empty_line":
        return Bad(kind, column, values, b"")
    elif kind in ("nul_byte", "latin1_byte"):
        # 0x85 is what Latin-1 leaves behind; no file in French could mean it, unlike an accent.
        line = bytearray(as_line())
        line[len(line) // 2 : len(line) // 2] = b"\0" if kind == "nul_byte" else b"\x85"
        return Bad(kind, column, values, bytes(line))
    elif kind == "duplicate_row":
        if not contract.key:
            return None
    else:
        candidates = [
            position
            for position, each in enumerate(contract.columns)
            if values[position] is not None and each.is_loaded and _fits(contract, each, kind)
        ]
        if not candidates:
            return None
        position = candidates[int(rng.integers(0, len(candidates)))]
        column = contract.columns[position].name
        values[position] = _wrong(kind, str(values[position]))
    return Bad(kind, column, values, as_line())


def _wrong(kind: str, good: str) -> str | None:
    if kind == "bad_date":
        return _with_day(good, "31", "02", "FEB")
    if kind == "date_of_1600":
        return _first_of_1600(good)
    if kind == "two_digit_year":
        return _short_year(good)
    if kind == "negative_amount":
        return good if good.startswith("-") else f"-{good}"
    return {
        "three_decimals": "12.345",
        "text_in_number": "ABC",
        "long_number": "9" * 40,
        "empty_key": None,
        "month_13": good[:-2] + "13",
        "unknown_code": "ZZ99",
        "long_value": "L" * 5000,
        "broken_join": NO_CLAIM,
        "unknown_person": NOBODY,
    }[kind]


def _fits(contract: Table, column: Column, kind: str) -> bool:
    if kind in ("bad_date", "two_digit_year"):
        return column.type in ("date", "datetime")
    if kind == "date_of_1600":
        # Not where the date places the row: its file, its partition, its key.
        digits = column.type == "date" and column.formats[0] == "%d%m%Y"
        return column.type == "date" and column.name not in contract.key and not digits
    if kind == "three_decimals":
        return column.role == "amount" and column.type == "decimal" and column.scale == 2
    if kind in ("text_in_number", "long_number"):
        return column.type == "integer"
    if kind == "empty_key":
        return column.name in contract.not_null
    if kind == "month_13":
        return column.type == "yearmonth"
    if kind == "negative_amount":
        return column.role == "amount"
    free = column.type == "string" and column.name not in (*contract.key, *contract.not_null)
    if kind == "unknown_code":
        return free and column.role == "code"
    if kind == "long_value":
        return free and column.role in ("code", "technical", "text")
    if kind == "broken_join":
        return column.name == "DCT_ORD_NUM" and contract.name != "ER_PRS_F"
    return kind == "unknown_person" and column.name in TRAILING


def _with_day(written: str, number: str, month: str, name: str) -> str:
    """Return a day that does not exist in the form of a written date."""
    if "/" in written:
        return f"{number}/{month}/{written[-4:]}"
    if "-" in written:
        return f"{written[:4]}-{month}-{number}{written[10:]}"
    if written[2:5].isalpha():
        return f"{number}{name}{written[5:]}"
    return f"{number}{month}{written[4:]}"


def _first_of_1600(written: str) -> str:
    if "-" in written:
        return f"1600-01-01{written[10:]}"
    if written[2:5].isalpha():
        return f"01JAN1600{written[9:]}"
    return "01/01/1600"


def _short_year(written: str) -> str:
    if "-" in written:
        return written[2:]
    if written[2:5].isalpha():
        return f"{written[:5]}{written[7:]}"
    return f"{written[:-4]}{written[-2:]}"
