"""The analyses on invented marts: each part of the room adds its cases."""

from __future__ import annotations

import importlib
from typing import Any

from openchronic_assets.bench.cases import case, result
from openchronic_assets.bench.measure import measure
from openchronic_assets.errors import UsageError

# Parts, each a function (size) -> cases, imported when it is measured.
PARTS = {
    "risk": "openchronic_assets.bench.analytics:risk",
    "practice": "openchronic_assets.bench.practice:practice_cases",
}
PERSONS = {"small": 3_000, "medium": 50_000, "full": 200_000}
LANDMARKS = 3
# Three minutes on two cores, in processor time: other loads do not change that.
BAR_PROCESSOR = 360.0


def bench_analytics(size: str = "small") -> dict[str, Any]:
    """Measure every part of the analyses.

    Args:
        size: ``small`` (a minute: it says that all runs), ``medium``, or ``full`` (for the bars).

    Raises:
        UsageError: no such size.
        OpenChronicError: a step failed.
    """
    if size not in PERSONS:
        raise UsageError(f"no size {size!r}; there are: {', '.join(PERSONS)}")
    cases: list[dict[str, Any]] = []
    for where in PARTS.values():
        module, _, function = where.partition(":")
        cases += getattr(importlib.import_module(module), function)(size)
    return result("analytics", cases)


def risk(size: str) -> list[dict[str, Any]]:
    """Return the cases of the risk models: features and gradient boosting at three landmarks.

    Making the marts is not in the figures; reading them, the features and the fit are.
    """
    used = measure("risk", module="analytics_steps", persons=PERSONS[size], landmarks=LANDMARKS)
    told = used.result
    full = size == "full"
    return [
        case(
            "risk: features and boosting, processor time / that allowed",
            (told["features_cpu"] + told["boosting_cpu"]) / BAR_PROCESSOR,
            "ratio", 1.0 if full else None,
        ),
        case("risk: people x landmarks", told["rows"], "rows"),
        case("risk: events read", told["events"], "rows"),
        case("risk: features", told["features"], "s"),
        case("risk: features", told["features_cpu"], "processor s"),
        case("risk: gradient boosting", told["boosting"], "s"),
        case("risk: gradient boosting", told["boosting_cpu"], "processor s"),
        case("risk: yardstick, days of care of each person", told["yardstick"], "processor s"),
        case(
            "risk: features / yardstick",
            told["features_cpu"] / max(told["yardstick"], 1e-9),
            "times",
        ),
        case("risk: peak memory", used.peak, "MB"),
    ]  # fmt: skip
