"""The public patient table: who has which long-term disease, where, at which age.

Four columns, all quasi-identifiers, no other: ``sex``, ``age_group``, ``department``, ``ald``.
There is no sensitive column besides them, so k-anonymity is the whole statement: each published
row is shared by at least k rows.

Population: patients of the mart who are alive on 31 December of the reference year, born by then,
and whose first long-term disease (ALD) had begun by then. The dead are left out: an exit by death
is among the most identifying facts of hospital data (Blum, hearing on medical data bases), and
their age on a date that they did not reach would be a fiction. Someone whose death is known
without its date counts as dead.

Missing values: NULL (or blank) is published as the explicit code ``inconnu``, a leaf of its own.
It counts for k like any other value: people of unknown sex stand in classes of k people of
unknown sex, or are generalised with the others. It is never taken as a wildcard.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from openchronic_assets import duck
from openchronic_assets.anonymisation.cube import COUNT, Cube, cube_from_arrow
from openchronic_assets.anonymisation.hierarchies import Hierarchy, builtin
from openchronic_assets.anonymisation.local_recoding import Recoding, recode
from openchronic_assets.anonymisation.metrics import Metrics, measure_classes
from openchronic_assets.errors import OpenChronicError

K_PUBLIC = 12
"""Smallest class of a public file.

1 / 12 = 0.083 is the first risk not above 0.09, the threshold of EMA policy 0070 for public
release (EMA/90915/2016); 1 / 11 = 0.0909 is above it.
"""

K_INTERNAL = 11
"""Smallest class of a file that stays inside: no cell below 11 (CASD output rules, PMSI)."""

SUPPRESSED = 0.02
"""Largest share of people removed from a public file."""

COLUMNS = ("sex", "age_group", "department", "ald")
UNKNOWN = "inconnu"
ELSEWHERE = "autre"

# Overseas communities and abroad: known places that are none of the 101 departments.
_ELSEWHERE_CODES = ("975", "977", "978", "984", "986", "987", "988", "989", "99", "099", "999")
_UNKNOWN_SEX = ("0", "9")

DEFAULT_WEIGHTS: Mapping[str, float] = {
    "sex": 30.0,
    "age_group": 1.0,
    "department": 30.0,
    "ald": 30.0,
}
"""Age gives way first: readers ask for the number of patients by disease, department and sex.

With 30, a node that drops age comes before any node that drops the disease, the department or
the sex of the same people, so every cell of at least k patients is shown exactly. Measured on
simulated patients (tests): 20 % of the cells exactly and 45-55 % with their family, at k = 12.
"""


@dataclass(frozen=True)
class PatientTable:
    """A recoded patient table, ready to be written.

    Attributes:
        recoding: published tuples and counts.
        metrics: figures of the published table.
        cells: ``total`` = distinct (ald, department, sex) of the patients at the finest level;
            ``shown_exact`` = those with a published row of that department, sex and ALD;
            ``shown_family`` = those with a published row of that department, sex and family;
            ``shown`` = either; ``share`` = shown / total; ``share_exact`` = shown_exact / total.
        levels: for each column, published rows by level name.
        population: rows read and why some are not in the population.
        bands: for each department x sex x 20 years of age, people and people removed.
        tried: figures of the table at each k that was tried.
    """

    recoding: Recoding
    metrics: Metrics
    cells: dict[str, float]
    levels: dict[str, dict[str, int]]
    population: dict[str, int]
    bands: dict[str, tuple[int, int]]
    tried: dict[int, Metrics]


def recode_patients(
    files: Sequence[Path],
    reference_year: int,
    k: int = K_PUBLIC,
    weights: Mapping[str, float] | None = None,
    evidence: Path | None = None,
    key: bytes = b"",
    others: Sequence[int] = (),
) -> PatientTable:
    """Build the public table from the mart ``patient``.

    More than 2 % removed would be a table of something else: then everybody is kept, ``*`` where
    it must be.

    Args:
        files: Parquet files of the mart; needs ``person_id, sex, birth_year, department,
            ald_main``, uses ``is_dead``, ``death_date`` and ``first_ald_start`` where present.
        reference_year: last care year; ages are on its 31 December.
        k: smallest class.
        weights: attribute weights; :data:`DEFAULT_WEIGHTS` when not given.
        evidence: folder for what the gate judges by: ``people.parquet`` (finest values, one row a
            person) and ``classes.parquet`` (keyed hash of the person, number of the published
            tuple). Neither holds a pseudonym.
        key: of the hash.
        others: smallest classes to compare with.

    Raises:
        OpenChronicError: a column is missing, a person appears twice or without identifier, or a
            column holds values outside its hierarchy.
    """
    hierarchies = [builtin(name) for name in COLUMNS]
    cube, population = patient_cube(files, reference_year, hierarchies, evidence, key)
    used = DEFAULT_WEIGHTS if weights is None else weights
    recodings = {each: _recoded(cube, each, used) for each in {*others, k}}
    recoding = recodings[k]
    if evidence is not None:
        _write_classes(cube, recoding, evidence)
    tried = {
        each: measure_classes(
            dict(zip(found.tuples, found.counts.tolist(), strict=True)),
            hierarchies,
            found.suppressed,
        )
        for each, found in recodings.items()
    }
    return PatientTable(
        recoding=recoding,
        metrics=tried[k],
        cells=count_cells(cube, recoding),
        levels=_count_levels(recoding, hierarchies),
        population=population,
        bands=_count_bands(cube, recoding),
        tried=tried,
    )


def _recoded(cube: Cube, k: int, weights: Mapping[str, float]) -> Recoding:
    recoding = recode(cube, k, weights)
    if recoding.suppressed > max(SUPPRESSED * cube.records, k - 1):
        recoding = recode(cube, k, weights, keep_all=True)
    return recoding


def patient_cube(
    files: Sequence[Path],
    reference_year: int,
    hierarchies: Sequence[Hierarchy],
    evidence: Path | None = None,
    key: bytes = b"",
) -> tuple[Cube, dict[str, int]]:
    """Read the mart and return the base cube of the population with the counts of the left-out.

    Raises:
        OpenChronicError: see :func:`recode_patients`.
    """
    if not files:
        raise OpenChronicError(
            "the mart patient has no file; build it first with `openchronic run --years A-B`"
        )
    names = {"files": [str(file) for file in files]}
    source = "read_parquet($files, union_by_name = true)"
    with duck.connect(memory_limit="2GB", threads="2") as connection:
        found = connection.execute(f"describe select * from {source}", names).fetchall()
        columns = {line[0] for line in found}
        missing = [
            name
            for name in ("person_id", "sex", "birth_year", "department", "ald_main")
            if name not in columns
        ]
        if missing:
            raise OpenChronicError(f"the mart patient lacks the columns {missing}; rebuild it")
        if "has_ald" in columns:
            # Who is a patient for a disease alone has no ALD to publish.
            source = f"(select * from {source} where has_ald) as holder"
        last_day = f"date '{int(reference_year):04d}-12-31'"
        dead = "coalesce(is_dead, false)" if "is_dead" in columns else "false"
        if "death_date" in columns:
            dead = f"case when death_date is null then {dead} else death_date <= {last_day} end"
        future = (
            f"coalesce(first_ald_start > {last_day}, false)"
            if "first_ald_start" in columns
            else "false"
        )
        state = f"""
            case
                when {dead} then 'dead'
                when coalesce(birth_year > {int(reference_year)}, false) then 'not_born'
                when {future} then 'not_yet_patient'
                else 'kept'
            end
        """
        # k counts rows, and a row must be a person: a duplicate would count twice for k.
        rows, persons = connection.execute(
            f"select count(*), count(distinct person_id) from {source}", names
        ).fetchone() or (0, 0)
        if rows != persons:
            raise OpenChronicError(
                f"the mart patient has {rows} rows for {persons} identified persons; each person "
                "must have one row and an identifier, or k would count some people twice"
            )
        population = {"read": int(rows)}
        for name in ("dead", "not_born", "not_yet_patient", "kept"):
            population[name] = 0
        for name, count in connection.execute(
            f"select {state} as state, count(*) from {source} group by all", names
        ).fetchall():
            population[str(name)] = int(count)
        salt = hashlib.sha256(key).hexdigest()
        connection.execute(
            f"""
            create temp table person as
            with leaf as (
                select
                    sha256(concat('{salt}', person_id)) as person,
                    coalesce(nullif(trim(cast(sex as varchar)), ''), '{UNKNOWN}') as sex,
                    {int(reference_year)} - cast(birth_year as integer) as age,
                    coalesce(
                        nullif(trim(cast(department as varchar)), ''), '{UNKNOWN}'
                    ) as department,
                    coalesce(cast(cast(ald_main as integer) as varchar), '{UNKNOWN}') as ald
                from {source}
                where {state} = 'kept'
            )

            select
                person,
                case when sex in {_UNKNOWN_SEX} then '{UNKNOWN}' else sex end as sex,
                case
                    when age is null then '{UNKNOWN}'
                    when age >= 95 then '95+ ans'
                    else printf('%02d-%02d ans', age // 5 * 5, age // 5 * 5 + 4)
                end as age_group,
                case
                    when department in {_ELSEWHERE_CODES} then '{ELSEWHERE}' else department
                end as department,
                ald
            from leaf
            """,
            names,
        )
        if evidence is not None:
            target = str(evidence / "persons.parquet").replace("'", "''")
            connection.execute(f"copy (from person order by person) to '{target}' (format parquet)")
        table = connection.execute(
            f"select * exclude (person), count(*)::bigint as {COUNT} from person group by all"
        ).to_arrow_table()
    return cube_from_arrow(table, hierarchies, COUNT), population


def _write_classes(cube: Cube, recoding: Recoding, evidence: Path) -> None:
    """Turn the persons of the population into what the gate judges by."""
    columns: dict[str, Any] = {
        h.name: pa.array([h.leaves[code] for code in cube.codes[:, d].tolist()], pa.string())
        for d, h in enumerate(cube.hierarchies)
    }
    tuples = pa.table({**columns, "class": pa.array(recoding.class_of, pa.int64())})
    source = str(evidence / "persons.parquet")
    with duck.connect(memory_limit="2GB", threads="2") as connection:
        connection.register("tuples", tuples)
        for name, query in (
            ("people", f"select {', '.join(COLUMNS)} from read_parquet($f) order by all"),
            (
                "classes",
                f"select person, class from read_parquet($f) join tuples using "
                f"({', '.join(COLUMNS)}) where class >= 0 order by person",
            ),
        ):
            target = str(evidence / f"{name}.parquet").replace("'", "''")
            connection.execute(f"copy ({query}) to '{target}' (format parquet)", {"f": source})
    (evidence / "persons.parquet").unlink()


def _count_bands(cube: Cube, recoding: Recoding) -> dict[str, tuple[int, int]]:
    """Count people and removed people by department, sex and 20 years of age."""
    position = {h.name: d for d, h in enumerate(cube.hierarchies)}
    age = cube.hierarchies[position["age_group"]]
    wide = age.lift(0, 2)
    found: dict[str, tuple[int, int]] = {}
    removed = recoding.class_of < 0
    for line, count, gone in zip(
        cube.codes.tolist(), cube.counts.tolist(), removed.tolist(), strict=True
    ):
        band = " ".join(
            (
                cube.hierarchies[position["department"]].leaves[line[position["department"]]],
                cube.hierarchies[position["sex"]].leaves[line[position["sex"]]],
                age.values[2][int(wide[line[position["age_group"]]])],
            )
        )
        there, lost = found.get(band, (0, 0))
        found[band] = (there + count, lost + (count if gone else 0))
    return found


def count_cells(cube: Cube, recoding: Recoding) -> dict[str, float]:
    """Count which (ald, department, sex) cells of the patients the published table shows.

    Returns:
        ``total, shown, shown_exact, shown_family, share, share_exact``; see
        :class:`PatientTable`. Cells with an unknown value are cells like the others.
    """
    position = {h.name: d for d, h in enumerate(cube.hierarchies)}
    used = [position[name] for name in ("department", "sex", "ald")]
    ald = cube.hierarchies[position["ald"]]
    family = {row[0]: row[1] for row in ald.rows}
    total = {
        tuple(cube.hierarchies[d].leaves[code] for d, code in zip(used, line, strict=True))
        for line in np.unique(cube.codes[:, used], axis=0).tolist()
    }
    public = {tuple(values[d] for d in used) for values in recoding.tuples}
    exact = {cell for cell in total if cell in public}
    by_family = {cell for cell in total if (cell[0], cell[1], family[cell[2]]) in public}
    shown = exact | by_family
    return {
        "total": len(total),
        "shown": len(shown),
        "shown_exact": len(exact),
        "shown_family": len(by_family),
        "share": len(shown) / len(total) if total else 0.0,
        "share_exact": len(exact) / len(total) if total else 0.0,
    }


def _count_levels(
    recoding: Recoding, hierarchies: Sequence[Hierarchy]
) -> dict[str, dict[str, int]]:
    """Count published rows by level name for each column."""
    result: dict[str, dict[str, int]] = {}
    for d, hierarchy in enumerate(hierarchies):
        level_of = {
            value: level for level, values in enumerate(hierarchy.values) for value in values
        }
        rows = dict.fromkeys(hierarchy.level_names, 0)
        for values, count in zip(recoding.tuples, recoding.counts.tolist(), strict=True):
            rows[hierarchy.level_names[level_of[values[d]]]] += count
        result[hierarchy.name] = rows
    return result


def write_patient_table(recoding: Recoding, folder: Path) -> tuple[Path, Path]:
    """Write ``patient.parquet`` and ``patient.csv``, one row a person, sorted by value.

    The rows are made from the classes, so nothing of the original order survives. The Parquet
    file carries no key-value metadata (no pandas index, no Arrow schema). The CSV file is UTF-8
    without byte order mark, separator ``,`` (no published value holds one), lines ended by LF.

    Returns:
        The two paths.
    """
    arrays: list[Any] = []
    for d in range(len(recoding.names)):
        values = sorted({line[d] for line in recoding.tuples})
        index = {value: code for code, value in enumerate(values)}
        codes = np.repeat(
            np.array([index[line[d]] for line in recoding.tuples], dtype=np.int32),
            recoding.counts,
        )
        dictionary = pa.array(values, pa.string())
        arrays.append(pa.DictionaryArray.from_arrays(codes, dictionary).cast(pa.string()))
    schema = pa.schema([pa.field(name, pa.string(), nullable=False) for name in recoding.names])
    parquet = folder / "patient.parquet"
    pq.write_table(
        pa.Table.from_arrays(arrays, schema=schema),
        parquet,
        compression="zstd",
        store_schema=False,
    )
    text = folder / "patient.csv"
    with text.open("w", encoding="utf-8", newline="") as file:
        file.write(_csv_line(recoding.names))
        for line, count in zip(recoding.tuples, recoding.counts.tolist(), strict=True):
            file.write(_csv_line(line) * count)
    return parquet, text


def _csv_line(values: Sequence[str]) -> str:
    """Return one line of CSV, quoted where it must be."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(values)
    return buffer.getvalue()
