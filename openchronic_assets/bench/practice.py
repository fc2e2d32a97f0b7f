"""Networks and practice variation at the size of a large region: time and memory."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from typing import Any

from openchronic_assets import progress
from openchronic_assets.bench.cases import case
from openchronic_assets.bench.measure import measure
from openchronic_assets.errors import OpenChronicError, UsageError

BAR_PROJECTION = (30.0, 4_000.0)  # seconds, megabytes
BAR_COMMUNITIES = (120.0, 6_000.0)
BAR_VARIATION = 10.0


@dataclass(frozen=True)
class Size:
    """How many persons and providers meet, ten providers a person."""

    persons: int
    providers: int
    indicators: int


SIZES = {
    "small": Size(20_000, 2_000, 10),
    "medium": Size(200_000, 20_000, 100),
    "full": Size(1_000_000, 100_000, 100),
}


def practice_cases(size: str = "small") -> list[dict[str, Any]]:
    """Return the figures of the projection, of backbone and communities, and of variation.

    The pairs are invented (``practice_steps.draw``). Beside each figure stands its yardstick: the
    same projection by SQL in DuckDB, whose edges must be the same; random numbers drawn and sorted
    for variation. Bars are in processor seconds, which other loads
    do not change, and hold at the full size; a process's start is not in them.

    Raises:
        UsageError: no such size.
        OpenChronicError: a step failed, or the two projections differ.
    """
    if size not in SIZES:
        raise UsageError(f"no size {size!r}; there are: {', '.join(SIZES)}")
    chosen = SIZES[size]
    full = size == "full"
    with tempfile.TemporaryDirectory(prefix="openchronic-bench-") as folder:
        given = {"folder": folder, "providers": chosen.providers}
        progress.report("practice", 0, 5)
        drawn = measure("draw", module="practice_steps", persons=chosen.persons, **given).result
        progress.report("practice", 1, 5)
        projected = measure("project", module="practice_steps", **given)
        progress.report("practice", 2, 5)
        joined = measure("yardstick", module="practice_steps", **given)
        for name in ("edges", "shared"):
            if projected.result[name] != joined.result[name]:
                raise OpenChronicError(f"the two projections differ in {name}")
        progress.report("practice", 3, 5)
        thinned = measure("thin", module="practice_steps", **given)
        progress.report("practice", 4, 5)
    varied = measure("vary", module="practice_steps", indicators=chosen.indicators, departments=101)
    progress.report("practice", 5, 5)

    def bar(value: float) -> float | None:
        return value if full else None

    label = f"{drawn['pairs']:,} pairs, {chosen.providers:,} providers"
    told, peer, thin, vary = (each.result for each in (projected, joined, thinned, varied))
    return [
        # Both are of one thread: processor seconds are what a quiet machine takes.
        case(f"projection, {label}", told["cpu"], "processor s", bar(BAR_PROJECTION[0])),
        case("projection", told["seconds"], "s"),
        case("projection, peak memory", projected.peak, "MB", bar(BAR_PROJECTION[1])),
        case("yardstick: the same in SQL (DuckDB)", peer["cpu"], "processor s"),
        case("yardstick: the same in SQL (DuckDB)", peer["seconds"], "s"),
        case("yardstick, peak memory", joined.peak, "MB"),
        case("projection / yardstick", told["cpu"] / max(peer["cpu"], 1e-9), "times"),
        case(
            f"backbone and communities, {told['edges']:,} edges",
            thin["cpu"], "processor s", bar(BAR_COMMUNITIES[0]),
        ),
        case("backbone alone", thin["backbone"], "processor s"),
        case("backbone and communities", thin["seconds"], "s"),
        case(
            "backbone and communities, peak memory", thinned.peak, "MB", bar(BAR_COMMUNITIES[1])
        ),
        case("communities", thin["communities"], "communities"),
        case(
            f"variation, {chosen.indicators} indicators x 101 departments",
            vary["cpu"], "processor s", BAR_VARIATION,
        ),
        case("variation", vary["seconds"], "s"),
        case("yardstick: 20 million numbers drawn and sorted", vary["yardstick"], "processor s"),
    ]  # fmt: skip
