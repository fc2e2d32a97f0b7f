"""A delivered text file as a stream of numbered lines, read once.

The reader knows nothing of columns. It decompresses, checks the encoding, numbers every line and
hands Arrow batches to DuckDB, which splits and casts them. Measured on one million lines of 60
columns: a fifth faster than ``read_csv`` with ``row_number()``, which serialises the scan, and
without the holes of a CSV dialect (mixed line ends, NUL bytes, unterminated quotes).
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

import numpy as np
import pyarrow as pa

BLOCK = 8 << 20
MAX_LINE = 16 << 20
SCHEMA = pa.schema([("line", pa.int64()), ("text", pa.string()), ("flaw", pa.string())])


class UnreadableFile(Exception):
    """The bytes of a file cannot be read to their end.

    ``code`` is the reason (``truncated_gzip``, ``not_gzip``, ``not_text``) and ``line`` the last
    line that was read.
    """

    def __init__(self, code: str, line: int):
        super().__init__(code)
        self.code = code
        self.line = line


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as delivered, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while block := handle.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def open_text(path: Path) -> IO[bytes]:
    """Open a delivered file, decompressed if its name ends in ``.gz``."""
    if path.name.lower().endswith(".gz"):
        return cast(IO[bytes], gzip.open(path, "rb"))
    return path.open("rb")


def blocks(path: Path) -> Iterator[bytes]:
    """Yield the decompressed bytes of a file.

    Raises:
        UnreadableFile: the compressed stream ends early or is not one.
    """
    lines = 0
    try:
        with open_text(path) as handle:
            while block := handle.read(BLOCK):
                lines += block.count(b"\n")
                yield block
    except EOFError as error:
        raise UnreadableFile("truncated_gzip", lines) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise UnreadableFile("not_gzip", lines) from error


def read_header(path: Path) -> str | None:
    """Return the first line without its line end, or None for a file without any text.

    Raises:
        UnreadableFile: the file is not text, or not the gzip that its name says.
    """
    head = b""
    for block in blocks(path):
        head += block
        if b"\n" in head or len(head) > MAX_LINE:
            break
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UnreadableFile("not_text", 0)
    head = head.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n")
    first = head.split(b"\n", 1)[0].rstrip(b"\r")
    if not first.strip():
        return None
    if b"\x00" in first:
        raise UnreadableFile("not_text", 0)
    return first.decode("utf-8", errors="replace")


def batches(path: Path) -> Iterator[pa.RecordBatch]:
    """Yield (line, text, flaw) batches of every line after the header.

    ``line`` counts from 1 at the header, as an editor shows it. ``flaw`` is NULL for a line that
    can be read, else ``undecodable_byte`` or ``line_too_long`` (its text is then cut). Blank lines
    at the very end of a file are no lines.

    Raises:
        UnreadableFile: the compressed stream ends early.
    """
    number = 1
    rest = b""
    header_seen = False
    overlong: bytes | None = None
    for block in blocks(path):
        data = rest + block
        if overlong is not None:
            end = data.find(b"\n")
            if end < 0:
                continue
            yield _batch(overlong, number, flaw="line_too_long")
            number += 1
            data = data[end + 1 :]
            overlong = None
        if not header_seen:
            data = data.removeprefix(b"\xef\xbb\xbf")
            stripped = data.lstrip(b"\r\n")
            end = stripped.find(b"\n")
            if end < 0:
                rest = data
                continue
            number += data[: len(data) - len(stripped)].count(b"\n") + 1
            data = stripped[end + 1 :]
            header_seen = True
        # Keep the last line that has content, and what follows it, for the next round: only then
        # is it known whether blank lines end the file.
        cut = data.rfind(b"\n", 0, len(data.rstrip(b"\r\n"))) + 1
        rest = data[cut:]
        if cut:
            yield _batch(data[:cut], number)
            number += data.count(b"\n", 0, cut)
        if len(rest) > MAX_LINE and b"\n" not in rest:
            overlong = rest[:4096].decode("utf-8", errors="ignore").encode() + b"\n"
            rest = b""
    if overlong is not None:
        yield _batch(overlong, number, flaw="line_too_long")
    elif header_seen and (last := rest.rstrip(b"\r\n")):
        yield _batch(last + b"\n", number)


def _batch(data: bytes, first: int, flaw: str | None = None) -> pa.RecordBatch:
    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == 10) + 1
    count = len(ends)
    numbers = pa.array(np.arange(first, first + count, dtype=np.int64))
    flaws = pa.array([flaw] * count, pa.string())
    if _is_utf8(data):
        offsets = np.concatenate((np.zeros(1, np.int32), ends.astype(np.int32)))
        text = pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(data))
    else:
        lines = data.split(b"\n")[:count]
        good = [_is_utf8(line) for line in lines]
        text = pa.array([line.decode("utf-8", errors="replace") for line in lines], pa.string())
        flaws = pa.array([None if each else "undecodable_byte" for each in good], pa.string())
    return pa.RecordBatch.from_arrays([numbers, text, flaws], schema=SCHEMA)


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
