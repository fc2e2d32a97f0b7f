"""Any table, anonymised or measured: from a path, Arrow or pandas, to a path or in memory.

What is written is counted again from its bytes by :mod:`~.recheck` before it takes its name; on
any failure nothing is left behind.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from openchronic_assets.anonymisation import professionals
from openchronic_assets.anonymisation.battery import (
    Distance,
    against_population,
    battery,
    population_uniqueness,
)
from openchronic_assets.anonymisation.criteria import Criteria, Number, criteria
from openchronic_assets.anonymisation.cube import Cube, Sensitive, fold, stable_order, starts_of
from openchronic_assets.anonymisation.full_domain import Solution, apply, search
from openchronic_assets.anonymisation.hierarchies import Hierarchy, read_hierarchy
from openchronic_assets.anonymisation.local_recoding import Recoding, loss_of, recode
from openchronic_assets.anonymisation.microdata import (
    Microdata,
    encode,
    keyed_order,
    read_table,
    take,
    texts_of,
    without_empty,
    write_table,
)
from openchronic_assets.anonymisation.recheck import recheck
from openchronic_assets.errors import OpenChronicError, Refused, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

METHODS = ("full-domain", "local")

# A column that counts up by one over fewer rows than this may do so by chance.
_NUMBERED = 10

_FEW = 11
_LOOKED_AT = 10_000
_PERSON = re.compile(
    r"(^|[_\W])(person|personne|patient|benef|beneficiaire|nir|nss|ssn|uuid|guid|ipp|iep|"
    r"matricule|identifiant|identifier|mail|email|phone|telephone)($|[_\W])",
    re.IGNORECASE,
)
_IDENTIFIER = re.compile(
    r"(^|[_\W])(id|ids|index|idx|row|rowid|rownum|num|numero|no|nir|nss|ssn|uuid|guid|key|cle|"
    r"ident|identifiant|identifier|matricule|ipp|iep|mail|email|phone|tel|telephone|nom|name|"
    r"prenom|surname|firstname|lastname)($|[_\W])",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Anonymised:
    """An anonymised table.

    Attributes:
        table: the rows as published.
        report: what was done, JSON-able: ``method, rows, k, loss, suppressed, suppressed_share,
            classes, average_class, levels, optimal, bound, gap, nodes, evaluated, risk, seconds,
            warnings, out``.
    """

    table: pa.Table
    report: dict[str, Any]

    def to_pandas(self) -> Any:
        """Return the rows as a pandas data frame."""
        return self.table.to_pandas()


@dataclass(frozen=True)
class Prepared:
    """A table read and encoded, ready to be recoded any number of times.

    Attributes:
        read: the table.
        cube: its base cube.
        order: array (rows,) of row positions, tuple after tuple of the cube.
        sensitive: sensitive columns with their distances.
        identifier: column of the person, not published; None where each row is taken for one.
        dropped: columns that are not published.
        warnings: what the user should know.
    """

    read: Microdata
    cube: Cube
    order: NDArray[np.int64]
    sensitive: dict[str, Distance]
    dropped: tuple[str, ...]
    warnings: tuple[str, ...]


def prepare(
    data: Any,
    quasi: Sequence[str],
    hierarchies: Path | str | Mapping[str, Any],
    sensitive: Sequence[str] = (),
    *,
    distance: str = "equal",
    person: str | None = None,
    drop: Sequence[str] = (),
    keep: Sequence[str] = (),
    count_sensitive: bool = True,
) -> Prepared:
    """Read and encode a table.

    Args:
        data: see :func:`~.microdata.read_table`.
        quasi: columns that an attacker may know.
        hierarchies: folder of ``<column>.csv``, or column to hierarchy, path, or rows of
            (leaf, ..., ``*``).
        sensitive: columns that must not be learnt.
        distance: between sensitive values, for t-closeness.
        person: column that names the person, checked for repetition and left out.
        drop: other columns to leave out.
        keep: columns to publish although they look like identifiers.
        count_sensitive: whether the criteria will need the sensitive columns.

    Raises:
        OpenChronicError: the table or a hierarchy is not as it must be.
        UsageError: the columns named do not fit.
        Refused: a person has several rows, or a column tells professionals one by one.
    """
    roles = _check_roles(quasi, sensitive, person, drop)
    read = read_table(data)
    for role, named in roles.items():
        read.require(named, role)
    read.require(keep, "columns to keep")
    trees = [_hierarchy(name, hierarchies) for name in quasi]
    distances = {name: Distance(distance, _optional(name, hierarchies)) for name in sensitive}
    rows = read.table.num_rows
    if person is not None:
        _check_persons(read, person)
    hidden = {*quasi, *drop, person}
    professionals.refuse(
        # The first rows of a column show what it holds.
        (
            (name, read.table[name].slice(0, _LOOKED_AT).to_pylist())
            for name in read.table.column_names
            if name not in hidden
        ),
        "the table",
    )
    warnings = _undeclared(read, [*quasi, *sensitive], roles, keep)
    columns: list[NDArray[Any]] = []
    for name, tree in zip(quasi, trees, strict=True):
        codes, texts = encode(read.table[name], name)
        leaf = tree.encode(texts, np.bincount(codes, minlength=len(texts)).tolist())
        columns.append(leaf.astype(np.uint16 if len(tree.leaves) < 2**16 else np.int64)[codes])
    key, span = fold(columns, [len(tree.leaves) for tree in trees], rows)
    # Rows of one tuple stay in the order of the file, the same on every machine.
    order = stable_order(key, span)
    starts = starts_of(key[order])
    del key
    first = order[starts]
    codes = np.column_stack([column[first] for column in columns]).astype(np.int64)
    counts = np.diff(starts, append=rows)
    found = tuple(
        _sensitive(read.table[name], name, distances[name], order, counts)
        for name in (sensitive if count_sensitive else ())
    )
    cube = Cube(tuple(trees), codes, counts, found)
    dropped = (*([person] if person else []), *drop)
    return Prepared(read, cube, order, distances, dropped, tuple(warnings))


def _check_roles(
    quasi: Sequence[str], sensitive: Sequence[str], person: str | None, drop: Sequence[str]
) -> dict[str, Sequence[str]]:
    """Check that each column has one role."""
    if isinstance(quasi, str) or isinstance(sensitive, str):
        raise UsageError("give the columns as a list of names")
    if not quasi:
        raise UsageError("name at least one quasi-identifier")
    roles: dict[str, Sequence[str]] = {
        "quasi-identifiers": quasi,
        "sensitive columns": sensitive,
        "person": [person] if person is not None else [],
        "columns to leave out": drop,
    }
    seen: dict[str, str] = {}
    for role, columns in roles.items():
        for name in columns:
            if name in seen:
                raise UsageError(
                    f"column {name} is named twice ({seen[name]}, {role}): give it one role"
                )
            seen[name] = role
    return roles


def _hierarchy(name: str, given: Path | str | Mapping[str, Any]) -> Hierarchy:
    found = _optional(name, given)
    if found is None:
        where = f"{Path(given) / name}.csv" if isinstance(given, str | os.PathLike) else name
        raise UsageError(
            f"quasi-identifier {name} has no hierarchy: write {where}, one line a value: "
            "leaf;level1;...;*"
        )
    return found


def _optional(name: str, given: Path | str | Mapping[str, Any]) -> Hierarchy | None:
    """Return the hierarchy of a column where there is one."""
    if isinstance(given, str | os.PathLike):
        folder = Path(given)
        if not folder.is_dir():
            raise UsageError(f"{folder}: no such folder of hierarchies")
        path = folder / f"{name}.csv"
        return read_hierarchy(path, name) if path.is_file() else None
    value = given.get(name)
    if value is None:
        return None
    if isinstance(value, Hierarchy):
        return Hierarchy(name, value.level_names, value.rows)
    if isinstance(value, str | os.PathLike):
        return read_hierarchy(Path(value), name)
    rows = tuple(tuple(str(cell) for cell in row) for row in value)
    height = len(rows[0]) if rows else 0
    return Hierarchy(name, tuple(str(level) for level in range(height)), rows)


def _check_persons(read: Microdata, person: str) -> None:
    codes, texts = encode(read.table[person], person)
    counts = np.bincount(codes, minlength=len(texts))
    if None in texts:
        raise Refused(
            f"{int(counts[texts.index(None)])} rows have no person in {person}: k counts people, "
            "so every row needs one"
        )
    repeated = int(np.count_nonzero(counts > 1))
    if repeated:
        raise Refused(
            f"{repeated} persons of {person} have several rows: k would count them several times; "
            "keep one row a person"
        )


def _undeclared(
    read: Microdata,
    declared: Sequence[str],
    roles: Mapping[str, Sequence[str]],
    keep: Sequence[str],
) -> list[str]:
    """Refuse columns without a role that point at one row; tell the others.

    Raises:
        UsageError: a column numbers the rows, or is named like an identifier and never repeats.
    """
    named = {name for columns in roles.values() for name in columns} | set(declared)
    rest = [name for name in read.table.column_names if name not in named]
    for name in rest:
        if name not in keep and _points_at_rows(read.table[name], name):
            raise UsageError(
                f"column {name} tells the rows apart, and has no role: leave it out with --drop, "
                "name it with --person, or publish it all the same with --keep"
            )
    if not rest:
        return []
    return [f"published as they are, without a role: {', '.join(rest)}"]


def _points_at_rows(column: pa.ChunkedArray, name: str) -> bool:
    """Tell whether a column numbers the rows, or is named like an identifier and never repeats.

    One named like a person's points at rows too where a value has fewer than 11 of them.
    """
    if pa.types.is_nested(column.type) or len(column) < 2:
        return False
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    distinct = pc.count_distinct(column, mode="all").as_py()
    if _PERSON.search(name) and distinct > _FEW and distinct * _FEW > len(column):
        return True
    if distinct < len(column):
        return False
    if _IDENTIFIER.search(name):
        return True
    try:
        numbers = column.cast(pa.int64()).to_numpy()
    except pa.ArrowException:
        return False
    return len(numbers) >= _NUMBERED and bool((np.diff(numbers) == 1).all())


def _sensitive(
    column: pa.ChunkedArray,
    name: str,
    distance: Distance,
    order: NDArray[np.int64],
    counts: NDArray[np.int64],
) -> Sensitive:
    codes, texts = encode(column, name)
    ordered = distance.order(texts)
    rank = {value: code for code, value in enumerate(ordered)}
    values = len(ordered)
    codes = np.array([rank[text] for text in texts], dtype=np.int64)[codes]
    entry = np.repeat(np.arange(len(counts)), counts) * values + codes[order]
    entry.sort()
    runs = starts_of(entry)
    keys = entry[runs]
    return Sensitive(
        name,
        tuple(ordered),
        distance.kind,
        distance.tree(ordered),
        keys // values,
        keys % values,
        np.diff(runs, append=len(entry)),
    )


@dataclass(frozen=True)
class Plan:
    """What a recoding publishes of each tuple of the cube.

    Attributes:
        levels: array (m, d); -1 where the tuple is suppressed.
        loss: by the measure asked for.
        solution: of the full-domain search.
        recoding: of the local recoding.
    """

    levels: NDArray[np.int64]
    loss: float
    solution: Solution | None = None
    recoding: Recoding | None = None


def plan(
    prepared: Prepared,
    asked: Criteria,
    *,
    method: str = "full-domain",
    suppression: Number = 0,
    measure: str = "loss",
    weights: Mapping[str, float] | None = None,
    gs_factor: float = 0.5,
) -> Plan:
    """Choose the recoding of a table.

    Raises:
        UsageError: a parameter is out of range.
        Refused: nothing satisfies what is asked.
    """
    if method not in METHODS:
        raise UsageError(f"the method is one of {', '.join(METHODS)}, not {method!r}")
    if not 0 <= gs_factor < 1:
        raise UsageError("the gs-factor is at least 0 and below 1")
    cube = prepared.cube
    if asked.needs_sensitive and not cube.sensitive:
        raise UsageError("l, alpha, t, beta and delta need a sensitive column: name it")
    why = f"no recoding of {cube.records} rows satisfies what is asked"
    if cube.records < asked.k:
        raise Refused(f"{why}: k = {asked.k} is above the number of rows")
    if method == "local":
        recoding = recode(cube, asked, weights, keep_all=True)
        if not len(recoding.counts):
            raise Refused(f"{why}, not even with * everywhere; ask less of the sensitive column")
        return Plan(recoding.shown, loss_of(recoding, weights), recoding=recoding)
    solution = search(
        cube,
        asked,
        suppression,
        weights,
        measure=measure,
        suppression_cost=min(1.0, 2 * gs_factor),
        generalisation_cost=min(1.0, 2 - 2 * gs_factor),
    )
    if solution is None or not solution.classes:
        raise Refused(
            f"{why} with a suppression of {suppression}; allow more suppression or ask less"
        )
    kept, _ = apply(cube, solution.node, asked)
    levels = np.where(kept[:, None], np.array(solution.node), -1)
    return Plan(levels, solution.loss, solution=solution)


def publish(
    prepared: Prepared, chosen: Plan, order_key: bytes | None = None
) -> tuple[pa.Table, dict[str, Any]]:
    """Make the published rows, in a keyed order, and say by column which levels they use."""
    cube, table = prepared.cube, prepared.read.table
    kept = chosen.levels[:, 0] >= 0
    tuple_of = np.repeat(np.arange(len(cube.counts), dtype=np.int32), cube.counts)
    rows = prepared.order
    if not kept.all():
        inside = kept[tuple_of]
        rows, tuple_of = rows[inside], tuple_of[inside]
    shuffled = keyed_order(len(rows), order_key)
    rows, tuple_of = rows[shuffled], tuple_of[shuffled]
    del shuffled
    position = {h.name: d for d, h in enumerate(cube.hierarchies)}
    columns: dict[str, Any] = {}
    levels: dict[str, Any] = {}
    for name in table.column_names:
        if name in prepared.dropped:
            continue
        if name not in position:
            columns[name] = take(table[name], rows)
            continue
        d = position[name]
        hierarchy = cube.hierarchies[d]
        by_level = np.bincount(
            chosen.levels[kept, d], weights=cube.counts[kept], minlength=hierarchy.height
        ).astype(np.int64)
        levels[name] = {
            hierarchy.level_names[level]: int(count) for level, count in enumerate(by_level)
        }
        if by_level[0] == len(rows):
            columns[name] = take(without_empty(table[name]), rows)
        else:
            codes = np.zeros(len(kept), dtype=np.int64)
            codes[kept] = hierarchy.label_codes[chosen.levels[kept, d], cube.codes[kept, d]]
            columns[name] = texts_of(codes[tuple_of], hierarchy.labels)
    return pa.table(columns), levels


def anonymise(
    data: Any,
    quasi: Sequence[str],
    hierarchies: Path | str | Mapping[str, Any],
    *,
    k: int,
    sensitive: Sequence[str] = (),
    l: Number | None = None,  # noqa: E741
    l_kind: str = "distinct",
    c: Number | None = None,
    alpha: Number | None = None,
    t: Number | None = None,
    distance: str = "equal",
    beta: Number | None = None,
    enhanced: bool = False,
    delta: Number | None = None,
    suppression: Number = 0,
    method: str = "full-domain",
    measure: str = "loss",
    weights: Mapping[str, float] | None = None,
    gs_factor: float = 0.5,
    person: str | None = None,
    drop: Sequence[str] = (),
    keep: Sequence[str] = (),
    out: Path | str | None = None,
    order_key: bytes | None = None,
) -> Anonymised:
    """Anonymise a table.

    Args:
        data: path of a CSV or Parquet file, Arrow table, or pandas data frame; one row a person.
        quasi: columns that an attacker may know.
        hierarchies: folder of ``<column>.csv`` (``leaf;level1;...;*``), or column to hierarchy.
        k: smallest class.
        sensitive: columns that must not be learnt.
        l: diversity of each sensitive column, of ``l_kind`` distinct, entropy or recursive (``c``).
        l_kind: see ``l``.
        c: see ``l``.
        alpha: largest share of a sensitive value in a class.
        t: largest distance of a class from the table.
        distance: equal, ordered or hierarchical (needs ``<sensitive>.csv``).
        beta: largest relative gain on a sensitive value.
        enhanced: bound the gain by -ln of the value's share too.
        delta: largest absolute log-ratio.
        suppression: share of rows that full-domain recoding may remove.
        method: ``full-domain`` (one level a column, proved best) or ``local`` (each row as fine as
            it can be, none removed).
        measure: loss that full-domain recoding minimises: loss, precision, discernibility or
            class_size.
        weights: column to weight in the loss.
        gs_factor: below 0.5 suppression costs less, above 0.5 generalisation does.
        person: column that names the person: must not repeat, is left out.
        drop: columns to leave out.
        keep: columns to publish although they tell rows apart.
        out: a ``.csv`` or ``.parquet`` file; one that exists is replaced, whole, in the end.
        order_key: secret of the order of rows; drawn and forgotten when not given.

    Returns:
        The table and its report.

    Raises:
        UsageError: the arguments do not fit.
        Refused: nothing satisfies what is asked, or a person has several rows.
        OpenChronicError: the table or a hierarchy is not as it must be.
    """
    started = time.perf_counter()
    asked = criteria(
        k, l=l, l_kind=l_kind, c=c, alpha=alpha, t=t, beta=beta, enhanced=enhanced, delta=delta
    )
    target = None if out is None else _target(data, Path(out))
    prepared = prepare(
        data,
        quasi,
        hierarchies,
        sensitive,
        distance=distance,
        person=person,
        drop=drop,
        keep=keep,
        count_sensitive=asked.needs_sensitive,
    )
    chosen = plan(
        prepared,
        asked,
        method=method,
        suppression=suppression,
        measure=measure,
        weights=weights,
        gs_factor=gs_factor,
    )
    table, used = publish(prepared, chosen, order_key)
    if target is not None:
        read = prepared.read
        with _attempt(target) as path:
            write_table(table, path, read.separator, from_text=read.form == "csv")
            recheck(
                path,
                read.separator,
                table.column_names,
                table.num_rows,
                {h.name: _publishable(h, used[h.name]) for h in prepared.cube.hierarchies},
                prepared.sensitive,
                asked,
            )
    report = describe(prepared, chosen, method) | {
        "levels_used": used,
        "warnings": list(prepared.warnings),
        "out": None if target is None else str(target),
    }
    report["seconds"] = round(time.perf_counter() - started, 3)
    return Anonymised(table, report)


def describe(prepared: Prepared, chosen: Plan, method: str) -> dict[str, Any]:
    """Return the figures of a recoding."""
    cube = prepared.cube
    kept = chosen.levels[:, 0] >= 0
    sizes = _class_sizes(cube, chosen)
    rows = int(sizes.sum())
    solution = chosen.solution
    levels: dict[str, Any] = {}
    for d, h in enumerate(cube.hierarchies):
        used = sorted({int(level) for level in np.unique(chosen.levels[kept, d])})
        levels[h.name] = used[0] if solution is not None else used
    return {
        "method": method,
        "rows": rows,
        "loss": chosen.loss,
        "k": int(sizes.min()),
        "suppressed": cube.records - rows,
        "suppressed_share": (cube.records - rows) / cube.records,
        "levels": levels,
        "classes": len(sizes),
        "average_class": rows / len(sizes),
        "discernibility": int(sizes @ sizes) + cube.records * (cube.records - rows),
        "precision": precision_of(cube, chosen),
        "risk": {"prosecutor_max": 1 / int(sizes.min()), "prosecutor_average": len(sizes) / rows},
        "optimal": solution is not None and solution.optimal,
        "bound": solution.bound if solution else None,
        "gap": solution.gap if solution else None,
        "nodes": solution.nodes if solution else None,
        "evaluated": solution.evaluated if solution else None,
    }


def _class_sizes(cube: Cube, chosen: Plan) -> NDArray[np.int64]:
    if chosen.recoding is not None:
        return chosen.recoding.counts
    kept = chosen.levels[:, 0] >= 0
    labels = [
        h.label_codes[chosen.levels[kept, d], cube.codes[kept, d]]
        for d, h in enumerate(cube.hierarchies)
    ]
    key, _ = fold(labels, [len(h.labels) for h in cube.hierarchies], int(kept.sum()))
    _, inverse = np.unique(key, return_inverse=True)
    return np.bincount(inverse, weights=cube.counts[kept]).astype(np.int64)


def precision_of(cube: Cube, chosen: Plan) -> float:
    """Return Sweeney's precision: 1 minus the mean of level / highest level, 1 where suppressed."""
    total = 0.0
    for d, h in enumerate(cube.hierarchies):
        top = max(1, h.height - 1)
        level = np.where(chosen.levels[:, d] < 0, top, chosen.levels[:, d])
        total += int(level @ cube.counts) / (top * cube.records)
    return 1 - total / len(cube.hierarchies)


def _publishable(hierarchy: Hierarchy, used: Mapping[str, int]) -> Sequence[str]:
    """Return the texts that may be published; all of them where the column kept its values."""
    coarser = sum(count for name, count in used.items() if name != hierarchy.level_names[0])
    return hierarchy.labels if coarser else ()


def _target(data: Any, out: Path) -> Path:
    if out.suffix.lower() not in (".csv", ".parquet", ".pq"):
        raise UsageError(f"{out}: write to a .csv or a .parquet file")
    if not out.parent.is_dir():
        raise UsageError(f"{out.parent}: no such folder")
    if out.is_dir():
        raise UsageError(f"{out} is a folder")
    is_path = isinstance(data, str | os.PathLike)
    if is_path and out.exists() and Path(data).exists() and out.samefile(data):
        raise UsageError("the output is the input: write to another file")
    return out


@contextlib.contextmanager
def _attempt(target: Path) -> Iterator[Path]:
    """Give a hidden file beside the target; it takes its name only if the block succeeds."""
    path = target.parent / f".{target.stem}.attempt-{os.getpid()}{target.suffix}"
    try:
        yield path
        path.replace(target)
    except (OSError, pa.ArrowException, duckdb.Error) as error:
        raise OpenChronicError(
            f"{target} could not be written and read again ({type(error).__name__})"
        ) from error
    finally:
        path.unlink(missing_ok=True)


def risk(
    data: Any,
    quasi: Sequence[str],
    *,
    sensitive: Sequence[str] = (),
    distance: str = "equal",
    hierarchies: Path | str | Mapping[str, Any] | None = None,
    population: Any = None,
    population_count: str | None = None,
    fraction: float | None = None,
) -> dict[str, Any]:
    """Measure what a table tells about the people in it.

    Args:
        data: path of a CSV or Parquet file, Arrow table, or pandas data frame.
        quasi: columns that an attacker may know.
        sensitive: columns that must not be learnt.
        distance: between sensitive values: equal, ordered or hierarchical.
        hierarchies: where the hierarchies of sensitive columns are, for that distance.
        population: table of the population that ``data`` is drawn from, at the same levels.
        population_count: its column of people, where a row stands for several.
        fraction: share of the population in the table, for the estimate of uniques.

    Returns:
        See :func:`~.battery.battery`; with one sensitive column its figures stand at the top too,
        with several the worst of them; plus ``seconds``.

    Raises:
        UsageError: the arguments do not fit.
        OpenChronicError: the table is not as it must be.
    """
    started = time.perf_counter()
    _check_roles(quasi, sensitive, None, ())
    given: Path | str | Mapping[str, Any] = {} if hierarchies is None else hierarchies
    distances = {name: Distance(distance, _optional(name, given)) for name in sensitive}
    needed = [*quasi, *sensitive]
    read = read_table(data, needed)
    read.require(quasi, "quasi-identifiers")
    read.require(sensitive, "sensitive columns")
    result = battery(read, quasi, distances)
    if population is not None:
        people = read_table(population)
        counted = [population_count] if population_count else []
        people.require([*quasi, *counted], "population")
        result |= against_population(read.table, people.table, quasi, population_count)
    if fraction is not None:
        result["population_uniques"] = population_uniqueness(result["sizes"], fraction)
    # The many sizes above ten are of no use to a reader.
    result["sizes"] = {str(n): result["sizes"].get(n, 0) for n in range(1, 11)}
    for name, worst in (
        ("l", min), ("entropy_l", min), ("recursive_c", max), ("alpha", max), ("t", max),
        ("delta", max), ("beta", max),
    ):  # fmt: skip
        figures = [each[name] for each in result["sensitive"].values()]
        if figures:
            result[name] = worst(figures)
    if result["sensitive"]:
        enhanced = [each["enhanced_beta"] for each in result["sensitive"].values()]
        result["enhanced_beta"] = None if None in enhanced else max(enhanced)
    result["seconds"] = round(time.perf_counter() - started, 3)
    return result


def finite(value: Any) -> Any:
    """Return a report without NaN or infinity, which JSON does not have: None instead."""
    if isinstance(value, dict):
        return {key: finite(each) for key, each in value.items()}
    if isinstance(value, list):
        return [finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
