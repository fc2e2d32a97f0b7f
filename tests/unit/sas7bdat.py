"""A small writer of ``.sas7bdat`` files, for tests: 32 bits, little end first, not compressed.

No kept library writes the format. The offsets are those of the description that its readers share.
"""

from __future__ import annotations

import struct
from pathlib import Path

HEADER = 1024
PAGE = 1 << 16
ENCODINGS = {"utf-8": 20, "latin-1": 29}

Column = tuple[str, int, str]  # name, 0 for a number or the length of a text, format ("DATE")


def write(
    path: Path,
    columns: list[Column],
    rows: list[list[float | str | None]],
    encoding: str = "utf-8",
    declared: int | None = None,
) -> Path:
    """Write a table; ``declared`` rows, if more than there are, make it one that was cut."""
    head = bytearray(HEADER)
    head[12:32] = bytes.fromhex("c2ea8160b31411cfbd92080009c7318c181f1011")
    head[32:40] = b'"\x00\x32"\x00\x01\x00\x32'
    head[70] = ENCODINGS[encoding]
    head[92:100] = b"TABLE   "
    head[156:164] = b"DATA    "
    data = _data_pages(columns, rows, encoding)
    struct.pack_into("<III", head, 196, HEADER, PAGE, 1 + len(data))
    count = len(rows) if declared is None else declared
    path.write_bytes(bytes(head) + _meta_page(columns, count) + b"".join(data))
    return path


def _length(column: Column) -> int:
    return column[1] or 8


def _meta_page(columns: list[Column], rows: int) -> bytes:
    text = bytearray(36)
    places = []
    for name, _, form in columns:
        for word in (name, form):
            places.append((len(text), len(word)))
            text += word.encode().ljust(-(-len(word) // 4) * 4, b"\0")
    struct.pack_into("<H", text, 0, len(text))
    size = bytearray(480)
    size[:4] = b"\xf7" * 4
    struct.pack_into("<II", size, 20, sum(map(_length, columns)), rows)
    struct.pack_into("<II", size, 36, len(columns), 0)
    names = bytearray(b"\xff" * 4 + bytes(8))
    attributes = bytearray(b"\xfc\xff\xff\xff" + bytes(8))
    formats = []
    offset = 0
    for number, column in enumerate(columns):
        names += struct.pack("<HHHH", 0, *places[2 * number], 0)
        kind = 2 if column[1] else 1
        attributes += struct.pack("<IIHBB", offset, _length(column), 0, kind, 0)
        offset += _length(column)
        entry = bytearray(b"\xfe\xfb\xff\xff" + bytes(48))
        struct.pack_into("<HHH", entry, 34, 0, *places[2 * number + 1])
        formats.append(entry)
    subheaders = [
        size,
        b"\xf6" * 4 + struct.pack("<II", len(columns), 0),
        b"\xfd\xff\xff\xff" + bytes(text),
        names + bytes(8),
        attributes + bytes(8),
        *formats,
    ]
    page = bytearray(PAGE)
    struct.pack_into("<HHH", page, 16, 0, len(subheaders), len(subheaders))
    end = PAGE
    for number, each in enumerate(subheaders):
        end = (end - len(each)) // 4 * 4
        page[end : end + len(each)] = each
        struct.pack_into("<IIBB", page, 24 + 12 * number, end, len(each), 0, 0)
    assert 24 + 12 * len(subheaders) <= end, "too many columns for one page"
    return bytes(page)


def _data_pages(
    columns: list[Column], rows: list[list[float | str | None]], encoding: str
) -> list[bytes]:
    width = sum(map(_length, columns))
    a_page = (PAGE - 24) // width
    pages = []
    for start in range(0, len(rows), a_page):
        page = bytearray(PAGE)
        some = rows[start : start + a_page]
        struct.pack_into("<HHH", page, 16, 0x100, len(some), 0)
        place = 24
        for row in some:
            for column, value in zip(columns, row, strict=True):
                if column[1]:
                    text = str("" if value is None else value).encode(encoding)
                    page[place : place + column[1]] = text.ljust(column[1])[: column[1]]
                else:
                    missing = b"\x00\x00\x00\x00\x00\xfe\xff\xff"
                    page[place : place + 8] = (
                        missing if value is None else struct.pack("<d", float(value))
                    )
                place += _length(column)
        pages.append(bytes(page))
    return pages
