"""The release gate: reads the written files again and refuses on any doubt.

A second implementation, in plain Python over the bytes on disk. It shares no code with the
recoders, the table protection or the noise it judges; it reads hierarchies, ledger and files with
readers of its own, and runs in a fresh process with a time limit. It fails closed: a check that
raises, is missing, measures nothing or NaN, a process that dies, hangs or answers nonsense is a
refusal. Verdicts name columns and counts, never a value of a row.

One request a kind of output: ``microdata`` (:class:`Request`), ``tables``, ``cube``, ``research``,
``indicators``, and ``together`` for what only shows when they are put side by side. Requirements
A01-A20 are mapped to the checks in docs/anonymisation.md.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from openchronic_assets.anonymisation.gate import (
    cube,
    indicator_evidence,
    indicators,
    microdata,
    research,
    tables,
    together,
)
from openchronic_assets.anonymisation.gate.cube import CubeRequest
from openchronic_assets.anonymisation.gate.indicator_evidence import IndicatorRequest
from openchronic_assets.anonymisation.gate.microdata import Request
from openchronic_assets.anonymisation.gate.research import ResearchRequest
from openchronic_assets.anonymisation.gate.tables import TableRequest
from openchronic_assets.anonymisation.gate.together import TogetherRequest
from openchronic_assets.anonymisation.gate.verdict import Check, Finding, Verdict
from openchronic_assets.anonymisation.gate.verdict import judge as _judge

__all__ = [
    "CHECKS",
    "CHECK_NAMES",
    "DEFAULT_TIMEOUT",
    "Check",
    "CubeRequest",
    "IndicatorRequest",
    "Request",
    "ResearchRequest",
    "TableRequest",
    "TogetherRequest",
    "Verdict",
    "inspect",
    "judge",
    "run_gate",
]

DEFAULT_TIMEOUT = 600.0

AnyRequest = (
    Request | TableRequest | CubeRequest | ResearchRequest | TogetherRequest | IndicatorRequest
)

Evidence = Any

_KINDS: dict[type, tuple[type, dict[str, Callable[[Evidence], Finding]]]] = {
    Request: (microdata.Evidence, microdata.CHECKS),
    TableRequest: (tables.Evidence, tables.CHECKS),
    CubeRequest: (cube.Evidence, cube.CHECKS),
    ResearchRequest: (research.Evidence, research.CHECKS),
    TogetherRequest: (together.Evidence, together.CHECKS),
    IndicatorRequest: (indicator_evidence.Evidence, indicators.CHECKS),
}
_BY_NAME = {kind.__name__: kind for kind in _KINDS}

CHECKS = microdata.CHECKS
CHECK_NAMES = tuple(CHECKS)


def _many(requests: AnyRequest | Sequence[AnyRequest]) -> list[AnyRequest]:
    return list(requests) if isinstance(requests, list | tuple) else [requests]  # type: ignore[list-item]


def expected(requests: AnyRequest | Sequence[AnyRequest]) -> list[str]:
    """Return the names of the checks that requests call for."""
    return [name for request in _many(requests) for name in _KINDS[type(request)][1]]


def inspect(requests: AnyRequest | Sequence[AnyRequest]) -> list[Check]:
    """Make every check in this process; one that raises is a check that failed."""
    checks = []
    for request in _many(requests):
        reader, functions = _KINDS[type(request)]
        evidence = reader(request)
        for name, function in functions.items():
            try:
                found = function(evidence)
                checks.append(
                    Check(name, found.passed, found.detail, found.threshold, found.measured)
                )
            except Exception as error:
                # The message of an engine may quote the file: only its kind is told.
                checks.append(Check(name, False, f"raised {type(error).__name__}", None, None))
    return checks


def judge(checks: Sequence[Check], names: Sequence[str] = CHECK_NAMES) -> Verdict:
    """Accept only if each expected check is there once, measured something and passed."""
    return _judge(checks, names)


def run_gate(
    requests: AnyRequest | Sequence[AnyRequest],
    timeout: float = DEFAULT_TIMEOUT,
    command: Sequence[str] | None = None,
) -> Verdict:
    """Judge written files in a fresh process.

    Args:
        requests: what the release is declared to be; at most one of a kind.
        timeout: seconds; beyond, the release is refused.
        command: the process to run instead of this module (tests).

    Returns:
        The verdict. This function does not raise for what the process does: a failure of the
        gate is a refusal, with the check ``gate_process``.
    """
    root = str(Path(__file__).resolve().parents[3])
    environment = dict(os.environ)
    environment["PYTHONPATH"] = os.pathsep.join(
        part for part in (root, environment.get("PYTHONPATH", "")) if part
    )
    body = [{"kind": type(each).__name__, **asdict(each)} for each in _many(requests)]
    try:
        done = subprocess.run(
            list(command or (sys.executable, "-m", "openchronic_assets.anonymisation.gate")),
            input=json.dumps(body),
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=timeout,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return _broken(f"no verdict within {timeout:g} s", timeout)
    except OSError as error:
        return _broken(f"the gate could not start ({type(error).__name__})", 0)
    if done.returncode != 0:
        return _broken(f"the gate's process ended with code {done.returncode}", done.returncode)
    try:
        answer: Any = json.loads(done.stdout)
        checks = [Check(**entry) for entry in answer["checks"]]
    except (ValueError, KeyError, TypeError):
        return _broken("the gate's answer cannot be read", 0)
    return judge(checks, expected(requests))


def _broken(detail: str, measured: float) -> Verdict:
    """Return the refusal of a gate that gave no verdict."""
    return Verdict(False, (Check("gate_process", False, detail, 0, measured),))


def main() -> None:
    """Read requests on standard input, print the verdicts as JSON on standard output."""
    requests = []
    for body in json.load(sys.stdin):
        kind = _BY_NAME[body.pop("kind")]
        requests.append(kind(**body))
    json.dump({"checks": [asdict(check) for check in inspect(requests)]}, sys.stdout)
