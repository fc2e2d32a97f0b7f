"""What a delivered file is, told by its bytes; its name only says what was meant.

Text may be plain, or compressed as gzip, zstd or a zip of one file; SAS (``.sas7bdat``) and Parquet
files hold typed rows. What is compressed is read as a stream and never unpacked to disk, so that no
name inside an archive is ever used as a path.
"""

from __future__ import annotations

import errno
import gzip
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import pyarrow as pa

# Suffixes of files in scope; ``ER_PRS_F_2019.csv.gz`` has two.
TEXT_SUFFIXES = (".csv", ".txt", ".tsv")
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd", ".zip": "zip"}
TYPED = {".sas7bdat": "sas7bdat", ".parquet": "parquet"}

_MAGIC = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
    b"PAR1": "parquet",
    bytes(12) + bytes.fromhex("c2ea8160b31411cfbd92080009c7318c181f1011"): "sas7bdat",
}
_HEAD = 4096
# Control characters that no text holds; NUL and others of them mark a damaged or foreign file.
_CONTROLS = bytes({*range(32)} - {7, 8, 9, 10, 11, 12, 13, 26, 27})
# ER_PRS_F compresses 14 times, one line repeated 340 times; deflate's limit is 1,032.
EXPANSION = 1000
EXPANSION_FLOOR = 1 << 30  # bytes below which any expansion is harmless

REMEDIES = {
    "truncated_gzip": "the gzip stream ends early: copy the file again",
    "truncated_zstd": "the zstd stream ends early or is damaged: copy the file again",
    "not_gzip": "the file is not the gzip that its name says, or it is damaged: copy it again",
    "not_zstd": "the file is not the zstd that its name says, or it is damaged: copy it again",
    "not_zip": "the file is not the zip that its name says, or it is damaged: copy it again",
    "not_sas7bdat": "the file is not the SAS table that its name says, or it is damaged: copy it "
    "again, or export it as CSV",
    "not_parquet": "the file is not the Parquet that its name says, or it is damaged: copy it "
    "again, or export it as CSV",
    "parquet_encoding": "its text is not the UTF-8 that Parquet asks for: copy it again, or export "
    "it as CSV in UTF-8",
    "sas7bdat_encoding": "its text is not in the encoding that it declares: export it as CSV in "
    "UTF-8",
    "nested_column": "a column holds lists or structures: flatten it, or export the table as CSV",
    "several_members": "the zip does not hold exactly one file: unzip it into the delivery, one "
    "file a table",
    "unsafe_member": "the zip names a file outside of itself: ask the provider for a clean archive",
    "encrypted": "the file is encrypted: decrypt it before delivery",
    "unknown_compression": "the zip uses a compression that cannot be read: unzip it into the "
    "delivery",
    "nested_archive": "a compressed file lies in a compressed file, or a table of SAS or Parquet "
    "does: unpack it into the delivery",
    "expands_too_much": f"it expands more than {EXPANSION:,} times: unpack it, look at it, and "
    "deliver it as it is if it is meant",
    "utf_16": "the file is text in UTF-16: export it in UTF-8",
    "not_text": "the file is not text in UTF-8: export it as CSV in UTF-8",
    "empty_file": "the file is empty: ask the provider for it",
    "changed_while_read": "the file changed while it was read: deliver it again once it is whole",
}


class UnreadableFile(Exception):
    """The bytes of a file cannot be read to their end.

    ``code`` is a key of ``REMEDIES`` and ``line`` the last line that was read.
    """

    def __init__(self, code: str, line: int = 0):
        super().__init__(code)
        self.code = code
        self.line = line


@dataclass(frozen=True)
class Format:
    """What the bytes of a file are: ``kind`` is ``text``, ``sas7bdat`` or ``parquet``.

    ``compression`` is ``gzip``, ``zstd``, ``zip`` or None; ``note`` says where name and bytes
    differ.
    """

    kind: str = "text"
    compression: str | None = None
    note: str | None = None


def stem(name: str) -> str | None:
    """Return a file name without the suffixes of its format, or None for a format not in scope."""
    lower = name.lower()
    for suffix in (*COMPRESSIONS, ""):
        if lower.endswith(suffix):
            inner = lower[: len(lower) - len(suffix)]
            for ending in (*TEXT_SUFFIXES, *TYPED):
                if inner.endswith(ending) and len(inner) > len(ending):
                    return name[: len(inner) - len(ending)]
            if suffix and inner and "." not in inner:
                return name[: len(inner)]
    return None


def sniff(path: Path) -> Format:
    """Tell what a file is by its first bytes.

    Raises:
        UnreadableFile: its name says a format, and its bytes are neither that nor text.
    """
    with path.open("rb") as handle:
        head = handle.read(_HEAD)
    found = _kind(head)
    said = next((COMPRESSIONS[each] for each in COMPRESSIONS if _ends(path, each)), None)
    said = said or next((TYPED[each] for each in TYPED if _ends(path, each)), None)
    if found is None and said and head and not _looks_like_text(head):
        raise UnreadableFile("encrypted" if head[:4] == b"PARE" else f"not_{said}")
    note = None
    if found != said:
        note = f"the file is {found or 'plain text'}, its name says {said or 'plain text'}"
    if found in TYPED.values():
        return Format(str(found), None, note)
    return Format("text", found, note)


def _ends(path: Path, suffix: str) -> bool:
    return path.name.lower().endswith(suffix)


def _kind(head: bytes) -> str | None:
    return next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), None)


def _looks_like_text(head: bytes) -> bool:
    return not head.translate(None, bytes(set(range(256)) - set(_CONTROLS)))


def pieces(path: Path, form: Format, size: int) -> Iterator[bytes]:
    """Yield the text of a file, decompressed, in pieces of about ``size`` bytes.

    Raises:
        UnreadableFile: what is compressed is damaged, encrypted, nested, or expands without
            measure.
    """
    compressed, expanded = path.stat().st_size, 0
    with _opened(path, form) as handle:
        while piece := _read(handle, size, form):
            if form.compression and not expanded and _kind(piece[:_HEAD]):
                raise UnreadableFile("nested_archive")
            expanded += len(piece)
            if form.compression:
                measure(compressed, expanded)
            yield piece


def measure(size: int, expanded: int) -> None:
    """See that a file of some size does not hold far more text than data can.

    Raises:
        UnreadableFile: it does.
    """
    if expanded > max(EXPANSION_FLOOR, EXPANSION * size):
        raise UnreadableFile("expands_too_much")


@contextmanager
def _opened(path: Path, form: Format) -> Iterator[IO[bytes]]:
    if form.compression == "gzip":
        with gzip.open(path, "rb") as stream:
            yield cast(IO[bytes], stream)
    elif form.compression == "zstd":
        with pa.CompressedInputStream(pa.OSFile(str(path)), "zstd") as zstd:
            yield zstd
    elif form.compression == "zip":
        with _zip(path) as archive, _open_member(archive) as member:
            yield member
    else:
        with path.open("rb") as handle:
            yield handle


def _read(handle: IO[bytes], size: int, form: Format) -> bytes:
    """Read on; what a damaged stream raises depends on its format."""
    if form.compression is None:
        return handle.read(size)
    if form.compression == "zip":
        with _shield_zip():
            return handle.read(size)
    try:
        return handle.read(size)
    except EOFError as error:
        raise UnreadableFile("truncated_gzip") from error
    except (zlib.error, pa.ArrowException) as error:
        raise UnreadableFile(f"not_{form.compression}") from error
    except OSError as error:
        if error.errno is not None:
            raise  # the disk's, not the stream's
        code = "truncated_zstd" if form.compression == "zstd" else f"not_{form.compression}"
        raise UnreadableFile(code) from error


@contextmanager
def _zip(path: Path) -> Iterator[zipfile.ZipFile]:
    with _shield_zip():
        archive = zipfile.ZipFile(path)
    with archive:
        yield archive


@contextmanager
def _shield_zip() -> Iterator[None]:
    """Turn what the library raises over damaged bytes, which may be much, into one error."""
    try:
        yield
    except NotImplementedError as error:
        raise UnreadableFile("unknown_compression") from error
    except Exception as error:
        # A place before the beginning of the file is the fault of its bytes, not of the disk.
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        raise UnreadableFile("not_zip") from error


def _open_member(archive: zipfile.ZipFile) -> IO[bytes]:
    """Open the one file of an archive; folders and what macOS adds are none."""
    members = [
        each
        for each in archive.infolist()
        if not each.is_dir()
        and not each.filename.startswith("__MACOSX/")
        and not each.filename.endswith(".DS_Store")
    ]
    if len(members) != 1:
        raise UnreadableFile("several_members")
    (member,) = members
    parts = re.split(r"[/\\]", member.filename)
    if ".." in parts or parts[0] == "" or re.match(r"[A-Za-z]:", member.filename):
        raise UnreadableFile("unsafe_member")
    if member.flag_bits & 0x1:
        raise UnreadableFile("encrypted")
    with _shield_zip():
        return archive.open(member)
