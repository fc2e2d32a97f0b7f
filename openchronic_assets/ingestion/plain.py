"""The fast path: plain lines cut by Arrow's CSV reader, plain cells cast column by column.

What is taken here is taken because nothing about it can be read in two ways: a line with the
header's number of fields, without a NUL, a lone carriage return or an undecodable byte, its quotes
around whole cells if it has any; in it a whole number of digits alone, a decimal that needs no
rounding, a date that the cast of ``casting`` takes. Every other line is handed back for the careful
path, which judges it and gives reasons. So this module refuses nothing, and needs no reason codes.
"""

from __future__ import annotations

from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from openchronic_assets.contracts import Column
from openchronic_assets.ingestion import casting
from openchronic_assets.ingestion.lines import Block
from openchronic_assets.ingestion.structure import Header

# What trim() of the careful path removes: the space separators of Unicode, no tabs.
BLANKS = "".join(map(chr, [0x20, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000]))
REMEMBERED = 100_000  # distinct dates a column whose cast is remembered from block to block
NO_LINES = pa.table({"line": pa.array([], pa.int64())})

ARROW_TYPES = {
    "string": pa.string(),
    "integer": pa.int64(),
    "date": pa.date32(),
    "datetime": pa.timestamp("us"),
    "year": pa.int32(),
    "yearmonth": pa.int32(),
    "month": pa.int32(),
}


def arrow_type(column: Column) -> pa.DataType:
    """Return the Arrow form of a column's type in the lake."""
    if column.type == "decimal":
        return pa.decimal128(column.precision, column.scale)
    return ARROW_TYPES[column.type]


class PlainReader:
    """Reads the plain lines of the blocks of one file.

    Args:
        connection: casts the distinct dates with the SQL of the careful path.
        header: how the cells of a line stand to the contract.
        columns: the columns to cast, all of them in the header.
        texts: names of columns whose text is wanted too, as ``t_<column>``.
        formats: the format of each date column.
        comma: whether the decimal mark is a comma.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        header: Header,
        columns: list[Column],
        texts: set[str],
        formats: dict[str, str],
        comma: bool,
    ):
        self.connection = connection
        self.width = header.width + header.trailing
        self.trailing = header.trailing
        self.places = {column.name: header.positions[column.name] for column in columns}
        self.columns = columns
        self.texts = texts
        self.not_null = set(header.table.not_null)
        self.formats = formats
        self.comma = comma
        self.parse = {
            "delimiter": header.separator,
            "double_quote": False,
            "escape_char": False,
            "ignore_empty_lines": False,
        }
        mark = {"|": r"\|", "\t": r"\t"}.get(header.separator, header.separator)
        a_cell = rf"""(?:"[^"]*"|[^"{mark}]*)"""
        self.well_quoted = rf"^{a_cell}(?:{mark}{a_cell})*\r?\n$"
        self.empty: set[str] | None = None  # cells without a value in any block so far
        self.known: dict[str, dict[str, Any]] = {column.name: {} for column in columns}

    def read(self, block: Block) -> tuple[pa.Table, npt.NDArray[np.int64]]:
        """Return the typed rows of a block's plain lines, and the places of its other lines.

        The table holds ``line``, ``<column>`` in its type and ``t_<column>`` for the wanted texts;
        columns in which no line has a value are left out. Together the two account for each line
        of the block once.
        """
        plain = np.flatnonzero(~(block.irregular() | self._ill_quoted(block)))
        cells, torn = self._cut(block.only(plain))
        taken = np.delete(plain, torn)
        if not len(taken) or cells.num_rows != len(taken):
            # Nothing plain; or the reader saw other lines than we counted, and is not believed.
            return NO_LINES, np.arange(len(block))
        columns = {"line": pa.array(block.first + taken)}
        good = np.ones(len(taken), dtype=bool)
        for column in self.columns:
            text = cells.column(f"c{self.places[column.name]}").combine_chunks()
            if not pa.types.is_null(text.type):
                text = _without(_trimmed(text), column.null_values)
            if column.name in self.not_null and text.null_count:
                good &= _numpy(pc.is_valid(text))
            if text.null_count == len(text):
                continue
            typed = self._cast(column, text)
            if typed.null_count > text.null_count:
                good &= _numpy(pc.or_(pc.is_valid(typed), pc.is_null(text)))
            columns[column.lake_name] = typed
            if column.name in self.texts:
                columns[f"t_{column.lake_name}"] = text
        if self.trailing:
            good &= _numpy(pc.is_null(cells.column(f"c{self.width - 1}")))
        table = pa.table(columns)
        if not good.all():
            table, taken = table.filter(pa.array(good)), taken[good]
        return table, np.setdiff1d(np.arange(len(block)), taken, assume_unique=True)

    def _ill_quoted(self, block: Block) -> npt.NDArray[np.bool_]:
        """Tell each line in which a quote does not open or close a cell."""
        found = block.holding(b'"')
        places = np.flatnonzero(found)
        if len(places):
            texts = Block(0, block.only(places)).texts()
            found[places] = ~_numpy(pc.match_substring_regex(texts, self.well_quoted))
        return found

    def _cut(self, data: bytes) -> tuple[pa.Table, list[int]]:
        """Cut lines into cells, empty ones NULL; also return the places of torn lines."""
        if self.width == 1 or not data:
            # A line of one cell may be blank: that is for the careful path to say.
            return NO_LINES, []
        wanted = [f"c{place}" for place in self.places.values()]
        if self.trailing:
            wanted.append(f"c{self.width - 1}")
        # Half the columns of a wide table are empty in every line: to be told so is cheaper than to
        # build them. Where one of them has a value after all, the block is cut again.
        empty = [name for name in wanted if name in (self.empty or ())]
        try:
            cells, torn = self._cells(data, wanted, empty)
        except pa.ArrowInvalid:
            if not empty:
                raise
            cells, torn = self._cells(data, wanted, [])
        filled = {name for name in wanted if cells.column(name).null_count < len(cells)}
        self.empty = (set(wanted) if self.empty is None else self.empty) - filled
        return cells, torn

    def _cells(
        self, data: bytes, wanted: list[str], empty: list[str]
    ) -> tuple[pa.Table, list[int]]:
        torn: list[int] = []

        def skip(row: Any) -> str:
            torn.append(row.number - 1)
            return "skip"

        types = dict.fromkeys(wanted, pa.string()) | dict.fromkeys(empty, pa.null())
        cells = pyarrow.csv.read_csv(
            pa.BufferReader(data),
            read_options=pyarrow.csv.ReadOptions(
                use_threads=False,
                column_names=[f"c{place}" for place in range(self.width)],
                block_size=len(data) + 1,
            ),
            parse_options=pyarrow.csv.ParseOptions(
                invalid_row_handler=skip,
                quote_char='"' if b'"' in data else False,
                **self.parse,
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                check_utf8=False,
                include_columns=wanted,
                column_types=types,
                null_values=[""],
                strings_can_be_null=True,
            ),
        )
        return cells, torn

    def _cast(self, column: Column, text: pa.Array) -> pa.Array:
        """Cast the text of a column; what is not plain becomes NULL."""
        if column.type == "string":
            return text
        if column.type == "integer":
            if b"." in _bytes(text):
                # Tools that know only floating numbers write 12.0.
                text = pc.replace_substring_regex(text, r"\.0*$", "")
            return _number(text, pa.int64(), r"^-?[0-9]{1,18}$")
        if column.type == "decimal":
            if self.comma:
                text = pc.replace_substring(text, ",", ".")
            whole, scale = column.precision - column.scale, column.scale
            pattern = (
                rf"^-?(?:[0-9]{{1,{whole}}}(?:\.[0-9]{{0,{scale}}})?|\.[0-9]{{1,{max(scale, 1)}}})$"
            )
            return _number(text, arrow_type(column), pattern)
        return self._distinct(column, text)

    def _distinct(self, column: Column, text: pa.Array) -> pa.Array:
        """Cast each distinct value once, with the SQL and the faults of the careful path."""
        encoded = text.dictionary_encode()
        words = encoded.dictionary.to_pylist()
        known = self.known[column.name]
        if len(known) > REMEMBERED:
            known.clear()
        fresh = [word for word in words if word not in known]
        if fresh:
            name = column.lake_name
            expression, faults = casting.cast(column, self.formats.get(column.name))
            faulty = " or ".join(f"coalesce({each.condition}, false)" for each in faults)
            words_now = pa.table({f"t_{name}": pa.array(fresh, pa.string())})
            self.connection.register("words", words_now)
            found = self.connection.execute(
                f"select case when {faulty} then null else {name} end "
                f"from (select *, {expression} as {name} from words)"
            ).fetchall()
            self.connection.unregister("words")
            known.update(zip(fresh, (value for (value,) in found), strict=True))
        values = pa.array([known[word] for word in words], arrow_type(column))
        return values.take(encoded.indices)


def _trimmed(text: pa.Array) -> pa.Array:
    """Remove the blanks around each cell; a blank cell becomes NULL like an empty one."""
    data = _bytes(text)
    if b" " not in data and data.isascii():
        return text
    trimmed = pc.utf8_trim(text, BLANKS)
    return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)


def _without(text: pa.Array, words: tuple[str, ...]) -> pa.Array:
    """Make NULL what stands for no value."""
    if not words:
        return text
    return pc.if_else(pc.is_in(text, pa.array(words)), pa.scalar(None, pa.string()), text)


def _number(text: pa.Array, to: pa.DataType, pattern: str) -> pa.Array:
    """Cast texts to numbers exactly; a text that is not plainly one becomes NULL.

    Arrow's cast neither rounds nor guesses, save that it reads '0x1f': over digits alone it is
    tried on the whole column. Only where that fails are its cells looked at one by one.
    """
    if not _bytes(text).translate(None, b"0123456789-."):
        try:
            return pc.cast(text, to)
        except pa.ArrowInvalid:
            pass
    plain = pc.match_substring_regex(text, pattern)
    return pc.cast(pc.if_else(plain, text, pa.scalar(None, pa.string())), to)


def _bytes(text: pa.Array) -> bytes:
    data = text.buffers()[2]
    return data.to_pybytes() if data is not None else b""


def _numpy(mask: pa.Array) -> npt.NDArray[np.bool_]:
    return np.asarray(mask.to_numpy(zero_copy_only=False), dtype=bool)
