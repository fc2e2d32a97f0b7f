"""A delivered file, whatever its form: a header, and its rows as blocks of numbered lines."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np

from openchronic_assets.ingestion import formats, lines
from openchronic_assets.ingestion.formats import Format, UnreadableFile
from openchronic_assets.ingestion.lines import BOM, Block

UTF_8, WINDOWS_1252 = "utf-8", "windows-1252"
# The bytes beyond ASCII that French text in Windows-1252 (or Latin-1) is made of: letters, and the
# signs that stand beside letters.
_LETTERS = "ÀÂÄÆÇÈÉÊËÎÏÔÖÙÛÜàâäæçèéêëîïôöùûüÿŒœŸ".encode("cp1252")
_SIGNS = "°ºª’‘".encode("cp1252")
_ASCII_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class Source:
    """Reads one file.

    Text that is not UTF-8 is read as Windows-1252 only on the evidence of the whole file: no line
    holds UTF-8 beyond ASCII, no byte order mark says UTF-8, and each byte beyond ASCII is a letter
    or sign of French beside a letter. Else a line that is not UTF-8 stays what it is, and is
    refused. So a flipped bit in a code is not taken for an accent, nor one line of another
    encoding for the encoding of all.

    Raises:
        UnreadableFile: at its making or while it is read: its bytes are not what they should be.
    """

    def __init__(self, path: Path):
        self.path = path
        self.encoding = UTF_8

    @cached_property
    def format(self) -> Format:
        """What the bytes of the file are."""
        return formats.sniff(self.path)

    def header(self) -> str | None:
        """Return the names of the columns as one line, or None for a file without any text."""
        if self.format.kind == "text":
            return lines.read_header(self.path, self.format)
        from openchronic_assets.ingestion import records

        return records.read_header(self.path, self.format)

    def blocks(self) -> Iterator[Block]:
        """Yield every line after the header; those of text that was not UTF-8 are made so."""
        if self.format.kind != "text":
            from openchronic_assets.ingestion import records

            yield from records.numbered(self.path, self.format)
            return
        settled = False
        for block in lines.numbered(self.path, self.format):
            if not settled and block.undecodable.any():
                # All lines before are ASCII, or the evidence is for UTF-8: none must be read again.
                settled = True
                self.encoding = self._encoding()
            if self.encoding == WINDOWS_1252 and not block.data.isascii():
                yield Block(block.first, block.data.decode("cp1252").encode(), block.flaw)
            else:
                yield block

    def is_empty(self) -> bool:
        """Whether it can be read and no line follows the header."""
        try:
            return next(self.blocks(), None) is None
        except UnreadableFile:
            return False

    def _encoding(self) -> str:
        """Read the whole file for what speaks for one encoding or the other."""
        if next(lines.pieces(self.path, self.format), b"").startswith(BOM):
            return UTF_8
        for block in lines.numbered(self.path, self.format):
            if block.data.isascii():
                continue
            if (block.beyond_ascii() & ~block.undecodable).any() or not _is_french(block.data):
                return UTF_8
        return WINDOWS_1252


def _is_french(data: bytes) -> bool:
    """Whether each byte beyond ASCII is a letter or sign of French beside a letter."""
    known = np.zeros(256, dtype=bool)
    letter = np.zeros(256, dtype=bool)
    letter[list(_LETTERS + _ASCII_LETTERS)] = True
    known[list(_LETTERS + _SIGNS)] = True
    codes = np.frombuffer(data, np.uint8)
    places = np.flatnonzero(codes > 127)
    before = letter[codes[np.maximum(places - 1, 0)]] & (places > 0)
    after = letter[codes[np.minimum(places + 1, len(codes) - 1)]] & (places < len(codes) - 1)
    return bool((known[codes[places]] & (before | after)).all())
