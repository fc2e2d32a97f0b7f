"""The SQL that splits a line and casts its cells, decided once for each file.

A value is kept only if it casts exactly: a cast that would round, cut or guess is a fault with a
reason code. Dates follow one format a file and column, the one under which most of the first
values are dates; a value in another format is refused, not guessed.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from openchronic_assets.contracts import Column
from openchronic_assets.ingestion.structure import Header


@dataclass(frozen=True)
class Fault:
    """A condition under which a row is refused, with its reason code and column."""

    condition: str
    reason: str
    column: str


def split_sql(header: Header) -> str:
    """Return the expression that cuts ``text`` into a list of cells.

    Quotes are no part of SNDS files; where a tool has added them, only the lines that hold one pay
    for a splitter that knows them.
    """
    mark = header.separator
    literal = "chr(9)" if mark == "\t" else f"'{mark}'"
    pattern = {"|": "[|]", "\t": "\\t"}.get(mark, mark)
    inside = {"|": "|", "\t": "\\t"}.get(mark, mark)
    quoted = f'{pattern}("(?:[^"]|"")*"|[^{inside}]*)'
    line = "rtrim(text, chr(10) || chr(13))"
    return f"""
        case when contains(text, '"') then list_transform(
            regexp_extract_all({literal} || {line}, '{quoted}', 1),
            lambda cell: case when len(cell) > 1 and starts_with(cell, '"') and ends_with(cell, '"')
                then replace(cell[2:-2], '""', '"') else cell end)
        else string_split({line}, {literal}) end"""


def cell(header: Header, column: Column) -> str:
    """Return the expression of a column's text in the list ``f``, without blanks around it.

    A text by which the provider says that there is no value is empty.
    """
    text = f"trim(f[{header.positions[column.name] + 1}])"
    for word in column.null_values:
        escaped = word.replace("'", "''")
        text = f"nullif({text}, '{escaped}')"
    return f"coalesce({text}, '')" if column.null_values else text


def has_decimal_comma(connection: duckdb.DuckDBPyConnection, header: Header, sample: str) -> bool:
    """Whether the decimal mark of a file is a comma: some number has one and none has a point."""
    cells = [
        cell(header, column)
        for column in header.table.columns
        if column.type == "decimal" and column.name in header.positions
    ]
    if header.separator == "," or not cells:
        return False
    comma = " or ".join(f"regexp_full_match({each}, '-?[0-9]*,[0-9]+')" for each in cells)
    point = " or ".join(f"contains({each}, '.')" for each in cells)
    found = connection.execute(
        f"select coalesce(bool_or({comma}), false), coalesce(bool_or({point}), false) from {sample}"
    ).fetchone()
    return bool(found and found[0] and not found[1])


def date_formats(
    connection: duckdb.DuckDBPyConnection, header: Header, sample: str
) -> dict[str, str]:
    """Return the format of each date column: most hits in the sample, ties to the contract's order.

    ``sample`` is a relation whose column ``f`` is the list of cells of the first lines.
    """
    columns = [
        column
        for column in header.table.columns
        if column.type in ("date", "datetime") and column.name in header.positions
    ]
    hits = [
        # A cast of '' fails, and failing is dear.
        f"count(try_strptime(nullif({cell(header, column)}, ''), '{form}'))"
        for column in columns
        for form in column.formats
    ]
    if not hits:
        return {}
    found = list(connection.execute(f"select {', '.join(hits)} from {sample}").fetchone() or ())
    formats = {}
    for column in columns:
        counts, found = found[: len(column.formats)], found[len(column.formats) :]
        formats[column.name] = column.formats[counts.index(max(counts))]
    return formats


def _told_by(text: str, decimals: int) -> str:
    """Return whether a decimal with so many places holds a text's number unrounded."""
    half = decimals // 2
    number = f"[-+]?[0-9]*[.]?[0-9]{{0,{decimals}}}0*(e[+]?[0-9]+)?"
    small = f"[-+]?[0-9]*[.]?[0-9]{{0,{half}}}0*e-0?[0-{half}]"
    return f"regexp_full_match(lower({text}), '{number}|{small}')"


def cast(column: Column, form: str | None) -> tuple[str, list[Fault]]:
    """Return the cast of the text ``t_<column>`` and the faults of the cast value ``<column>``."""
    name = column.lake_name
    text = f"t_{name}"
    filled = f"{text} <> ''"

    def fault(condition: str, reason: str) -> Fault:
        return Fault(f"{filled} and {condition}", reason, column.name)

    if column.type == "string":
        return f"nullif({text}, '')", []
    if column.type == "integer":
        # A cast from text rounds 12.7 to 13: where the text is not the number written back, the
        # exact value decides ('007' and '3400935418487.0' are whole numbers, '12.7' is none).
        exact = f"try_cast({text} as decimal(38, 10))"
        unlike = f"({exact} is distinct from {name} or not {_told_by(text, 10)})"
        differs = f"cast({name} as varchar) <> {text} and {unlike}"
        return f"try_cast({text} as bigint)", [
            fault(f"({name} is null or ({differs}))", "not_an_integer")
        ]
    if column.type == "decimal":
        # Only a text with more decimals than the contract, or an exponent, can have been rounded:
        # the exact value, which is dear, is asked of those alone.
        long = f"len({text}) - instr({text}, '.') > {column.scale} and contains({text}, '.')"
        doubtful = f"(({long}) or contains(lower({text}), 'e'))"
        exact = f"try_cast({text} as decimal(38, 12))"
        return f"try_cast({text} as {column.lake_type})", [
            fault(f"{name} is null", "not_a_decimal"),
            fault(
                f"{doubtful} and ({exact} is distinct from {name} or not {_told_by(text, 12)})",
                "too_many_decimals",
            ),
        ]
    if column.type in ("year", "yearmonth", "month"):
        pattern = {
            "year": "[0-9]{4}",
            "yearmonth": "[0-9]{4}(0[1-9]|1[0-2])",
            "month": "0?[1-9]|1[0-2]",
        }[column.type]
        reason = "not_a_year" if column.type == "year" else "not_a_month"
        return f"try_cast({text} as integer)", [
            fault(f"not regexp_full_match({text}, '{pattern}')", reason)
        ]
    value = f"try_strptime({text}, '{form}')"
    # %Y reads '19' as the year 19.
    faults = [fault(f"({name} is null or year({name}) < 1000)", "not_a_date")]
    if column.type == "datetime":
        return f"cast({value} as timestamp)", faults
    if form and "%H" in form:
        # A time of day would be lost in a date.
        faults.append(fault(f"{value} <> cast({name} as timestamp)", "not_a_date"))
    return f"cast({value} as date)", faults
