"""What a check says, and when a set of checks is an acceptance."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """The verdict of one check; ``measured`` is None when the check could not measure."""

    name: str
    passed: bool
    detail: str
    threshold: float | int | str | None
    measured: float | int | str | None


@dataclass(frozen=True)
class Finding:
    """What a check found, before it has a name."""

    passed: bool
    detail: str
    threshold: float | int | str
    measured: float | int | str


@dataclass(frozen=True)
class Verdict:
    """The verdict of the gate: accepted only if every check was made and passed."""

    accepted: bool
    checks: tuple[Check, ...]

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of the checks that did not pass."""
        return tuple(check.name for check in self.checks if not check.passed)


def judge(checks: Sequence[Check], expected: Sequence[str]) -> Verdict:
    """Accept only if each expected check is there once, measured something and passed."""
    result = list(checks)
    names = Counter(check.name for check in checks)
    for name in expected:
        if names[name] != 1:
            result.append(Check(name, False, f"made {names[name]} times", 1, names[name]))
    for name in sorted(set(names) - set(expected)):
        result.append(Check(name, False, "unknown check", 0, names[name]))
    result = [
        check if _measured(check) else Check(check.name, False, check.detail, check.threshold, None)
        for check in result
    ]
    return Verdict(bool(expected) and all(check.passed is True for check in result), tuple(result))


def _measured(check: Check) -> bool:
    """Tell whether a verdict rests on a real measurement."""
    for value in (check.measured, check.threshold):
        if value is None or isinstance(value, bool):
            return False
        if isinstance(value, float) and not math.isfinite(value):
            return False
    return isinstance(check.passed, bool)
