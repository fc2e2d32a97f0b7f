"""Checks of what only shows side by side: populations, files of the folder, the report."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from openchronic_assets.anonymisation.gate.verdict import Finding

OPEN_KINDS = ("microdata", "tables", "cube")
STEPS = (
    "identifiers",
    "adversaries",
    "utility",
    "threshold",
    "measured_risk",
    "method",
    "process",
)
CRITERIA = ("singling_out", "linkability", "inference")


@dataclass(frozen=True)
class TogetherRequest:
    """What a release is as a whole.

    Attributes:
        folder: where it is.
        files: every file that may be there.
        kinds: kinds of output in it.
        populations: kind to a Parquet file (vault) of ``person`` (keyed hash).
        report: name of the report.
        prepared_by: the account or job that made it.
        approvers: who approved it; empty for a candidate.
    """

    folder: str
    files: list[str]
    kinds: list[str]
    populations: dict[str, str]
    report: str
    prepared_by: str
    approvers: list[str]


class Evidence:
    """The folder under judgement."""

    def __init__(self, request: TogetherRequest) -> None:
        self.request = request
        self.folder = Path(request.folder)

    @cached_property
    def report(self) -> dict[str, Any]:
        """Return the report."""
        body: dict[str, Any] = json.loads(
            (self.folder / self.request.report).read_text(encoding="utf-8")
        )
        return body


def _folder(e: Evidence) -> Finding:
    there = {path.name for path in e.folder.iterdir()}
    odd = sum(1 for path in e.folder.iterdir() if path.is_symlink() or not path.is_file())
    wrong = len(there ^ set(e.request.files)) + odd
    return Finding(wrong == 0, f"{wrong} files missing, not declared or not regular", 0, wrong)


def _kinds(e: Evidence) -> Finding:
    """Event-level data never pass the open gate."""
    closed = sum(1 for kind in e.request.kinds if kind not in OPEN_KINDS)
    wrong = closed + (not e.request.kinds) + (len(set(e.request.kinds)) != len(e.request.kinds))
    return Finding(wrong == 0, f"{closed} kinds are not for the open", 0, wrong)


def _disjoint(e: Evidence) -> Finding:
    """One kind of output for a person: no table can be held against the microdata."""
    people: dict[str, set[str]] = {}
    for kind, path in e.request.populations.items():
        values = pq.read_table(path, columns=["person"])["person"].to_pylist()
        people[kind] = set(values)
        if None in people[kind] or not people[kind] or len(people[kind]) != len(values):
            return Finding(False, "a population is empty or names a person twice", 0, "unknown")
    shared = sum(len(people[a] & people[b]) for a in people for b in people if a < b)
    good = shared == 0 and set(people) == set(e.request.kinds)
    return Finding(good, f"{len(people)} populations, {shared} people in two of them", 0, shared)


def _report(e: Evidence) -> Finding:
    """The seven steps of the EMA's report, the three criteria, the limits, figures that are."""
    body = e.report
    missing = sum(1 for step in STEPS if not body["steps"].get(step))
    missing += sum(1 for name in CRITERIA if not body["criteria"].get(name))
    missing += not body.get("limits")
    missing += {each["kind"] for each in body["outputs_by_kind"]} != set(e.request.kinds)
    claims = [each for each in body["outputs_by_kind"] if "epsilon" in each]
    missing += any(each["kind"] != "cube" for each in claims)
    missing += bool(re.search(r"NaN|Infinity", json.dumps(body)))
    return Finding(missing == 0, f"{missing} parts of the report missing or wrong", 0, missing)


def plain(name: str) -> tuple[str, ...]:
    """Return the parts of a name, without accents, case, order, titles or marks."""
    text = unicodedata.normalize("NFKD", name.split("@")[0]).casefold()
    letters = "".join(c for c in text if not unicodedata.combining(c))
    parts = re.findall(r"[^\W_]+", letters)
    return tuple(sorted(p for p in parts if p not in ("dr", "pr", "prof", "m", "mr", "mme", "ms")))


def _signers(e: Evidence) -> Finding:
    """No two approvers are one person, and none of them is who made it."""
    names = [plain(name) for name in e.request.approvers]
    same = len(names) - len(set(names)) + sum(1 for name in names if not name)
    same += plain(e.request.prepared_by) in names
    # None yet is a candidate; one alone approves nothing.
    good = same == 0 and len(names) != 1 and bool(e.request.prepared_by)
    return Finding(good, f"{len(names)} approvers, {same} not independent", 0, same)


CHECKS: dict[str, Callable[[Evidence], Finding]] = {
    "folder": _folder,
    "open_kinds": _kinds,
    "disjoint_populations": _disjoint,
    "report": _report,
    "signers": _signers,
}
