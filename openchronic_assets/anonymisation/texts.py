"""How a delimited text file is written: its encoding, its separator, its lines."""

from __future__ import annotations

import csv
from pathlib import Path

SEPARATORS = (";", ",", "\t", "|")

# Enough to see accents and a few lines; a file is never read whole for this.
_SAMPLE = 1 << 20


def sniff_encoding(path: Path) -> str:
    """Return ``utf-8-sig`` (UTF-8, with or without byte order mark), ``utf-16`` or ``cp1252``."""
    with path.open("rb") as file:
        sample = file.read(_SAMPLE)
        complete = not file.read(1)
    if sample[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    try:
        sample.decode("utf-8")
    except UnicodeDecodeError as error:
        # A character cut in two at the end of the sample says nothing.
        if complete or error.start < len(sample) - 4:
            return "cp1252"
    return "utf-8-sig"


def sniff_separator(path: Path, encoding: str) -> str:
    """Return the separator that cuts the first lines into most fields, the same number in each.

    A file with a single column has none of them; ``;`` is returned.
    """
    lines = []
    with path.open(encoding=encoding, newline="") as file:
        for line in file:
            lines.append(line)
            if len(lines) == 50:
                break
    best = (1, ";")
    for separator in SEPARATORS:
        widths = [len(row) for row in csv.reader(lines, delimiter=separator, strict=False) if row]
        if widths and min(widths) == max(widths) and widths[0] > best[0]:
            best = (widths[0], separator)
    if best[0] == 1 and lines:
        # Ragged or single: what the header is cut by, so that the reader can say what is wrong.
        counts = {each: len(next(csv.reader(lines[:1], delimiter=each))) for each in SEPARATORS}
        best = max((count, each) for each, count in counts.items())
        return best[1] if best[0] > 1 else ";"
    return best[1]


def read_lines(path: Path) -> list[list[str]]:
    """Read a whole (small) delimited file.

    Raises:
        OSError, UnicodeDecodeError, csv.Error: it cannot be read.
    """
    encoding = sniff_encoding(path)
    separator = sniff_separator(path, encoding)
    with path.open(encoding=encoding, newline="") as file:
        return [row for row in csv.reader(file, delimiter=separator, strict=True) if row]
