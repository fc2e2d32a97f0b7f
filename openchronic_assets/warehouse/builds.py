"""Builds: immutable Parquet under ``lake/builds/<build_id>``, and the pointer to the current one.

A build is planned from everything that decides its content, so the same inputs give the same id,
and a run that stopped half-way is found again with its finished files. Nothing of a build is
visible until ``publish`` replaces ``lake/current.json``; the files of a published build never
change.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from openchronic_assets import __version__, duck
from openchronic_assets.errors import OpenChronicError, Refused, UsageError
from openchronic_assets.settings import Home
from openchronic_assets.warehouse import inputs as raw_inputs
from openchronic_assets.warehouse import panel
from openchronic_assets.warehouse.inputs import Inputs
from openchronic_assets.warehouse.project import TARGETS, Model, code_hash, models, seeds

GRACE = 7 * 24 * 3600.0  # seconds that a superseded build stays for readers who hold it
PART = "part-0000.parquet"
SEEDS = "seeds"  # the project's own lists, beside the models of a build
RECORD = "build.json"  # in its folder: what a build was made from, as long as its files stay
MARKER = ".superseded"  # its mtime is when the build stopped being referenced

ReadMark = dict[str, str]  # raw table -> fingerprint of what a (model, year) reads of it


@dataclass(frozen=True)
class Pair:
    """One unit of writing: a model's year, or a whole history model (``year`` None)."""

    model: str
    year: int | None

    @property
    def folder(self) -> str:
        """Where its files go, relative to the build."""
        return self.model if self.year is None else f"{self.model}/year={self.year}"


@dataclass(frozen=True)
class Plan:
    """What a build will write, and what it takes over unchanged from the build before it."""

    home: Home
    build_id: str
    target: str
    threads: int
    years: tuple[int, ...]
    pairs: tuple[Pair, ...]
    carried: dict[str, dict[str, list[str]]]  # model -> year ('' for history) -> lake paths
    reasons: dict[int, list[str]]  # years added to those asked for, and why
    models: dict[str, Model]
    inputs: Inputs
    code: str
    previous: str | None
    select: str | None = None
    population: dict[str, Any] = field(default_factory=lambda: dict(panel.EVERYBODY))

    @property
    def folder(self) -> Path:
        """The build's folder of immutable files."""
        return self.home.builds / self.build_id

    @property
    def scratch(self) -> Path:
        """The build's working folder, private."""
        return self.home.scratch / self.build_id

    @property
    def database(self) -> Path:
        """The scratch DuckDB file; its stem is baked into dbt's relation names."""
        return self.scratch / "openchronic.duckdb"

    def path(self, pair: Pair) -> Path:
        """Return what ends the writing of a pair: its folder on Spark, its first file on DuckDB."""
        folder = self.folder / pair.folder
        return folder / PART if self.target == "duckdb" else folder

    def is_done(self, pair: Pair) -> bool:
        """Say whether a pair was completely written, by this run or one before it."""
        if self.target == "duckdb":
            return self.path(pair).is_file()
        return (self.path(pair) / "_SUCCESS").is_file()

    def missing(self, model: str | None = None) -> list[Pair]:
        """Return the pairs that remain to be written, in the order of writing."""
        return [
            pair
            for pair in self.pairs
            if (model is None or pair.model == model) and not self.is_done(pair)
        ]

    def written(self, pair: Pair) -> list[str]:
        """Return the files of a finished pair, relative to the lake."""
        folder = self.folder / pair.folder
        return [
            path.relative_to(self.home.lake).as_posix()
            for path in sorted(folder.glob("part-*.parquet"))
        ]


def plan(
    home: Home,
    years: Sequence[int],
    target: str = "duckdb",
    threads: int = 2,
    select: Sequence[str] | None = None,
) -> Plan:
    """Decide what a build of some years writes.

    Yearly models are written for the years asked for. Years that another code or another vintage
    of the referentials made, or that hold other people (a panel drawn or given up), are added,
    because one catalogue never mixes two of any; the other years are carried over. History models
    are always rebuilt. With ``select`` (names of models), only those are written and all else is
    carried over.

    Raises:
        UsageError: no year, an unknown target or model, a selection that reads what was never
            built, or one that would mix two vintages of the referentials.
        Refused: a selection would mix two populations.
    """
    if not years:
        raise UsageError("a build needs at least one year, for instance --years 2019-2021")
    if target not in TARGETS:
        raise UsageError(f"target {target!r} is not one of {', '.join(TARGETS)}")
    known = models(home, target)
    selected = set(known) if select is None else set(select)
    if unknown := selected - set(known):
        raise UsageError(f"no such model: {', '.join(sorted(unknown))}; see dbt_project/models")
    manifest = read_manifest(home) or {}
    inputs = raw_inputs.scan(home, manifest.get("inputs"))
    code = code_hash()
    vintage = raw_inputs.vintage(inputs)
    same_vintage = manifest.get("vintage") == vintage
    population = panel.population(home)
    same_people = manifest.get("population", panel.EVERYBODY) == population
    if select is not None and manifest and not same_vintage:
        raise UsageError(
            "the referentials changed since the last build: build all models, not a selection, "
            "so that the catalogue does not mix two vintages"
        )
    if select is not None and manifest and not same_people:
        raise Refused(
            "the panel changed since the last build: build all models, not a selection, so that "
            "the catalogue does not mix two populations"
        )
    pairs: list[Pair] = []
    carried: dict[str, dict[str, list[str]]] = {}
    reasons: dict[int, list[str]] = {}
    wanted = sorted(set(years))
    for name, model in known.items():
        before = manifest.get("models", {}).get(name, {})
        if name not in selected:
            if kept := before.get("years") or ({"": before["files"]} if before else {}):
                carried[name] = kept
            continue
        if model.kind == "history":
            pairs.append(Pair(name, None))
            continue
        fresh = same_vintage and same_people and before.get("code") == code
        mine = set(wanted)
        for year, kept in before.get("years", {}).items():
            if int(year) in mine:
                continue
            if fresh:
                carried.setdefault(name, {})[year] = kept
            else:
                mine.add(int(year))
                why = "models changed" if same_vintage else "referentials changed"
                if not same_people:
                    why = "panel changed"
                if why not in reasons.setdefault(int(year), []):
                    reasons[int(year)].append(why)
        pairs += [Pair(name, year) for year in sorted(mine)]
    reads = {read for name in selected for read in known[name].reads}
    if absent := reads - selected - set(carried):
        raise UsageError(
            f"the selection reads {', '.join(sorted(absent))}, which nothing has built yet: select"
            " them too, or build all models"
        )
    engine = "duckdb" if target == "duckdb" else "pyspark"
    decided = {
        "raw": {t: {p: f.id for p, f in fs.items()} for t, fs in inputs.items()},
        "code": code,
        "pairs": [pair.folder for pair in pairs],
        "carried": carried,
        "target": target,
        "engine": f"{engine} {version(engine)}",
        "population": population,
    }
    text = json.dumps(decided, sort_keys=True)
    return Plan(
        home=home,
        build_id=hashlib.sha256(text.encode()).hexdigest()[:12],
        target=target,
        threads=threads,
        years=tuple(sorted({pair.year for pair in pairs if pair.year is not None})),
        pairs=tuple(pairs),
        carried=carried,
        reasons=dict(sorted(reasons.items())),
        models=known,
        inputs=inputs,
        code=code,
        previous=manifest.get("build_id"),
        select=None if select is None else " ".join(sorted(selected)),
        population=population,
    )


def read_manifest(home: Home) -> dict[str, Any] | None:
    """Return ``lake/current.json``, or None before the first build.

    Raises:
        OpenChronicError: the file is not a manifest.
    """
    try:
        text = home.pointer.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    try:
        manifest: dict[str, Any] = json.loads(text)
    except json.JSONDecodeError as error:
        raise OpenChronicError(
            f"{home.pointer} is damaged; delete it and build all years again"
        ) from error
    return manifest


def files(home: Home, model: str, year: int | None = None) -> list[Path]:
    """Return the current files of a model, absolute; of one year where ``year`` is given.

    Raises:
        UsageError: nothing was built yet, or no such model, or the year was not built.
    """
    manifest = read_manifest(home)
    if manifest is None:
        raise UsageError(f"nothing is built in {home.root}; run: openchronic run --years A-B")
    if model not in manifest["models"]:
        known = ", ".join(sorted(manifest["models"]))
        raise UsageError(f"no model {model!r} in the current build; there are: {known}")
    return [home.lake / name for name in _listed(manifest["models"][model], model, year)]


def _listed(entry: dict[str, Any], model: str, year: int | None) -> list[str]:
    if entry["kind"] == "history":
        if year is not None:
            raise UsageError(f"{model} holds all years in one file set; leave the year out")
        return list(entry["files"])
    if year is not None:
        if str(year) not in entry["years"]:
            raise UsageError(
                f"{model} was not built for {year}; run: openchronic run --years {year}"
            )
        return list(entry["years"][str(year)])
    return [name for _, names in sorted(entry["years"].items()) for name in names]


def publish(home: Home, plan: Plan) -> dict[str, Any]:
    """Make a finished build the current one, and return its manifest.

    The pointer is replaced first, and that is the moment of publication; the catalogue is derived
    from it. Killed between the two, readers of the catalogue still see the build before, whole,
    and the next start rebuilds the catalogue from the pointer. The other order would leave a
    catalogue whose build nothing refers to, which collection could delete under its readers.

    Raises:
        OpenChronicError: a file is missing, or another build was published since the plan.
    """
    from openchronic_assets.warehouse.catalogue import ensure_catalogue

    if missing := plan.missing():
        raise OpenChronicError(
            f"build {plan.build_id} is not finished: {len(missing)} of {len(plan.pairs)} parts are "
            f"missing, the first is {missing[0].folder}; run it again"
        )
    with locked(home, "publish"):
        for leftover in home.lake.glob(f".{home.pointer.name}.*"):  # of a run that was killed
            leftover.unlink(missing_ok=True)
        current = read_manifest(home) or {}
        if current.get("build_id") not in (plan.previous, plan.build_id):
            raise OpenChronicError(
                f"build {current.get('build_id')} was published while {plan.build_id} was "
                "running; run it again, so that it starts from that one"
            )
        manifest = _manifest(plan, current)
        _write_record(plan, manifest)
        if manifest != current:
            replace_text(home.pointer, json.dumps(manifest, indent=1, sort_keys=True) + "\n")
        _mark_superseded(home, manifest)
        ensure_catalogue(home)
    return manifest


def _manifest(plan: Plan, current: dict[str, Any]) -> dict[str, Any]:
    before = current.get("models", {})
    marks = read_marks(plan.inputs)
    entries: dict[str, Any] = {}
    for name, model in plan.models.items():
        years = dict(plan.carried.get(name, {}))
        mine = [pair for pair in plan.pairs if pair.model == name]
        if not mine and not years:
            continue
        read = {year: before[name]["read"][year] for year in years if year}
        for pair in mine:
            years[str(pair.year or "")] = plan.written(pair)
            if pair.year is not None:
                read[str(pair.year)] = reads_of(model.to_json(), pair.year, marks)
        entry: dict[str, Any] = {
            **model.to_json(),
            "layer": model.layer,
            "code": plan.code if mine else before[name]["code"],
            "description": model.description,
            "columns": [list(column) for column in model.columns],
            "codes": dict(model.codes),
        }
        if model.kind == "history":
            entry["files"] = years[""]
        else:
            entry["years"] = dict(sorted(years.items()))
            entry["read"] = dict(sorted(read.items()))
        entries[name] = entry
    same = current.get("build_id") == plan.build_id
    return {
        "build_id": plan.build_id,
        "previous": current.get("previous") if same else plan.previous,
        "created_by": {"openchronic": __version__, "target": plan.target},
        "vintage": raw_inputs.vintage(plan.inputs),
        "flux_cutoff": raw_inputs.flux_cutoff(plan.inputs),
        "population": plan.population,
        "models": entries,
        "seeds": _write_seeds(plan),
        "inputs": raw_inputs.to_json(plan.inputs),
    }


def _write_record(plan: Plan, manifest: dict[str, Any]) -> None:
    """Write into the build what it was made from: the pointer tells that of the last one only."""
    record = {name: value for name, value in manifest.items() if name not in ("models", "inputs")}
    record["models"] = {
        name: {key: entry[key] for key in ("kind", "code", "files", "years") if key in entry}
        for name, entry in manifest["models"].items()
    }
    record["raw"] = {
        table: {
            part.path.relative_to(plan.home.lake).as_posix(): (
                None if part.months is None else sorted(part.months)
            )
            for part in parts
        }
        for table, parts in raw_inputs.raw_files(plan.home).items()
        if parts
    }
    replace_text(plan.folder / RECORD, json.dumps(record, indent=1, sort_keys=True) + "\n")


def read_record(home: Home, build_id: str) -> dict[str, Any] | None:
    """Return what a build was made from: its manifest without descriptions, and its raw files.

    ``models`` holds kind, code and files of each model; ``raw`` maps table → file → slices in
    effect (None is all of them). None where the build is not on disk, or older than this record.

    Raises:
        OpenChronicError: the record is damaged.
    """
    path = home.builds / build_id / RECORD
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except json.JSONDecodeError as error:
        raise OpenChronicError(
            f"{path} is damaged: its build cannot be explained any more"
        ) from error
    return document


def _write_seeds(plan: Plan) -> dict[str, str]:
    """Write the project's own lists into the build and return their files, relative to the lake."""
    folder = plan.folder / SEEDS
    folder.mkdir(exist_ok=True)
    written: dict[str, str] = {}
    with duck.connect() as connection:
        for name, (path, types) in sorted(seeds(plan.home, plan.target).items()):
            to = folder / f"{name}.parquet"
            if not to.is_file():
                kinds = {
                    column: kind.replace("string", "varchar") for column, kind in types.items()
                }
                rows = connection.read_csv(str(path), header=True, dtype=kinds, all_varchar=False)
                aside = folder / f".{name}.parquet"
                rows.write_parquet(str(aside), compression="zstd")
                aside.replace(to)
            written[name] = to.relative_to(plan.home.lake).as_posix()
    return written


Marks = dict[str, dict[int, list[str]]]


def read_marks(inputs: Inputs) -> Marks:
    """Return table → care year → marks of the raw files that touch that year."""
    return raw_inputs.touched_years(inputs)


def reads_of(model: dict[str, Any], year: int, marks: Marks) -> ReadMark:
    """Return what a model's rows of ``year`` are made from, table by table, as fingerprints.

    Args:
        model: ``reads_referentials`` and ``windows``, as the manifest keeps them.
        year: the year built.
        marks: of ``read_marks``.
    """
    result: ReadMark = {}
    for table, (back, ahead) in model["windows"].items():
        found: list[str] = []
        for care, listed in marks.get(table, {}).items():
            if table in raw_inputs.snapshots():
                inside = bool(model["reads_referentials"])
            elif care == 0:
                inside = True
            else:
                inside = (back == "all" or care >= year - back) and (
                    ahead == "all" or care <= year + ahead
                )
            if inside:
                found += [f"{care}:{mark}" for mark in listed]
        result[table] = raw_inputs.fingerprint(found)
    return result


def referenced(manifest: dict[str, Any]) -> set[str]:
    """Return the ids of the builds whose files a manifest lists, its own included."""
    names = {manifest["build_id"]}
    for entry in manifest["models"].values():
        lists = [entry["files"]] if entry["kind"] == "history" else entry["years"].values()
        names |= {Path(name).parts[1] for listed in lists for name in listed}
    return names


def collect(home: Home, grace: float = GRACE) -> list[str]:
    """Delete builds that nothing has referred to for ``grace`` seconds; return their ids.

    A build's clock starts when it is first seen unreferenced, so an unfinished one can be resumed
    for as long.
    """
    with locked(home, "publish"):
        manifest = read_manifest(home)
        if manifest is None or not home.builds.is_dir():
            return []
        _mark_superseded(home, manifest)
        gone = []
        for marker in sorted(home.builds.glob(f"*/{MARKER}")):
            if time.time() - marker.stat().st_mtime >= grace:
                shutil.rmtree(marker.parent)
                shutil.rmtree(home.scratch / marker.parent.name, ignore_errors=True)
                gone.append(marker.parent.name)
        return gone


def _mark_superseded(home: Home, manifest: dict[str, Any]) -> None:
    kept = referenced(manifest)
    for folder in sorted(home.builds.iterdir()):
        marker = folder / MARKER
        if folder.name in kept:
            marker.unlink(missing_ok=True)
        elif not marker.exists():
            marker.touch()


@contextlib.contextmanager
def locked(home: Home, name: str, wait: bool = True) -> Iterator[None]:
    """Hold a named lock of the home while the block runs; the system frees it on any death.

    Raises:
        OpenChronicError: ``wait`` is false and another process holds it.
    """
    home.scratch.mkdir(parents=True, exist_ok=True)
    with (home.scratch / f"{name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError as error:
            raise OpenChronicError(
                f"another {name} is running in {home.root}; wait for it to end"
            ) from error
        yield


def replace_text(path: Path, text: str) -> None:
    """Write a small file beside its place and move it there, so that nobody sees half of it."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
