"""The public release of indicators: candidate, gate, two approvals, release.

It goes the way of the other releases (``release.py``): made in a hidden attempt folder, judged on
its written bytes by a second implementation in a fresh process, renamed to
``candidate/<year>-indicators-<hash>/``; two people move it to ``release/``. It is made from true
counts and cards that the caller gives, and held against every release that is there.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

from openchronic_assets.anonymisation import flow_files, indicator_files, journal
from openchronic_assets.anonymisation.approvals import JOB, approved, is_producing
from openchronic_assets.anonymisation.care_flows import CareFlows
from openchronic_assets.anonymisation.gate import IndicatorRequest, run_gate
from openchronic_assets.anonymisation.indicator_composition import near_microdata, read_earlier
from openchronic_assets.anonymisation.indicator_readme import LIMITS, indicator_readme
from openchronic_assets.anonymisation.indicator_tables import (
    BANDS,
    Counted,
    Territories,
    judge,
)
from openchronic_assets.anonymisation.pathway_tables import Pathway
from openchronic_assets.anonymisation.release import (
    _ATTEMPT,
    _account,
    _deliveries,
    _journal,
    _makers,
    _recover,
    _refuse,
    _remove,
    _sha256,
    _sync,
    _write,
    _write_json,
    vault_lock,
)
from openchronic_assets.anonymisation.tables import DOMINANCE, THRESHOLD
from openchronic_assets.errors import OpenChronicError, Refused, UsageError
from openchronic_assets.settings import Home

METHOD = "indicators-3"
"""Name of the method, part of the version: change it when the same input gives other bytes."""

PATIENCE = 1800.0
"""Seconds given to the gate: a million cells take some minutes."""

VERSION = re.compile(r"\d{4}-indicators-[0-9a-f]{8}")
_MICRODATA = re.compile(r"\d{4}-[0-9a-f]{8}")


def prepare_indicators(
    home: Home,
    territories: Territories,
    tables: Sequence[Counted],
    cards: Mapping[str, Mapping[str, Any]],
    build_id: str,
    deliveries: Sequence[Mapping[str, Any]],
    *,
    spread: indicator_files.Spread | None = None,
    pathways: Sequence[Pathway] = (),
    care: Sequence[Sequence[CareFlows]] = (),
    gate_timeout: float = PATIENCE,
    gate_command: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Protect the counts, write the files and, if the gate accepts them, the candidate.

    Args:
        home: the zones.
        territories: departments, regions, the country.
        tables: true counts by department, sex and age.
        cards: what is said of each indicator, by its name.
        build_id: the build that the counts come from.
        deliveries: ``{"id": str, "generated": bool}`` for every delivery behind the build.
        spread: what is told of the variation between shown territories; nothing without it.
        pathways: true counts of pathways, by index year.
        care: true counts of where people are hospitalised, by year: departments, regions.
        gate_timeout: seconds given to the gate.
        gate_command: the gate's process, for tests.

    Returns:
        The candidate's report; the one already there when the same was prepared before.

    Raises:
        Refused: nothing can leave, or the gate refused; only ``vault/refusals/`` tells of it.
        OpenChronicError: another release cannot be read.
    """
    if not tables:
        raise Refused("no indicator of this build may leave")
    home.create()
    years = sorted({each.year for each in tables})
    parameters = {
        "method": METHOD,
        "years": years,
        "indicators": sorted({each.indicator for each in tables}),
        "pathways": sorted({each.name for each in pathways}),
        "care": sorted({each.year for levels in care for each in levels}),
    }
    sources = _deliveries(deliveries)
    with vault_lock(home):
        _recover(home)
        others = _others(home)
        body = {"build": build_id, "against": [each.name for each in others], **parameters}
        digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
        version = f"{years[-1]:04d}-indicators-{digest[:8]}"
        for zone in (home.release, home.candidate):
            if (zone / version).is_dir():
                return _as_before(zone / version, sources)
        attempt = home.candidate / f"{_ATTEMPT}{uuid.uuid4().hex}"
        attempt.mkdir(mode=0o750)
        evidence = home.vault / "releases" / f"{_ATTEMPT}{uuid.uuid4().hex}"
        evidence.mkdir(mode=0o700, parents=True)
        try:
            earlier = [each for each in others if VERSION.fullmatch(each.name)]
            microdata = [each for each in others if _MICRODATA.fullmatch(each.name)]
            found = judge(
                territories,
                tables,
                read_earlier(territories, tables, earlier),
                near_microdata(territories, tables, microdata),
            )
            if not found.judged:
                raise Refused("no indicator can be protected: too few people; nothing leaves")
            cells = indicator_files.write(attempt, found, cards, spread)
            flows = flow_files.judge(found, pathways, care, earlier)
            flow_files.write(attempt, flows)
            indicator_files.write_evidence(evidence, found)
            flow_files.write_evidence(evidence, flows)
            leaving = sorted({each.counted.indicator for each in found.judged})
            report = {
                "version": version,
                "kind": "indicators",
                "state": "candidate",
                "purpose": None,
                "build_id": build_id,
                "years": sorted({each.counted.year for each in found.judged}),
                "data_state": _by_year(cards, leaving, "data_state"),
                "flux_cutoff": _by_year(cards, leaving, "flux_cutoff"),
                "parameters": parameters,
                "rules": _rules(),
                "method": METHOD,
                "cells": {
                    **cells,
                    "total": sum(cells.values()),
                    "hidden_share": round(
                        cells["hidden"] / max(1, cells["shown"] + cells["hidden"]), 4
                    ),
                },
                "indicators": leaving,
                "omitted": dict(sorted(Counter(found.omitted.values()).items())),
                "flows": flows.summary,
                "composition": {
                    "held_against": [each.name for each in others],
                    "population": "everybody of known sex, age and department in the base: other "
                    "releases may be about the same people",
                },
                "limits": list(LIMITS),
                # No table of another kind: those who read all releases look for it.
                "tables": [],
                "deliveries": sources,
                "prepared_by": JOB,
                "approvers": [],
                "checks": [],
            }
            _write(attempt / "README.md", indicator_readme(report))
            _write_json(attempt / "report.json", report)
            request = _request(home, attempt, evidence, (), others)
            verdict = run_gate(request, gate_timeout, gate_command)
            if not verdict.accepted:
                _refuse(home, version, verdict, "candidate")
            report["checks"] = [asdict(check) for check in verdict.checks]
            report["outputs"] = _outputs(attempt)
            _write_json(attempt / "report.json", report)
            _seal(attempt)
            journal.append(
                _journal(home),
                "candidate_prepared",
                version=version,
                kind="indicators",
                indicators=len(leaving),
                cells=cells["shown"],
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


def publish_indicators(
    home: Home,
    version: str,
    approvers: Sequence[str],
    purpose: str | None = None,
    *,
    gate_timeout: float = PATIENCE,
    gate_command: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Move an approved candidate of indicators to ``release/``.

    Args:
        home: the zones.
        version: name of the candidate.
        approvers: two different people, or the two demonstration approvers.
        purpose: written in the report; always ``demonstration`` with the demonstration approvers.
        gate_timeout: seconds given to the gate.
        gate_command: the gate's process, for tests.

    Returns:
        The release's report.

    Raises:
        UsageError: there is no such candidate.
        Refused: the approvers, the files or the gate do not allow it; nothing is published.
    """
    if is_producing():
        raise Refused("the job that makes candidates cannot publish them: two people do")
    if not VERSION.fullmatch(version):
        raise UsageError("a release of indicators is named like 2021-indicators-3fa9c1d2")
    home.create()
    with vault_lock(home):
        _recover(home)
        candidate, target = home.candidate / version, home.release / version
        if target.exists():
            raise Refused(f"release {version} is already published and cannot change")
        if not candidate.is_dir():
            raise UsageError(
                f"there is no candidate {version}; `openchronic release indicators` prepares it"
            )
        report = _verified(home, candidate)
        names, purpose = approved(
            approvers, report["deliveries"], purpose, (JOB, *_makers(home, version))
        )
        evidence = home.vault / "releases" / version
        # Beside the candidate: what a kill leaves of it is not in the folder that strangers read.
        attempt = home.candidate / f"{_ATTEMPT}{uuid.uuid4().hex}"
        try:
            shutil.copytree(candidate, attempt)
            # Held against what was released since it was prepared, too.
            request = _request(home, attempt, evidence, names, _others(home))
            verdict = run_gate(request, gate_timeout, gate_command)
            if not verdict.accepted:
                _refuse(home, version, verdict, "release")
            if report["outputs"] != _outputs(attempt):
                raise Refused(f"candidate {version} changed while it was being published")
            report |= {
                "state": "release",
                "purpose": purpose,
                "approvers": names,
                "published_at": datetime.now(UTC).isoformat(timespec="seconds"),
                "checks": [asdict(check) for check in verdict.checks],
            }
            (attempt / "report.json").unlink()
            _write_json(attempt / "report.json", report)
            _seal(attempt)
            for folder in (attempt, attempt / "indicators"):
                folder.chmod(0o755)
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
        # True counts are in the base; the vault does not keep a second copy of them.
        shutil.rmtree(evidence, ignore_errors=True)
        return report


def list_indicator_releases(home: Home) -> list[dict[str, Any]]:
    """Return candidates and releases of indicators with their main figures."""
    found = []
    for state, zone in (("candidate", home.candidate), ("release", home.release)):
        for folder in sorted(zone.iterdir()) if zone.is_dir() else ():
            if not folder.is_dir() or not VERSION.fullmatch(folder.name):
                continue
            entry: dict[str, Any] = {"version": folder.name, "state": state, "kind": "indicators"}
            try:
                report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
                entry |= {
                    "readable": True,
                    "purpose": report["purpose"],
                    "build_id": report["build_id"],
                    "years": report["years"],
                    "approvers": report["approvers"],
                    "indicators": len(report["indicators"]),
                    "cells": report["cells"],
                }
            except (OSError, ValueError, KeyError, TypeError):
                entry["readable"] = False
            found.append(entry)
    return found


def _rules() -> dict[str, Any]:
    return {
        "threshold": THRESHOLD,
        "threshold_of": ["numerator", "denominator", "not_counted", "people", "contributors"],
        "narrowest_interval_of_a_forbidden_cell": THRESHOLD,
        "dominance": DOMINANCE,
        "age_groups": list(BANDS),
        "kinds": ["proportion", "rate", "mean"],
        "never": ["quantile", "ratio of amounts", "professional", "establishment", "person-years"],
    }


def _by_year(
    cards: Mapping[str, Mapping[str, Any]], names: Sequence[str], what: str
) -> dict[str, str]:
    """Return what the cards say of each year."""
    found: dict[str, str] = {}
    for name in names:
        found |= {str(year): str(value) for year, value in cards[name][what].items()}
    return dict(sorted(found.items()))


def _others(home: Home) -> list[Path]:
    """Return the releases of every kind that are public."""
    return [
        folder
        for folder in sorted(home.release.iterdir())
        if folder.is_dir() and (VERSION.fullmatch(folder.name) or _MICRODATA.fullmatch(folder.name))
    ]


def _request(
    home: Home, folder: Path, evidence: Path, approvers: Sequence[str], others: Sequence[Path]
) -> IndicatorRequest:
    hierarchies = Path(str(resources.files(__package__))) / "hierarchies"
    return IndicatorRequest(
        folder=str(folder),
        evidence=str(evidence),
        report="report.json",
        prepared_by=JOB,
        approvers=list(approvers),
        hierarchies={
            name: str(hierarchies / f"{name}.csv") for name in ("department", "age_group", "ald")
        },
        earlier=[str(each) for each in others if VERSION.fullmatch(each.name)],
        microdata=[str(each) for each in others if _MICRODATA.fullmatch(each.name)],
        sorties=sorted(str(path) for path in (home.vault / "sorties").glob("*.json")),
    )


def _outputs(folder: Path) -> list[dict[str, str]]:
    """Return the hash of every file beside the report."""
    return [
        {"file": path.relative_to(folder).as_posix(), "sha256": _sha256(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "report.json"
    ]


def _seal(folder: Path) -> None:
    """Make the files read-only and durable before the folder gets its name."""
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(0o444)
        _sync(path)
    _sync(folder)


def _as_before(folder: Path, deliveries: list[dict[str, Any]]) -> dict[str, Any]:
    report = _read(folder)
    if report["deliveries"] != deliveries:
        raise OpenChronicError(
            f"version {folder.name} exists for the same build id with other deliveries; "
            "name the deliveries that the build was made from"
        )
    if report["outputs"] != _outputs(folder):
        raise OpenChronicError(
            f"the files of {folder.parent.name}/{folder.name} were changed after they were "
            "written; move the folder away and prepare it again"
        )
    return report


def _verified(home: Home, candidate: Path) -> dict[str, Any]:
    """Return a candidate's report after checking that nothing changed since the gate saw it."""
    changed = f"candidate {candidate.name} is not what was prepared; remove it, prepare it again"
    entries = [
        entry
        for entry in journal.read(_journal(home))
        if entry["event"] == "candidate_prepared" and entry.get("version") == candidate.name
    ]
    if candidate.is_symlink() or any(path.is_symlink() for path in candidate.rglob("*")):
        raise Refused(changed)
    try:
        if not entries or entries[-1]["report_sha256"] != _sha256(candidate / "report.json"):
            raise Refused(changed)
        report = _read(candidate)
        if report["version"] != candidate.name or report["outputs"] != _outputs(candidate):
            raise Refused(changed)
    except OSError as error:
        raise Refused(changed) from error
    return report


def _read(folder: Path) -> dict[str, Any]:
    try:
        body: dict[str, Any] = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise OpenChronicError(
            f"{folder.parent.name}/{folder.name}/report.json cannot be read"
        ) from error
    return body
