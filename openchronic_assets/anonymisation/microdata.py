"""Tables of individual rows: read from CSV, Parquet, Arrow or pandas; encoded; written in no order.

Text is kept as it stands (``01`` stays ``01``, ``NA`` stays ``NA``); an empty text is a missing
value. Everything else keeps its Arrow type.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from openchronic_assets.anonymisation.cube import stable_order
from openchronic_assets.anonymisation.texts import sniff_encoding, sniff_separator
from openchronic_assets.errors import OpenChronicError, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TEXT = pa.dictionary(pa.int32(), pa.string())
_COMPRESSED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04")


@dataclass(frozen=True)
class Microdata:
    """A table with where it came from.

    Attributes:
        table: the rows.
        form: ``csv``, ``parquet`` or ``memory``.
        separator: of a CSV file; ``;`` otherwise.
    """

    table: pa.Table
    form: str
    separator: str = ";"

    def require(self, columns: Sequence[str], role: str) -> None:
        """Check that columns are there.

        Raises:
            UsageError: some are not.
        """
        absent = [name for name in columns if name not in self.table.column_names]
        if absent:
            raise UsageError(
                f"{role}: no column {', '.join(absent)} in the table; it has "
                f"{', '.join(self.table.column_names)}"
            )


def read_table(data: Any, encoded: Sequence[str] | None = None) -> Microdata:
    """Read a table from wherever it is.

    Args:
        data: path of a CSV or Parquet file, Arrow table, or pandas data frame.
        encoded: text columns to hold as codes and a dictionary, all of them when not given.

    Raises:
        UsageError: the file is missing or is no table.
        OpenChronicError: the table cannot be read, is empty, or has columns without a name or two
            of one name.
    """
    if isinstance(data, str | os.PathLike):
        path = Path(data)
        read = _read_file(path, encoded)
    elif isinstance(data, pa.Table):
        read = Microdata(_without_views(data), "memory")
    elif hasattr(data, "columns") and hasattr(data, "iloc"):
        _check_names([str(name) for name in data.columns])
        try:
            read = Microdata(pa.Table.from_pandas(data, preserve_index=False), "memory")
        except (pa.ArrowException, TypeError, ValueError) as error:
            raise OpenChronicError(
                "a column of the data frame holds values of several types; give each column one"
            ) from error
    else:
        raise UsageError("give a path, an Arrow table or a pandas data frame")
    _check_names(read.table.column_names)
    if read.table.num_rows == 0:
        raise OpenChronicError("the table has no row")
    # Metadata may tell the rows (the index of pandas) and never passes.
    return Microdata(read.table.replace_schema_metadata(None), read.form, read.separator)


def _without_views(table: pa.Table) -> pa.Table:
    """Return a table whose text views are texts: few functions of Arrow take views."""
    for position, field in enumerate(table.schema):
        if pa.types.is_string_view(field.type):
            text = table.column(position).cast(pa.string())
            table = table.set_column(position, field.name, text)
    return table


def _read_file(path: Path, encoded: Sequence[str] | None) -> Microdata:
    if not path.is_file():
        raise UsageError(f"{path}: no such file")
    with path.open("rb") as file:
        head = file.read(4)
    if head == b"PAR1":
        try:
            schema = pq.read_schema(path)
            _check_names(schema.names)
            texts = [
                field.name
                for field in schema
                if pa.types.is_string(field.type) and (encoded is None or field.name in encoded)
            ]
            table = pq.read_table(path, read_dictionary=texts)
        except (pa.ArrowException, OSError) as error:
            raise OpenChronicError(f"{path.name} cannot be read as Parquet") from error
        return Microdata(table.unify_dictionaries(), "parquet")
    if head.startswith(_COMPRESSED) or head[:2] == b"PK":
        raise UsageError(f"{path.name} is compressed: decompress it first")
    encoding = sniff_encoding(path)
    try:
        separator = sniff_separator(path, encoding)
        with path.open(encoding=encoding, newline="") as file:
            names = next(csv.reader(file, delimiter=separator), [])
        _check_names(names)
        table = pacsv.read_csv(
            path,
            read_options=pacsv.ReadOptions(
                encoding="utf8" if encoding == "utf-8-sig" else encoding,
                column_names=names,
                skip_rows=1,
            ),
            parse_options=pacsv.ParseOptions(delimiter=separator, newlines_in_values=True),
            convert_options=pacsv.ConvertOptions(
                column_types=dict.fromkeys(names, _TEXT),
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
            ),
        )
    except (pa.ArrowException, UnicodeError, csv.Error) as error:
        # The engine's message quotes the line.
        found = re.search(r"Expected (\d+) columns, got (\d+)", str(error))
        what = (
            f"a line has {found[2]} fields where the header has {found[1]}"
            if found
            else "it is not a well-formed delimited text"
        )
        raise OpenChronicError(f"{path.name} cannot be read as CSV: {what}") from error
    return Microdata(table.unify_dictionaries(), "csv", separator)


def _check_names(names: Sequence[str]) -> None:
    if not names:
        raise OpenChronicError("the table has no column")
    if any(not name.strip() for name in names):
        raise OpenChronicError(
            f"column {[bool(n.strip()) for n in names].index(False) + 1} has no name; if it holds "
            "row numbers (pandas writes them so), leave it out, else name it"
        )
    folded = [name.casefold() for name in names]
    twice = sorted({name for name in names if folded.count(name.casefold()) > 1})
    if twice:
        raise OpenChronicError(f"columns {', '.join(twice)}: two columns of one name; rename one")


def encode(column: pa.ChunkedArray, name: str) -> tuple[NDArray[np.int64], list[str | None]]:
    """Turn a column into codes and the texts that they stand for.

    NULL, an empty text and NaN are one missing value, None. Whole numbers are written without a
    decimal point, whatever their type; dates as ISO 8601.

    Raises:
        OpenChronicError: the column is of a nested or binary type.
    """
    whole: Any = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(whole, pa.ChunkedArray):
        whole = whole.chunk(0) if whole.num_chunks else pa.array([], whole.type)
    if pa.types.is_nested(whole.type) or pa.types.is_binary(whole.type):
        raise OpenChronicError(f"column {name} is of type {whole.type}: give a text or a number")
    if not pa.types.is_dictionary(whole.type):
        whole = whole.dictionary_encode(null_encoding="encode")
    indices = whole.indices
    values = [_text(value) for value in whole.dictionary.to_pylist()]
    if indices.null_count:
        indices = pc.fill_null(indices, len(values))
        values.append(None)
    # One code a text: NULL and NaN, or a dictionary that repeats itself, are joined.
    position = {value: code for code, value in enumerate(dict.fromkeys(values))}
    joined = np.array([position[value] for value in values], dtype=np.int64)
    codes = np.asarray(indices.to_numpy(zero_copy_only=False))
    if len(position) != len(values):
        codes = joined[codes]
    return codes, list(position)


def _text(value: Any) -> str | None:
    if value is None or value == "" or value != value:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    if hasattr(value, "isoformat"):
        return str(value.isoformat(" ") if hasattr(value, "hour") else value.isoformat())
    return str(value)


def without_empty(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column with its empty texts and NaN as NULL, so that one value is one value."""
    if pa.types.is_floating(column.type):
        nan = pc.fill_null(pc.is_nan(column), False)
        return pc.if_else(nan, pa.scalar(None, column.type), column)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        empty = pc.fill_null(pc.equal(column, ""), False)
        return pc.if_else(empty, pa.scalar(None, column.type), column)
    if pa.types.is_dictionary(column.type):
        return pa.chunked_array([_without_empty_text(chunk) for chunk in column.chunks])
    return column


def _without_empty_text(chunk: pa.DictionaryArray) -> pa.DictionaryArray:
    texts = chunk.dictionary
    if not pa.types.is_string(texts.type):
        return chunk
    empty = pc.index(texts, "").as_py()
    if empty < 0:
        return chunk
    indices = pc.if_else(pc.equal(chunk.indices, empty), None, chunk.indices)
    return pa.DictionaryArray.from_arrays(indices.cast(chunk.indices.type), texts)


def texts_of(codes: NDArray[np.int64], labels: Sequence[str]) -> pa.Array:
    """Return a text column of labels by position, holding no label that is not used.

    The empty label is a missing value.
    """
    used = np.flatnonzero(np.bincount(codes, minlength=len(labels)))
    position = np.zeros(len(labels), dtype=np.int32)
    position[used] = np.arange(len(used))
    indices = position[codes]
    texts = [labels[code] for code in used.tolist()]
    mask = indices == texts.index("") if "" in texts else None
    if mask is not None:
        # The label must not stay in the dictionary either.
        empty = texts.index("")
        texts.pop(empty)
        indices = np.where(indices > empty, indices - 1, indices).astype(np.int32)
        indices[mask] = 0
    return pa.DictionaryArray.from_arrays(
        pa.array(indices, pa.int32(), mask=mask), pa.array(texts, pa.string())
    )


def take(column: pa.ChunkedArray, rows: NDArray[np.int64]) -> pa.ChunkedArray:
    """Return some rows of a column; a dictionary loses the values that they do not use."""
    taken = column.take(pa.array(rows))
    if not pa.types.is_dictionary(taken.type):
        return taken
    whole = taken.unify_dictionaries().combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        whole = whole.chunk(0)
    indices = whole.indices
    filled = np.asarray(pc.fill_null(indices, 0).to_numpy(zero_copy_only=False))
    valid = np.asarray(indices.is_valid().to_numpy(zero_copy_only=False))
    used = np.flatnonzero(np.bincount(filled[valid], minlength=len(whole.dictionary)))
    position = np.zeros(max(1, len(whole.dictionary)), dtype=np.int32)
    position[used] = np.arange(len(used))
    return pa.chunked_array(
        [
            pa.DictionaryArray.from_arrays(
                pa.array(position[filled], pa.int32(), mask=~valid),
                whole.dictionary.take(pa.array(used)),
            )
        ]
    )


def keyed_order(rows: int, key: bytes | None = None) -> NDArray[np.int64]:
    """Return a permutation that only the holder of the key can repeat or undo.

    Args:
        rows: how many.
        key: a secret; drawn and forgotten when not given.
    """
    stream = hashlib.shake_256(key or secrets.token_bytes(32)).digest(8 * rows)
    # 62 - bits of the stream and the position share one number; 32 bits or more keep the order
    # free of the positions.
    bits = max(1, rows.bit_length())
    drawn = (np.frombuffer(stream, dtype="<u8") >> np.uint64(2 + bits)).astype(np.int64)
    return stable_order(drawn, 1 << (62 - bits))


def write_table(table: pa.Table, path: Path, separator: str, *, from_text: bool) -> None:
    """Write a table as CSV (UTF-8, LF) or Parquet, by the suffix; no metadata.

    Args:
        table: the rows.
        path: a new file.
        separator: for CSV.
        from_text: the columns come from a text file: in Parquet, one whose texts are all whole
            numbers, decimals or ISO dates, written as such, becomes one.
    """
    if path.suffix.lower() in (".parquet", ".pq"):
        if from_text:
            table = pa.table({name: _typed(table[name]) for name in table.column_names})
        pq.write_table(table, path, compression="zstd", store_schema=False)
        return
    special = any(_is_special(table[name], separator) for name in table.column_names)
    with path.open("wb") as file:
        header = io.StringIO()
        csv.writer(header, delimiter=separator, lineterminator="\n").writerow(table.column_names)
        file.write(header.getvalue().encode())
        # Quotes cost time and change what was delivered: only where a value needs them.
        pacsv.write_csv(
            _decoded(table),
            file,
            pacsv.WriteOptions(
                include_header=False,
                delimiter=separator,
                quoting_style="needed" if special else "none",
            ),
        )


def _decoded(table: pa.Table) -> pa.Table:
    """Return a table whose dictionaries are plain texts and whose booleans are lower case."""
    arrays = [
        column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
        for column in table.columns
    ]
    return pa.Table.from_arrays(arrays, names=table.column_names)


def _is_special(column: pa.ChunkedArray, separator: str) -> bool:
    for chunk in column.chunks:
        texts = chunk.dictionary if pa.types.is_dictionary(chunk.type) else chunk
        if pa.types.is_string(texts.type) or pa.types.is_large_string(texts.type):
            pattern = "[" + re.escape(separator) + '"\r\n]'
            if pc.any(pc.match_substring_regex(texts, pattern)).as_py():
                return True
    return False


def _typed(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a text column as numbers or dates where that gives back the very same texts."""
    if not pa.types.is_dictionary(column.type) or column.num_chunks != 1:
        return column
    chunk = column.chunk(0)
    texts = chunk.dictionary
    for kind in (pa.int64(), pa.date32(), pa.float64()):
        try:
            values = texts.cast(kind)
            # Arrow writes 12.0 as 12; Python writes the shortest text that gives it back.
            same = (
                [repr(value) for value in values.to_pylist()] == texts.to_pylist()
                if pa.types.is_floating(kind)
                else values.cast(pa.string()).equals(texts)
            )
            if len(texts) and same:
                return pa.chunked_array([values.take(chunk.indices)])
        except pa.ArrowException:
            continue
    return column
