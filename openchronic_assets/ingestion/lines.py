"""A delivered text file as a stream of numbered lines, read once.

The reader knows nothing of columns. It numbers every line as an editor shows it and yields blocks
of whole lines; a block can tell which of its lines a CSV reader might see otherwise.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from openchronic_assets.ingestion import formats
from openchronic_assets.ingestion.formats import Format, UnreadableFile

BLOCK = 2 << 20  # what fits a processor's cache is cut into cells a third faster than 8 MiB
MAX_LINE = 16 << 20
CUT_LINE = 4096  # bytes kept of a longer one
BOM = b"\xef\xbb\xbf"
SCHEMA = pa.schema([("line", pa.int64()), ("text", pa.string()), ("flaw", pa.string())])


@dataclass(frozen=True)
class Block:
    """Some whole lines: the number of the first, and their bytes, each line with its line end.

    ``flaw`` is the reason for which none of them can be read, if there is one.
    """

    first: int
    data: bytes
    flaw: str | None = None

    @cached_property
    def ends(self) -> npt.NDArray[np.int32]:
        """Where each line ends, after its line feed."""
        return (np.flatnonzero(self._bytes == 10) + 1).astype(np.int32)

    @cached_property
    def _starts(self) -> npt.NDArray[np.int32]:
        return np.append(np.int32(0), self.ends[:-1])

    def __len__(self) -> int:
        return len(self.ends)

    @property
    def _bytes(self) -> npt.NDArray[np.uint8]:
        return np.frombuffer(self.data, np.uint8)

    def irregular(self) -> npt.NDArray[np.bool_]:
        """Tell each line that is blank or flawed, or holds a NUL or a lone carriage return."""
        if self.flaw or self.data.startswith(BOM):
            return np.ones(len(self), dtype=bool)
        found = self.undecodable.copy()
        found |= self.holding(b"\0")
        returns = self.data.count(b"\r")
        if returns and returns != self.data.count(b"\r\n"):
            followed = np.append(self._bytes[1:], 10) == 10
            self._mark(found, (self._bytes == 13) & ~followed)
        # A blank line begins with its end.
        found |= np.isin(self._bytes[self._starts], (10, 13))
        return found

    def holding(self, mark: bytes) -> npt.NDArray[np.bool_]:
        """Tell each line in which a byte stands."""
        found = np.zeros(len(self), dtype=bool)
        if mark in self.data:
            self._mark(found, self._bytes == mark[0])
        return found

    def beyond_ascii(self) -> npt.NDArray[np.bool_]:
        """Tell each line that holds a byte beyond ASCII."""
        found = np.zeros(len(self), dtype=bool)
        self._mark(found, self._bytes > 127)
        return found

    def only(self, chosen: npt.NDArray[np.int64]) -> bytes:
        """Return the bytes of some lines, given by their places in the block."""
        if len(chosen) == len(self):
            return self.data
        kept = np.zeros(len(self), dtype=bool)
        kept[chosen] = True
        # Runs of neighbours are copied as one.
        edges = np.flatnonzero(np.diff(kept, prepend=False, append=False))
        bounds = np.append(np.int32(0), self.ends)
        return b"".join(
            self.data[bounds[begin] : bounds[end]]
            for begin, end in zip(edges[::2], edges[1::2], strict=True)
        )

    def texts(self) -> pa.Array:
        """Return the lines as Arrow strings over the same bytes, which must be UTF-8."""
        offsets = pa.py_buffer(np.append(np.int32(0), self.ends))
        return pa.StringArray.from_buffers(len(self), offsets, pa.py_buffer(self.data))

    def batch(self, chosen: npt.NDArray[np.int64] | None = None) -> pa.RecordBatch:
        """Return (line, text, flaw) of all lines or of some.

        ``flaw`` is NULL for a line that can be read, else ``undecodable_byte`` or
        ``line_too_long`` (its text is then cut).
        """
        places = np.arange(len(self)) if chosen is None else chosen
        bad = self.undecodable[places]
        flaws = pa.array([self.flaw] * len(places), pa.string())
        if bad.any():
            flaws = pa.array(["undecodable_byte" if each else None for each in bad], pa.string())
        if len(places) == len(self) and not bad.any():
            text = self.texts()
        else:
            text = pa.array(
                [self._line(place).decode("utf-8", errors="replace") for place in places],
                pa.string(),
            )
        return pa.RecordBatch.from_arrays(
            [pa.array(self.first + places, pa.int64()), text, flaws], schema=SCHEMA
        )

    def _line(self, place: int) -> bytes:
        return self.data[self._starts[place] : self.ends[place]]

    def _mark(self, lines: npt.NDArray[np.bool_], where: npt.NDArray[np.bool_]) -> None:
        lines[np.searchsorted(self.ends, np.flatnonzero(where), side="right")] = True

    @cached_property
    def undecodable(self) -> npt.NDArray[np.bool_]:
        """Tell each line that is not UTF-8."""
        found = np.zeros(len(self), dtype=bool)
        if not _is_utf8(self.data):
            # Only lines with a byte beyond ASCII are looked at one by one.
            found = self.beyond_ascii()
            for place in np.flatnonzero(found):
                found[place] = not _is_utf8(self._line(int(place)))
        return found


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as delivered, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while block := handle.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def pieces(path: Path, form: Format) -> Iterator[bytes]:
    """Yield the decompressed bytes of a file.

    Raises:
        UnreadableFile: the compressed stream ends early or is not one.
    """
    lines = 0
    try:
        for piece in formats.pieces(path, form, BLOCK):
            lines += piece.count(b"\n")
            yield piece
    except UnreadableFile as error:
        raise UnreadableFile(error.code, lines) from error


def read_header(path: Path, form: Format | None = None) -> str | None:
    """Return the first line without its line end, or None for a file without any text.

    Raises:
        UnreadableFile: the file is not text, or not the gzip that its name says.
    """
    head = b""
    for piece in pieces(path, form or formats.sniff(path)):
        head += piece
        if b"\n" in head or len(head) > MAX_LINE:
            break
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UnreadableFile("utf_16")
    head = head.removeprefix(BOM).lstrip(b"\r\n")
    first = head.split(b"\n", 1)[0].rstrip(b"\r")
    if not first.strip():
        return None
    if b"\x00" in first:
        raise UnreadableFile("not_text")
    return first.decode("utf-8", errors="replace")


def numbered(path: Path, form: Format | None = None) -> Iterator[Block]:
    """Yield every line after the header, in blocks.

    Lines count from 1 at the header, as an editor shows them. Blank lines at the very end of a
    file are no lines.

    Raises:
        UnreadableFile: the compressed stream ends early.
    """
    number = 1
    rest = b""
    blanks = 0  # lines without content that were read since, and are lines if content follows
    header_seen = False
    long_line: bytes | None = None
    for piece in pieces(path, form or formats.sniff(path)):
        data = rest + piece
        if long_line is not None:
            end = data.find(b"\n")
            if end < 0:
                continue
            yield overlong(number, long_line)
            number += 1
            data = data[end + 1 :]
            long_line = None
        if not header_seen:
            data = data.removeprefix(BOM)
            stripped = data.lstrip(b"\r\n")
            end = stripped.find(b"\n")
            if end < 0:
                rest = data
                continue
            number += data[: len(data) - len(stripped)].count(b"\n") + 1
            data = stripped[end + 1 :]
            header_seen = True
        content = _end_of_content(data)
        if content:
            yield from _blank_lines(number, blanks)
            number += blanks
            blanks = 0
        # Keep the last line that has content, and what follows it, for the next round: only then
        # is it known whether blank lines end the file.
        cut = data.rfind(b"\n", 0, content) + 1
        rest = data[cut:]
        if cut:
            yield (whole := Block(number, data[:cut]))
            number += len(whole)
        if len(rest) > MAX_LINE:
            end = rest.find(b"\n") + 1
            if not end:
                long_line = rest[:CUT_LINE]
                rest = b""
                continue
            # Nothing but line ends for long: they are counted, not held.
            if content:
                yield Block(number, rest[:end])
                number += 1
            else:
                end = 0
            blanks += rest.count(b"\n", end)
            rest = rest[rest.rfind(b"\n") + 1 :]
    if long_line is not None:
        yield overlong(number, long_line)
    elif header_seen and (last := rest.rstrip(b"\r\n")):
        yield Block(number, last + b"\n")


def overlong(number: int, line: bytes) -> Block:
    """Return the beginning of a line of more than ``MAX_LINE`` bytes as a block that says so."""
    cut = line[:CUT_LINE].decode("utf-8", errors="ignore").replace("\n", " ")
    return Block(number, cut.encode() + b"\n", "line_too_long")


def _end_of_content(data: bytes) -> int:
    """Return where the line ends at the end of some bytes begin, without a copy of the bytes."""
    end = len(data)
    while end:
        piece = data[max(0, end - (1 << 16)) : end]
        if kept := piece.rstrip(b"\r\n"):
            return end - len(piece) + len(kept)
        end -= len(piece)
    return 0


def _blank_lines(number: int, count: int) -> Iterator[Block]:
    for start in range(0, count, BLOCK):
        yield Block(number + start, b"\n" * min(BLOCK, count - start))


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
