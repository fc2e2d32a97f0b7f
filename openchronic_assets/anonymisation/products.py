"""The outputs beside the public patient table: a set of linked tables and a private cube.

Each is about other people: the patient table shows who has a long-term disease, these show the
people without one, one half (by a hash of the pseudonym) in the tables and the other in the cube.
Nobody is in two of them, so no output can be held against another.
"""

from __future__ import annotations

import csv
import hashlib
import itertools
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow.parquet as pq

from openchronic_assets import duck
from openchronic_assets.anonymisation.dp import Bounds, release_cube
from openchronic_assets.anonymisation.gate import CubeRequest, TableRequest
from openchronic_assets.anonymisation.hierarchies import Hierarchy, builtin
from openchronic_assets.anonymisation.ledger import CAP, Ledger
from openchronic_assets.anonymisation.suppression import protect
from openchronic_assets.anonymisation.tables import (
    THRESHOLD,
    Dimension,
    HierarchicalTable,
    unsafe_cells,
)
from openchronic_assets.errors import OpenChronicError, Refused

RHO = 0.1
EVENTS_PER_PERSON = 10
DIMENSIONS = ("department", "age_group", "sex")
TABLES = {
    "people_by_department.csv": {"department": 0, "age_group": 2, "sex": 0},
    "people_by_region.csv": {"department": 1, "age_group": 1, "sex": 0},
}
CUBE = "care_events_cube.csv"
_AGE_BAND = 2


@dataclass(frozen=True)
class Product:
    """One output, written.

    Attributes:
        kind: ``tables`` or ``cube``.
        files: names of its files.
        request: what the gate is asked.
        entry: its figures, for the reports.
        population: file of the vault that names (keyed) who is in it.
    """

    kind: str
    files: tuple[str, ...]
    request: TableRequest | CubeRequest
    entry: dict[str, Any]
    population: Path


def hierarchy_file(name: str) -> str:
    """Return the path of a hierarchy of the package."""
    return str(Path(str(resources.files(__package__))) / "hierarchies" / f"{name}.csv")


def write_people(
    person_files: Sequence[Path],
    patient_files: Sequence[Path],
    year: int,
    half: int,
    target: Path,
    key: bytes,
) -> int:
    """Write the people of one half: keyed hash, pseudonym, department, age group, sex.

    They are alive at the end of the year, of known department, age and sex, and no patients.

    Raises:
        OpenChronicError: the mart ``person`` lacks a column.
    """
    listed = [h for h in builtin("department").leaves if h not in ("inconnu", "autre")]
    salt = hashlib.sha256(key).hexdigest()
    try:
        with duck.connect(memory_limit="2GB", threads="2") as connection:
            connection.execute(
                f"""
                copy (
                    select
                        sha256(concat('{salt}', person_id)) as person,
                        person_id,
                        trim(cast(department as varchar)) as department,
                        case
                            when {year} - birth_year >= 95 then '95+ ans'
                            else printf(
                                '%02d-%02d ans',
                                ({year} - birth_year) // 5 * 5,
                                ({year} - birth_year) // 5 * 5 + 4
                            )
                        end as age_group,
                        trim(cast(sex as varchar)) as sex
                    from read_parquet($people, union_by_name = true)
                    where
                        person_id is not null
                        and (death_date is null or death_date > date '{year}-12-31')
                        and birth_year <= {year}
                        and trim(cast(sex as varchar)) in ('1', '2')
                        and list_contains($listed, trim(cast(department as varchar)))
                        and (ascii(substr(md5(cast(person_id as varchar)), 1, 1)) % 2) = {half}
                        and person_id not in (
                            select person_id from read_parquet($patients, union_by_name = true)
                            where person_id is not null
                        )
                    order by person
                ) to '{str(target).replace("'", "''")}' (format parquet)
                """,
                {
                    "people": [str(f) for f in person_files],
                    "patients": [str(f) for f in patient_files],
                    "listed": listed,
                },
            )
            found = connection.execute(
                "select count(*) from read_parquet($f)", {"f": str(target)}
            ).fetchone()
    except duckdb.Error as error:
        raise OpenChronicError(
            f"the mart person cannot give the tables their people ({type(error).__name__})"
        ) from None
    return int(found[0]) if found else 0


def write_population(people: Path, target: Path) -> None:
    """Keep who is in an output, by keyed hash only."""
    pq.write_table(pq.read_table(people, columns=["person"]), target)


def make_tables(folder: Path, people: Path, year: int) -> Product:
    """Write the linked tables of one half of the people without a long-term disease.

    Raises:
        Refused: they cannot be protected.
    """
    with duck.connect() as connection:
        rows = connection.execute(
            f"select {', '.join(DIMENSIONS)}, count(*)::bigint from read_parquet($f) group by all",
            {"f": str(people)},
        ).fetchall()
    if not rows:
        raise Refused("nobody is left for the tables")
    hierarchies = [_restricted(builtin(n), {r[d] for r in rows}) for d, n in enumerate(DIMENSIONS)]
    leaves = np.zeros([len(h.leaves) for h in hierarchies], dtype=np.int64)
    for row in rows:
        leaves[tuple(h.leaves.index(v) for h, v in zip(hierarchies, row[:-1], strict=True))] = row[
            -1
        ]
    table = HierarchicalTable.of_leaves([Dimension.of(h) for h in hierarchies], leaves)
    listed = {
        file: [
            [*h.values[levels[h.name]], "*"] if levels[h.name] < h.height - 1 else ["*"]
            for h in hierarchies
        ]
        for file, levels in TABLES.items()
    }
    printed = np.zeros(table.counts.shape, dtype=bool)
    for values in listed.values():
        at = [[d.index[v] for v in each] for d, each in zip(table.dimensions, values, strict=True)]
        printed[np.ix_(*at)] = True
    unsafe = unsafe_cells(table) & printed
    found = protect(table, unsafe, free=~printed)
    shown = hidden = 0
    for file, values in listed.items():
        with (folder / file).open("w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out, lineterminator="\n")
            writer.writerow([*DIMENSIONS, "people"])
            for cell in itertools.product(*values):
                place = tuple(d.index[v] for d, v in zip(table.dimensions, cell, strict=True))
                blank = bool(found.hidden[place])
                shown, hidden = shown + (not blank), hidden + blank
                writer.writerow([*cell, "" if blank else int(table.counts[place])])
    request = TableRequest(
        str(folder),
        {
            file: {
                "population": f"people without ALD, first half, {year}",
                "measure": "people",
                "reference": str(year),
                "dimensions": {name: hierarchy_file(name) for name in DIMENSIONS},
                "count": "people",
                "statistics": {},
            }
            for file in TABLES
        },
    )
    entry = {
        "kind": "tables",
        "files": list(TABLES),
        "people": int(leaves.sum()),
        "threshold": THRESHOLD,
        "cells": shown + hidden,
        "shown": shown,
        "suppressed": hidden,
        "primary": int((unsafe & printed).sum()),
        "narrowest_width": THRESHOLD,
    }
    return Product("tables", tuple(TABLES), request, entry, people)


def _restricted(hierarchy: Hierarchy, leaves: set[str]) -> Hierarchy:
    return Hierarchy(
        hierarchy.name,
        hierarchy.level_names,
        tuple(row for row in hierarchy.rows if row[0] in leaves),
    )


def make_cube(
    folder: Path,
    people: Path,
    event_files: Sequence[Path],
    year: int,
    release: str,
    vault: Path,
    key: bytes,
) -> Product:
    """Write the private cube of the care events of the other half.

    A release that was drawn before is served again from the vault, never drawn twice for one
    reservation. A reservation whose cube a kill has lost stays spent: noise is then drawn under a
    reservation of its own, ``<release>.2``, as long as the budget allows.

    Raises:
        Refused: the budget does not allow it, or a cube that was drawn was changed or removed.
    """
    bands = builtin("age_group")
    keys = {
        "department": [v for v in builtin("department").leaves if v not in ("inconnu", "autre")],
        "age_group": [v for v in bands.values[_AGE_BAND] if v[0].isdigit()],
        "sex": ["1", "2"],
    }
    population = "people without ALD, second half"
    ledger = Ledger(vault / "budget.jsonl", CAP)
    name, kept = _reservation(ledger, release, vault / "cubes")
    target = folder / CUBE
    before = ledger.release(name)
    bounds = Bounds(1, EVENTS_PER_PERSON)
    if before is None:
        events = people.with_name("events.parquet")
        _events(people, event_files, events, bands)
        try:
            cube = release_cube(
                ledger, name, population, [events], "person_id", keys, bounds, RHO, key,
                temporary=people.parent,
            )  # fmt: skip
        finally:
            events.unlink(missing_ok=True)
        kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_cube(kept, cube.keys, cube.counts)
        ledger.commit(name, hashlib.sha256(kept.read_bytes()).hexdigest())
        before = ledger.release(name) or {}
    elif before.get("output_sha256") != (
        hashlib.sha256(kept.read_bytes()).hexdigest() if kept.is_file() else None
    ):
        raise Refused(
            f"the cube {name} was drawn and is not in the vault as it was: somebody changed or "
            "removed it; restore vault/cubes from its backup, noise is never drawn twice"
        )
    target.write_bytes(kept.read_bytes())
    request = CubeRequest(
        str(folder), CUBE, keys, str(ledger.path), name, population,
        float(before["rho"]), float(before["delta"]), float(before["epsilon"]),
    )  # fmt: skip
    entry = {
        "kind": "cube",
        "files": [CUBE],
        "unit": "person",
        "cells": int(np.prod([len(v) for v in keys.values()])),
        "bounds": before["bounds"],
        "rho": before["rho"],
        "delta": before["delta"],
        "epsilon": before["epsilon"],
        "noise_scale": bounds.scale(float(before["rho"])),
        "claim": "epsilon is claimed for this cube alone",
        "year": year,
    }
    return Product("cube", (CUBE,), request, entry, people)


def _reservation(ledger: Ledger, release: str, folder: Path) -> tuple[str, Path]:
    """Return the reservation under which a release is drawn or was drawn, and its cube's place.

    One that was made and never committed is what a kill left. Its noise may have been drawn, so
    that its budget stays spent; its cube, whole if it is there, has been nowhere but in the vault.
    """
    for turn in itertools.count(1):
        name = release if turn == 1 else f"{release}.{turn}"
        kept = folder / f"{name}.csv"
        before = ledger.release(name)
        if before is not None and "output_sha256" not in before and kept.is_file():
            ledger.commit(name, hashlib.sha256(kept.read_bytes()).hexdigest())
        elif before is not None and "output_sha256" not in before:
            continue
        return name, kept
    raise AssertionError("counting does not end")


def _events(people: Path, event_files: Sequence[Path], target: Path, bands: Hierarchy) -> None:
    """Write one row a care event of the people: pseudonym and public dimensions."""
    lines = [(row[0], row[_AGE_BAND]) for row in bands.rows]
    try:
        with duck.connect(memory_limit="2GB", threads="2") as connection:
            connection.execute("create temp table band (leaf varchar, wide varchar)")
            connection.executemany("insert into band values (?, ?)", lines)
            connection.execute(
                f"""
                copy (
                    select
                        people.person_id,
                        people.department,
                        band.wide as age_group,
                        people.sex
                    from read_parquet($events, union_by_name = true) as event
                    join read_parquet($people) as people using (person_id)
                    join band on band.leaf = people.age_group
                ) to '{str(target).replace("'", "''")}' (format parquet)
                """,
                {"events": [str(f) for f in event_files], "people": str(people)},
            )
    except duckdb.Error as error:
        raise OpenChronicError(
            f"the mart care_event cannot be counted ({type(error).__name__})"
        ) from None


def _write_cube(path: Path, keys: Mapping[str, Sequence[str]], counts: Any) -> None:
    """Write every cell and every margin; margins are sums of the noisy cells."""
    lists = [[*values, "*"] for values in keys.values()]
    whole = counts
    for axis in range(counts.ndim):
        whole = np.concatenate([whole, whole.sum(axis=axis, keepdims=True)], axis=axis)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    with aside.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow([*keys, "count"])
        for position in itertools.product(*(range(len(values)) for values in lists)):
            labels = [values[p] for values, p in zip(lists, position, strict=True)]
            writer.writerow([*labels, int(whole[position])])
        out.flush()
        os.fsync(out.fileno())
    aside.replace(path)


def declare(request: TableRequest | CubeRequest) -> dict[str, Any]:
    """Return a request as a report keeps it: no path, and the order of columns in lists."""
    if isinstance(request, TableRequest):
        return {
            "tables": [
                {**body, "file": name, "dimensions": list(body["dimensions"])}
                for name, body in request.tables.items()
            ]
        }
    body = asdict(request)
    keys = [[name, values] for name, values in request.keys.items()]
    return {k: v for k, v in body.items() if k not in ("folder", "ledger")} | {"keys": keys}


def undeclare(body: Mapping[str, Any], folder: Path, vault: Path) -> TableRequest | CubeRequest:
    """Return the request that a report keeps, for files in ``folder``."""
    if "tables" in body:
        tables = {}
        for each in body["tables"]:
            rest = {key: value for key, value in each.items() if key != "file"}
            dimensions = {name: hierarchy_file(name) for name in each["dimensions"]}
            tables[each["file"]] = {**rest, "dimensions": dimensions}
        return TableRequest(str(folder), tables)
    return CubeRequest(
        **{
            **body,
            "folder": str(folder),
            "ledger": str(vault / "budget.jsonl"),
            "keys": {name: list(values) for name, values in body["keys"]},
        }
    )


def write_report(folder: Path, product: Product, checks: Sequence[Mapping[str, Any]]) -> str:
    """Write the report of one output and return its name."""
    name = f"{product.kind}.report.json"
    body = {**product.entry, "checks": list(checks)}
    (folder / name).write_text(
        json.dumps(body, indent=2, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8"
    )
    return name
