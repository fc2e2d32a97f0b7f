"""A delivery: a folder of files, which of them are in scope, and its identity.

The name of a file says its table and period: ``ER_PRS_F.csv``, ``ER_PRS_F_2019.csv.gz``,
``ER_PRS_F_201902.sas7bdat``, ``T_MCO19B.zip``, in any case and any sub-folder. ``delivery.json`` is
optional; the marker ``_SUCCESS`` matters to the sensor only.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from openchronic_assets.contracts import names
from openchronic_assets.errors import Refused, UsageError
from openchronic_assets.ingestion import formats

MANIFEST = "delivery.json"
COMPLETE = "_SUCCESS"
GENERATOR = "openchronic synth"


@dataclass(frozen=True)
class Manifest:
    """What the provider says of a delivery; every field may be missing."""

    date: str | None = None
    provider: str | None = None
    pseudonym_epoch: str | None = None
    checksums: dict[str, str] = field(default_factory=dict)
    accept_structure: bool = False
    generator: dict[str, Any] | None = None


@dataclass(frozen=True)
class DeliveredFile:
    """A file in scope. ``period`` is ``all``, ``2019`` or ``2019-02``; ``year`` the contract's."""

    path: Path
    source: str
    table: str
    period: str
    year: int | None
    year_source: str


@dataclass(frozen=True)
class Delivery:
    """A folder as delivered: the files under contract, the others, and the manifest."""

    folder: Path
    files: tuple[DeliveredFile, ...]
    out_of_scope: tuple[str, ...]
    manifest: Manifest

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.folder.name


def scan(folder: Path, year: int | None = None) -> Delivery:
    """Read a delivery folder, sub-folders too, without opening its data files.

    Args:
        folder: the delivery.
        year: the year of the files whose name has none.

    Raises:
        UsageError: there is no such folder.
        Refused: ``delivery.json`` cannot be read.
    """
    if not folder.is_dir():
        raise UsageError(
            f"{folder} is not a folder: name the folder that holds the delivered files"
        )
    files: list[DeliveredFile] = []
    others: list[str] = []
    for path in sorted(folder.rglob("*")):
        source = path.relative_to(folder).as_posix()
        if not path.is_file() or any(part.startswith(".") for part in Path(source).parts):
            continue
        if source in (MANIFEST, COMPLETE):
            continue
        found = recognise(path.name)
        if found is None:
            others.append(source)
            continue
        table, period, named_year = found
        if named_year is None and year is not None:
            files.append(DeliveredFile(path, source, table, str(year), year, "--year"))
        else:
            origin = "name" if named_year is not None else "inside"
            files.append(DeliveredFile(path, source, table, period, named_year, origin))
    longest = _longest(files)
    others += [each.source for each in files if each not in longest]
    return Delivery(folder, tuple(longest), tuple(sorted(others)), read_manifest(folder))


def _longest(files: list[DeliveredFile]) -> list[DeliveredFile]:
    """Return the files without those that another one of the delivery holds whole.

    Hospital tables are also delivered cumulated up to a month (``T_MCO19_06B``): beside a longer
    one of the same year, the shorter one would double its stays.
    """
    months = {
        each.source: names.cumulated_to(formats.stem(each.path.name) or "") or 13 for each in files
    }
    longest: dict[tuple[str, str], int] = {}
    for each in files:
        key = each.table, each.period
        longest[key] = max(longest.get(key, 0), months[each.source])
    return [each for each in files if months[each.source] == longest[each.table, each.period]]


def recognise(name: str) -> tuple[str, str, int | None] | None:
    """Return (table, period, year) of a file name, or None where it is not in scope."""
    base = formats.stem(name)
    return None if base is None else names.recognise(base)


def read_manifest(folder: Path) -> Manifest:
    """Return the delivery's manifest, empty where there is none.

    Raises:
        Refused: it is not a JSON object, or a field is not of its type.
    """
    path = folder / MANIFEST
    if not path.is_file():
        return Manifest()
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise Refused(
            f"{folder.name}/{MANIFEST} is not JSON: correct it, or remove it to go without"
        ) from error
    if not isinstance(document, dict):
        raise Refused(f"{folder.name}/{MANIFEST} is not a JSON object: correct it")
    types: dict[str, type] = {
        "date": str,
        "provider": str,
        "pseudonym_epoch": str,
        "checksums": dict,
        "accept_structure": bool,
        "generator": dict,
    }
    values: dict[str, Any] = {}
    for name, kind in types.items():
        value = document.get(name)
        if value is None:
            continue
        if not isinstance(value, kind):
            raise Refused(
                f"{folder.name}/{MANIFEST}: {name} is to be a JSON {kind.__name__}; correct it"
            )
        values[name] = value
    if "date" in values:
        try:
            values["date"] = datetime.date.fromisoformat(str(values["date"])[:10]).isoformat()
        except ValueError as error:
            raise Refused(
                f"{folder.name}/{MANIFEST}: date is to be written 2022-06-30; correct it"
            ) from error
    return Manifest(**values)


def delivery_id(delivery: Delivery, hashes: dict[str, str]) -> str:
    """Return the identity of a delivery: a hash of its content, the same wherever it lies."""
    digest = hashlib.sha256()
    for source in sorted(hashes):
        digest.update(f"{source}\t{hashes[source]}\n".encode())
    manifest = delivery.manifest
    digest.update(f"{manifest.date}\t{manifest.pseudonym_epoch}\n".encode())
    return digest.hexdigest()[:16]


def is_generated(delivery: Delivery, hashes: dict[str, str]) -> bool:
    """Whether a delivery comes whole from the project's own generator.

    Its marker counts only if the manifest's checksums cover every file in scope and hold: a real
    file laid beside generated ones takes the marker away.
    """
    generator = delivery.manifest.generator
    if not generator or generator.get("name") != GENERATOR:
        return False
    checksums = delivery.manifest.checksums
    return bool(hashes) and all(checksums.get(source) == value for source, value in hashes.items())
