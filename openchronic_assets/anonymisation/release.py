"""Candidates and releases: what passes the gate, who approves it, and what becomes public.

``prepare_candidate`` makes the table in a hidden attempt folder, has the gate judge the written
files, and renames the folder to ``candidate/<version>/`` only if they are accepted. ``publish``
needs two different approvers, checks the hashes, has the gate judge again, and renames to
``release/<version>/``. A rename is the only way in, so a kill at any moment leaves either nothing
or everything; what it leaves half-way is put right at the next call.

Every step is in the journal before it becomes visible.
"""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import hashlib
import json
import os
import re
import secrets
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any, NoReturn

from openchronic_assets.anonymisation import journal, products
from openchronic_assets.anonymisation.approvals import DEMO_APPROVERS as DEMO_APPROVERS
from openchronic_assets.anonymisation.approvals import JOB, approved, is_producing
from openchronic_assets.anonymisation.frontier import KS, compared
from openchronic_assets.anonymisation.gate import (
    DEFAULT_TIMEOUT,
    Request,
    TableRequest,
    TogetherRequest,
    Verdict,
    run_gate,
)
from openchronic_assets.anonymisation.indicator_composition import microdata_near
from openchronic_assets.anonymisation.patient_release import (
    COLUMNS,
    DEFAULT_WEIGHTS,
    K_PUBLIC,
    PatientTable,
    recode_patients,
    write_patient_table,
)
from openchronic_assets.anonymisation.readme import (
    accountability,
    measured_criteria,
    release_readme,
)
from openchronic_assets.errors import OpenChronicError, Refused, UsageError
from openchronic_assets.settings import Home

METHOD = "local-recoding-2"
"""Name of the method, part of the version: change it when the same input gives other bytes."""

_ATTEMPT = ".attempt-"
_WORK = "release-"  # rows of people, while tables and cube are made
_VERSION = re.compile(r"\d{4}-[0-9a-f]{8}")
_OF_ANY_KIND = re.compile(r"\d{4}-(indicators-)?[0-9a-f]{8}")
_TABLES = ("patient.parquet", "patient.csv")


def version_of(reference_year: int, build_id: str, parameters: Mapping[str, Any]) -> str:
    """Return the name of a release, ``<year>-<8 hex>``: the same inputs give the same name."""
    text = json.dumps(
        {"year": reference_year, "build": build_id, "parameters": parameters}, sort_keys=True
    )
    return f"{reference_year:04d}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def prepare_candidate(
    home: Home,
    patient_files: Sequence[Path],
    reference_year: int,
    build_id: str,
    deliveries: Sequence[Mapping[str, Any]],
    k: int = K_PUBLIC,
    *,
    weights: Mapping[str, float] | None = None,
    person_files: Sequence[Path] = (),
    event_files: Sequence[Path] = (),
    gate_timeout: float = DEFAULT_TIMEOUT,
    gate_command: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Make the public patient table and, if the gate accepts it, the candidate.

    Args:
        home: the zones.
        patient_files: Parquet files of the mart ``patient`` of one build.
        reference_year: last care year.
        build_id: the build that the files belong to.
        deliveries: ``{"id": str, "generated": bool}`` for every delivery behind the build.
        k: smallest class aimed at; the gate never accepts less than 12.
        weights: attribute weights of the recoding.
        person_files: Parquet files of the mart ``person``; with them, a set of tables and a
            private cube about the people without a long-term disease are made too.
        event_files: Parquet files of the mart ``care_event`` of the year, for the cube.
        gate_timeout: seconds given to the gate.
        gate_command: the gate's process, for tests.

    Returns:
        The candidate's report; the one already there when the same was prepared before.

    Raises:
        Refused: the gate refused; nothing is left but ``vault/refusals/<version>.json``.
        OpenChronicError: the mart cannot be used, or the same build id comes with other files.
    """
    used = {**DEFAULT_WEIGHTS, **(weights or {})}
    parameters = {"k": k, "weights": used, "method": METHOD}
    version = version_of(reference_year, build_id, parameters)
    home.create()
    files = sorted(Path(file).resolve() for file in patient_files)
    inputs = [{"path": _relative(home, file), "sha256": _sha256(file)} for file in files]
    sources = _deliveries(deliveries)
    with vault_lock(home):
        _recover(home)
        for zone in (home.release, home.candidate):
            if (zone / version).is_dir():
                return _same_as_before(zone / version, inputs, sources)
        attempt = home.candidate / f"{_ATTEMPT}{uuid.uuid4().hex}"
        attempt.mkdir(mode=0o750)
        evidence = home.vault / "releases" / f"{_ATTEMPT}{uuid.uuid4().hex}"
        evidence.mkdir(mode=0o700, parents=True)
        try:
            key = vault_key(home)
            table = recode_patients(files, reference_year, k, used, evidence, key, KS)
            write_patient_table(table.recoding, attempt)
            # Counts of small groups: for the gate, never in a report.
            _write_json(evidence / "bands.json", table.bands)
            others, omitted = _others(
                home, attempt, evidence, files, person_files, event_files, reference_year, version
            )
            report = _report(
                version, reference_year, build_id, parameters, table, inputs, sources, others
            )
            report["omitted"] = omitted
            _write(attempt / "README.txt", release_readme(report))
            for other in others:
                products.write_report(attempt, other, [])
            _write_json(attempt / "report.json", report)
            verdict = run_gate(_requests(attempt, evidence, report), gate_timeout, gate_command)
            if not verdict.accepted:
                _refuse(home, version, verdict, "candidate")
            report["checks"] = [asdict(check) for check in verdict.checks]
            report["criteria"] = measured_criteria(report["criteria"], report["checks"])
            for other in others:
                prefix = {"tables": "table_", "cube": "cube_"}[other.kind]
                products.write_report(
                    attempt, other, [c for c in report["checks"] if c["name"].startswith(prefix)]
                )
            report["outputs"] = _outputs(attempt, _sealed(report))
            _write_json(attempt / "report.json", report)
            _seal(attempt)
            journal.append(
                _journal(home),
                "candidate_prepared",
                version=version,
                rows=table.metrics.rows,
                k=table.metrics.k,
                account=_account(),
                report_sha256=_sha256(attempt / "report.json"),
            )
            kept = home.vault / "releases" / version
            shutil.rmtree(kept, ignore_errors=True)
            evidence.rename(kept)
            attempt.rename(home.candidate / version)
            _sync(home.candidate)
        except Refused:
            raise
        except Exception as error:
            # The kind of error only: its message is for the user, not for the journal.
            journal.append(_journal(home), "failed", version=version, error=type(error).__name__)
            raise
        finally:
            shutil.rmtree(attempt, ignore_errors=True)
            shutil.rmtree(evidence, ignore_errors=True)
        return report


def _others(
    home: Home,
    attempt: Path,
    evidence: Path,
    patient_files: Sequence[Path],
    person_files: Sequence[Path],
    event_files: Sequence[Path],
    year: int,
    version: str,
) -> tuple[list[products.Product], dict[str, str]]:
    """Make the tables and the cube, each of people of its own; tell why one is left out."""
    made: list[products.Product] = []
    omitted: dict[str, str] = {}
    if not person_files:
        return made, dict.fromkeys(("tables", "cube"), "the mart person was not given")
    key = vault_key(home)
    work = home.scratch / f"{_WORK}{uuid.uuid4().hex}"
    work.mkdir(mode=0o700, parents=True)
    try:
        for half, kind in enumerate(("tables", "cube")):
            people = work / f"{kind}.parquet"
            try:
                products.write_people(person_files, patient_files, year, half, people, key)
                made.append(
                    products.make_tables(attempt, people, year)
                    if kind == "tables"
                    else products.make_cube(
                        attempt, people, event_files, year, version, home.vault, key
                    )
                )
                products.write_population(people, evidence / f"{kind}.people.parquet")
            except OpenChronicError as error:
                # The patient table does not wait for the others; what is not made says why.
                omitted[kind] = str(error)
                for name in (*products.TABLES, products.CUBE):
                    if not any(name in each.files for each in made):
                        (attempt / name).unlink(missing_ok=True)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return made, omitted


def vault_key(home: Home) -> bytes:
    """Return the key of the vault that hashes people and signs proofs; made at first use."""
    path = home.vault / "release.key"
    if not path.exists():
        # Written aside and linked: whole or not at all, and one where two begin at once.
        aside = path.with_name(f".{path.name}.{os.getpid()}")
        aside.unlink(missing_ok=True)
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(32))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(aside, path)
        aside.unlink()
    found = path.read_bytes()
    if len(found) != 32:
        raise OpenChronicError(
            "vault/release.key is damaged; restore it from the backup of the vault"
        )
    return found


def _account() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def publish(
    home: Home,
    version: str,
    approvers: Sequence[str],
    deliveries: Sequence[Mapping[str, Any]] | None = None,
    purpose: str | None = None,
    *,
    gate_timeout: float = DEFAULT_TIMEOUT,
    gate_command: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Move an approved candidate to ``release/``.

    Args:
        home: the zones.
        version: name of the candidate.
        approvers: two different people, or the two demonstration approvers.
        deliveries: as the caller knows them; must agree with the candidate when given.
        purpose: written in the report; ``publication`` by default, always ``demonstration`` with
            the demonstration approvers.
        gate_timeout: seconds given to the gate.
        gate_command: the gate's process, for tests.

    Returns:
        The release's report.

    Raises:
        UsageError: there is no such candidate, or the version is no version.
        Refused: the approvers, the files or the gate do not allow it; nothing is published.
    """
    if is_producing():
        raise Refused("the job that makes candidates cannot publish them: two people do")
    if not _VERSION.fullmatch(version):
        raise UsageError("a version looks like 2021-3fa9c1d2; `openchronic status` lists them")
    home.create()
    with vault_lock(home):
        _recover(home)
        candidate, target = home.candidate / version, home.release / version
        if target.exists():
            raise Refused(
                f"release {version} is already published and cannot change; "
                "prepare a new candidate for a new release"
            )
        if not candidate.is_dir():
            raise UsageError(
                f"there is no candidate {version}; prepare it first, or see `openchronic status`"
            )
        report = _verified(home, candidate)
        if deliveries is not None and _deliveries(deliveries) != report["deliveries"]:
            raise Refused(f"the deliveries named do not match those of candidate {version}")
        names, purpose = approved(
            approvers, report["deliveries"], purpose, (JOB, *_makers(home, version))
        )
        _check_composition(home, version, report)
        evidence = home.vault / "releases" / version
        # Beside the candidate: what a kill leaves of it is not in the folder that strangers read.
        attempt = home.candidate / f"{_ATTEMPT}{uuid.uuid4().hex}"
        try:
            shutil.copytree(candidate, attempt)
            _check_indicators(home, attempt, report)
            requests = _requests(attempt, evidence, report, names, _earlier(home))
            verdict = run_gate(requests, gate_timeout, gate_command)
            if not verdict.accepted:
                _refuse(home, version, verdict, "release")
            report |= {
                "state": "release",
                "purpose": purpose,
                "approvers": names,
                "published_at": datetime.now(UTC).isoformat(timespec="seconds"),
                "checks": [asdict(check) for check in verdict.checks],
            }
            report["criteria"] = measured_criteria(report["criteria"], report["checks"])
            if report["outputs"] != _outputs(attempt, _sealed(report)):
                raise Refused(f"candidate {version} changed while it was being published")
            (attempt / "report.json").unlink()
            _write_json(attempt / "report.json", report)
            _seal(attempt)
            attempt.chmod(0o755)
            facts = {
                "version": version,
                "approvers": names,
                "purpose": purpose,
                "report_sha256": _sha256(attempt / "report.json"),
            }
            journal.append(_journal(home), "publishing", **facts)
            attempt.rename(target)
            _sync(home.release)
            journal.append(_journal(home), "published", **facts)
        finally:
            shutil.rmtree(attempt, ignore_errors=True)
        _remove(candidate)
        # What was attacked is no longer needed; who is in which class is, for later releases.
        for name in ("people.parquet", "bands.json"):
            (evidence / name).unlink(missing_ok=True)
        return report


def list_releases(home: Home) -> list[dict[str, Any]]:
    """Return candidates and releases with their main figures, oldest version first.

    An entry whose report cannot be read has ``"readable": False`` and its version only.
    """
    found = []
    for state, zone in (("candidate", home.candidate), ("release", home.release)):
        if not zone.is_dir():
            continue
        for folder in sorted(zone.iterdir()):
            if not folder.is_dir() or not _VERSION.fullmatch(folder.name):
                continue
            entry: dict[str, Any] = {"version": folder.name, "state": state}
            try:
                report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
                table = report["tables"][0]
                entry |= {
                    "readable": True,
                    "purpose": report["purpose"],
                    "reference_year": report["reference_year"],
                    "build_id": report["build_id"],
                    "approvers": report["approvers"],
                    **{
                        name: table[name]
                        for name in ("k", "loss", "rows", "suppressed", "max_risk", "cells")
                    },
                }
            except (OSError, ValueError, KeyError, IndexError, TypeError):
                entry["readable"] = False
            found.append(entry)
    return found


def read_report(home: Home, version: str) -> dict[str, Any]:
    """Return the report of a release or, failing that, of a candidate.

    Raises:
        UsageError: there is neither.
    """
    for zone in (home.release, home.candidate):
        if _VERSION.fullmatch(version) and (zone / version).is_dir():
            return _read_report(zone / version)
    raise UsageError(f"there is no release {version}; `openchronic release list` lists them")


# --- reports ------------------------------------------------------------------------------------


def _report(
    version: str,
    reference_year: int,
    build_id: str,
    parameters: Mapping[str, Any],
    table: PatientTable,
    inputs: list[dict[str, str]],
    deliveries: list[dict[str, Any]],
    others: Sequence[products.Product],
) -> dict[str, Any]:
    """Return the candidate's report: no time, no absolute path, the same for the same inputs."""
    figures = table.metrics
    return {
        "version": version,
        "state": "candidate",
        "purpose": None,
        "reference_year": reference_year,
        "build_id": build_id,
        "parameters": dict(parameters),
        "population": table.population,
        "tables": [
            {
                "file": name,
                "kind": "microdata_public",
                "quasi_identifiers": list(COLUMNS),
                "sensitive": [],
                "k": figures.k,
                "k_threshold": K_PUBLIC,
                "loss": figures.loss,
                "rows": figures.rows,
                "classes": figures.classes,
                "average_class": figures.average_class,
                "suppressed": figures.suppressed,
                "suppressed_share": figures.suppressed_share,
                "max_risk": figures.max_risk,
                "average_risk": figures.average_risk,
                "cells": table.cells,
                "levels": table.levels,
            }
            for name in _TABLES
        ],
        "outputs_by_kind": [
            {"kind": "microdata", "files": list(_TABLES), "people": figures.rows, "k": figures.k},
            *(other.entry for other in others),
        ],
        "declared": [products.declare(other.request) for other in others],
        "calibration": compared(table.tried, parameters["k"]),
        **accountability(figures.k, figures.suppressed_share, figures.loss),
        "checks": [],
        "inputs": inputs,
        "deliveries": deliveries,
        "prepared_by": JOB,
        "approvers": [],
    }


def _requests(
    folder: Path,
    evidence: Path,
    report: Mapping[str, Any],
    approvers: Sequence[str] = (),
    earlier: Sequence[Path] = (),
) -> list[Any]:
    """Return what the gate is asked of a candidate: each kind, then all of them together."""
    table = report["tables"][0]
    # A folder of its own beside the module of the same name: a path, not a package.
    hierarchies = Path(str(resources.files(__package__))) / "hierarchies"
    everything = [*_sealed(report), "report.json"]
    bands = json.loads((evidence / "bands.json").read_text(encoding="utf-8"))
    vault = evidence.parents[1]
    sorties = sorted(str(path) for path in (vault / "sorties").glob("*.json"))
    requests: list[Any] = [
        Request(
            folder=str(folder),
            parquet=_TABLES[0],
            csv=_TABLES[1],
            hierarchies={name: str(hierarchies / f"{name}.csv") for name in COLUMNS},
            k=K_PUBLIC,
            rows=table["rows"],
            suppressed=table["suppressed"],
            population=report["population"]["kept"],
            companions=tuple(name for name in everything if name not in _TABLES),
            bands={name: tuple(band) for name, band in bands.items()},
            attacked=str(evidence / "people.parquet"),
            classes=str(evidence / "classes.parquet"),
            earlier=tuple(str(each / "classes.parquet") for each in earlier),
            sorties=tuple(sorties),
        )
    ]
    for body in report["declared"]:
        requests.append(products.undeclare(body, folder, vault))
        if isinstance(requests[-1], TableRequest):
            requests[-1].earlier.update(_earlier_tables(earlier))
            requests[-1].sorties.extend(sorties)
    populations = {"microdata": str(evidence / "classes.parquet")}
    for each in report["outputs_by_kind"][1:]:
        populations[each["kind"]] = str(evidence / f"{each['kind']}.people.parquet")
    requests.append(
        TogetherRequest(
            str(folder),
            everything,
            [each["kind"] for each in report["outputs_by_kind"]],
            populations,
            "report.json",
            report["prepared_by"],
            list(approvers),
        )
    )
    return requests


def _sealed(report: Mapping[str, Any]) -> list[str]:
    """Return the files of a candidate beside its report."""
    names = [*_TABLES, "README.txt"]
    for each in report["outputs_by_kind"][1:]:
        names += [*each["files"], f"{each['kind']}.report.json"]
    return names


def _earlier(home: Home) -> list[Path]:
    """Return what the vault keeps of each release; a release without it is an error to find."""
    return [
        home.vault / "releases" / folder.name
        for folder in sorted(home.release.iterdir())
        if folder.is_dir() and _VERSION.fullmatch(folder.name)
    ]


def _earlier_tables(earlier: Sequence[Path]) -> dict[str, dict[str, Any]]:
    """Return the tables of earlier releases, as the gate is told of them."""
    found: dict[str, dict[str, Any]] = {}
    for kept in earlier:
        folder = kept.parents[2] / "release" / kept.name
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        for body in report.get("declared", ()):
            request = products.undeclare(body, folder, kept.parents[1])
            if isinstance(request, TableRequest):
                for name, declared in request.tables.items():
                    # Another build is other people: what they share is judged cell by cell.
                    population = f"{declared['population']} of {kept.name}"
                    found[str(folder / name)] = {**declared, "population": population}
    return found


def _makers(home: Home, version: str) -> list[str]:
    return [
        str(entry["account"])
        for entry in journal.read(_journal(home))
        if entry["event"] == "candidate_prepared"
        and entry.get("version") == version
        and entry.get("account", "root") not in ("root", "unknown")
    ]


def _refuse(home: Home, version: str, verdict: Verdict, stage: str) -> NoReturn:
    """Record a refusal and raise it."""
    path = home.vault / "refusals" / f"{version}.json"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    body = {
        "version": version,
        "stage": stage,
        "failed": list(verdict.failed),
        "checks": [asdict(check) for check in verdict.checks],
    }
    temporary = path.with_name(f"{_ATTEMPT}{path.name}")
    temporary.unlink(missing_ok=True)
    _write_json(temporary, body)
    temporary.replace(path)
    journal.append(
        _journal(home), "refused", version=version, stage=stage, failed=list(verdict.failed)
    )
    raise Refused(
        f"the gate refused {version}: {', '.join(verdict.failed)} failed; nothing was released. "
        f"See vault/refusals/{path.name}"
    )


def _same_as_before(
    folder: Path, inputs: list[dict[str, str]], deliveries: list[dict[str, Any]]
) -> dict[str, Any]:
    """Return the report of a version that exists, if it is whole and of the same inputs."""
    report = _read_report(folder)
    if [entry["sha256"] for entry in report["inputs"]] != [entry["sha256"] for entry in inputs]:
        raise OpenChronicError(
            f"version {folder.name} exists for the same build id with other files; "
            "builds are immutable: give the new build an id of its own"
        )
    if report["deliveries"] != deliveries:
        raise OpenChronicError(
            f"version {folder.name} exists for the same build id with other deliveries; "
            "name the deliveries that the build was made from"
        )
    if report["outputs"] != _outputs(folder, _sealed(report)):
        raise OpenChronicError(
            f"the files of {folder.parent.name}/{folder.name} were changed after they were "
            "written; move the folder away and prepare it again"
        )
    return report


def _verified(home: Home, candidate: Path) -> dict[str, Any]:
    """Return a candidate's report after checking that nothing changed since the gate saw it."""
    version = candidate.name
    entries = [
        entry
        for entry in journal.read(_journal(home))
        if entry["event"] == "candidate_prepared" and entry.get("version") == version
    ]
    changed = f"candidate {version} is not what was prepared; remove it and prepare it again"
    if candidate.is_symlink():
        raise Refused(changed)
    try:
        if not entries or entries[-1]["report_sha256"] != _sha256(candidate / "report.json"):
            raise Refused(changed)
        report = _read_report(candidate)
        if report["version"] != version or report["outputs"] != _outputs(
            candidate, _sealed(report)
        ):
            raise Refused(changed)
    except OSError as error:
        raise Refused(changed) from error
    return report


def _read_report(folder: Path) -> dict[str, Any]:
    try:
        report: dict[str, Any] = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise OpenChronicError(
            f"{folder.parent.name}/{folder.name}/report.json cannot be read"
        ) from error
    return report


# --- people who are in several releases ---------------------------------------------------------


def _deliveries(deliveries: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return deliveries as ``{id, generated}``, sorted; what is not surely generated is not."""
    return sorted(
        (
            {"id": str(entry["id"]), "generated": entry.get("generated") is True}
            for entry in deliveries
        ),
        key=lambda entry: str(entry["id"]),
    )


def _check_composition(home: Home, version: str, report: Mapping[str, Any]) -> None:
    """Refuse a second recoding of the same people: two k-anonymous tables intersect."""
    hashes = sorted(entry["sha256"] for entry in report["inputs"])
    for folder in home.release.iterdir():
        if not folder.is_dir() or not _VERSION.fullmatch(folder.name):
            continue
        other = _read_report(folder)
        if sorted(entry["sha256"] for entry in other["inputs"]) == hashes:
            raise Refused(
                f"release {folder.name} already shows the same patients; a second recoding "
                f"({version}) could be intersected with it and undo both"
            )


def _check_indicators(home: Home, attempt: Path, report: Mapping[str, Any]) -> None:
    """Refuse a patient table from which released indicators of its year differ by a few people."""
    for folder in sorted(home.release.glob("*-indicators-*")):
        if not folder.is_dir() or not _OF_ANY_KIND.fullmatch(folder.name):
            continue
        near = microdata_near(attempt / _TABLES[1], int(report["reference_year"]), folder)
        if near:
            raise Refused(
                f"{near} cells of release {folder.name} differ from the rows of this patient "
                "table by 1 to 10 people, who would be told; release one of the two for a year"
            )


# --- files --------------------------------------------------------------------------------------


def _journal(home: Home) -> Path:
    return home.vault / "journal.jsonl"


@contextlib.contextmanager
def vault_lock(home: Home) -> Iterator[None]:
    """Hold the one lock over candidates, releases and journal."""
    descriptor = os.open(home.vault / "release.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _recover(home: Home) -> None:
    """Put right what a kill left: attempts, a candidate already released, a missing entry."""
    for zone in (home.candidate, home.release, home.vault / "releases"):
        for leftover in zone.glob(f"{_ATTEMPT}*"):
            shutil.rmtree(leftover, ignore_errors=True)
    for leftover in home.scratch.glob(f"{_WORK}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    entries = journal.read(_journal(home))
    published = {e.get("version") for e in entries if e["event"] == "published"}
    for folder in sorted(home.release.iterdir()):
        if not _OF_ANY_KIND.fullmatch(folder.name):
            continue
        begun = [
            e for e in entries if e["event"] == "publishing" and e.get("version") == folder.name
        ]
        if folder.name not in published and begun:
            facts = {
                name: begun[-1][name]
                for name in ("version", "approvers", "purpose", "report_sha256")
            }
            journal.append(_journal(home), "published", recovered=True, **facts)
        _remove(home.candidate / folder.name)


def _remove(folder: Path) -> None:
    """Remove a folder so that it is never seen half-empty under its own name."""
    if folder.is_dir():
        hidden = folder.with_name(f"{_ATTEMPT}{uuid.uuid4().hex}")
        folder.rename(hidden)
        shutil.rmtree(hidden, ignore_errors=True)


def _relative(home: Home, file: Path) -> str:
    """Return a path that tells nothing of the machine."""
    root = home.root.resolve()
    return file.relative_to(root).as_posix() if file.is_relative_to(root) else file.name


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _outputs(folder: Path, names: Sequence[str]) -> list[dict[str, str]]:
    return [{"file": name, "sha256": _sha256(folder / name)} for name in names]


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def _write_json(path: Path, body: Mapping[str, Any]) -> None:
    _write(path, json.dumps(body, indent=2, ensure_ascii=False, sort_keys=True) + "\n")


def _seal(folder: Path) -> None:
    """Make the files read-only and durable before the folder gets its name."""
    for path in folder.iterdir():
        path.chmod(0o444)
        _sync(path)
    _sync(folder)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
