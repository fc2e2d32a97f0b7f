"""Writing a delivery: files under a hidden folder, renamed when the last one is complete."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import IO, Any, cast

import numpy as np
import pyarrow as pa
from pyarrow import csv as pa_csv

from openchronic_assets.contracts import Table, load
from openchronic_assets.errors import UsageError
from openchronic_assets.synthetic import dirt as dirt_of
from openchronic_assets.synthetic.text import Frame

_OPTIONS = pa_csv.WriteOptions(include_header=False, delimiter=";", quoting_style="none")


def file_name(table: str, year: int | None) -> str:
    """Return the portal's name of a table's file: a flux year, a discharge year, or none."""
    if year is None:
        return f"{table}.csv"
    if table.startswith("T_MCO"):
        return f"T_MCO{year % 100:02d}{table.removeprefix('T_MCOaa')}.csv"
    return f"{table}_{year}.csv.gz"


def as_table(frame: Frame, contract: Table) -> pa.Table:
    """Return the rows of a frame in the columns of a contract; what is not modelled is empty.

    A modelled column that the contract does not have in that year is left out.
    """
    empty = pa.nulls(frame.count, pa.string())
    return pa.table(
        [frame.columns.get(column.name, empty) for column in contract.columns],
        names=list(contract.names()),
    )


@dataclass
class FileTruth:
    """What one file holds: rows, planted bad rows, exact sums of the amounts of good rows."""

    table: str
    good: int = 0
    bad: int = 0
    sums: dict[str, int] = field(default_factory=dict)
    dirt: list[tuple[int, str, str]] = field(default_factory=list)

    def amounts(self) -> dict[str, str]:
        """Return the sums as decimals with two places."""
        return {name: str(Decimal(cents).scaleb(-2)) for name, cents in sorted(self.sums.items())}


class Delivery:
    """A delivery being written beside ``out``; nothing shows there before ``publish``."""

    def __init__(self, out: Path, truth: Path, last_year: int) -> None:
        self.out, self.truth = out, truth
        self.last_year = last_year
        for folder in (out, truth):
            if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
                raise UsageError(
                    f"{folder} exists already; name another folder or remove this one first"
                )
        self.work = out.parent / f".{out.name}.partial"
        self.truth_work = truth.parent / f".{truth.name}.partial"
        self.files: dict[str, FileTruth] = {}
        self._handles: dict[str, IO[bytes]] = {}
        self._raw: list[IO[bytes]] = []

    def __enter__(self) -> Delivery:
        """Clear what a killed run left, and begin."""
        for folder in (self.work, self.truth_work):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave nothing behind when something failed."""
        self._close()
        if kind is not None:
            for folder in (self.work, self.truth_work):
                shutil.rmtree(folder, ignore_errors=True)

    def _close(self) -> None:
        for handle in [*self._handles.values(), *self._raw]:
            handle.close()
        self._handles.clear()
        self._raw.clear()

    def contract(self, table: str, year: int | None) -> Table:
        """Return the contract of a file: its year's, the last one's for registers."""
        return load(table).for_year(self.last_year if year is None else year)

    def begin(self, table: str, year: int | None) -> None:
        """Open a file and write its header, so that it exists even without rows."""
        name = file_name(table, year)
        raw = (self.work / name).open("wb")
        handle: IO[bytes] = raw
        if name.endswith(".gz"):
            self._raw.append(raw)
            # No name and no time inside: the same rows are the same bytes.
            handle = cast(
                IO[bytes],
                gzip.GzipFile(filename="", mode="wb", compresslevel=4, fileobj=raw, mtime=0),
            )
        handle.write((";".join(self.contract(table, year).names()) + "\n").encode())
        self._handles[name] = handle
        self.files[name] = FileTruth(table)

    def write(
        self, frame: Frame, year: int | None, spoil: np.random.Generator | None, first: bool
    ) -> None:
        """Append the rows of a frame, then bad rows made from them if ``spoil`` is given."""
        if frame.count == 0:
            return
        name = file_name(frame.table, year)
        contract = self.contract(frame.table, year)
        rows = as_table(frame, contract)
        buffer = io.BytesIO()
        pa_csv.write_csv(rows, buffer, _OPTIONS)
        handle, known = self._handles[name], self.files[name]
        handle.write(buffer.getbuffer())
        known.good += frame.count
        present = set(contract.names())
        for column, cents in frame.amounts.items():
            if column in present:
                known.sums[column] = known.sums.get(column, 0) + int(cents.sum())
        if spoil is None:
            return
        for bad in dirt_of.bad_rows(spoil, contract, rows, first):
            handle.write(f"{bad.text}\n".encode())
            known.bad += 1
            known.dirt.append((1 + known.good + known.bad, bad.kind, bad.column))

    def checksums(self) -> dict[str, str]:
        """Close the files and return the SHA-256 of each."""
        self._close()
        found = {}
        for name in sorted(self.files):
            with (self.work / name).open("rb") as handle:
                found[name] = hashlib.file_digest(handle, "sha256").hexdigest()
        return found

    def publish(self, manifest: dict[str, Any]) -> None:
        """Write the manifest and the marker, then give both folders their names."""
        text = json.dumps(manifest, indent=2, ensure_ascii=False, sort_keys=True)
        (self.work / "delivery.json").write_text(text + "\n", encoding="utf-8")
        (self.work / "_SUCCESS").touch()
        for folder, target in ((self.truth_work, self.truth), (self.work, self.out)):
            if target.exists():
                target.rmdir()
            folder.rename(target)
