"""Twenty analysts at work while five years are built again: errors, answers' times, the backfill's.

Each analyst is a process with read-only connections of its own to the published catalogue, and asks
one query of ``docs/queries`` every ten seconds, not all at the same moment. The backfill is that of
a new vintage of the referential of people: every model, five years, tested and published, while
they ask. It is timed twice in the same run: alone, then with the analysts.
"""

from __future__ import annotations

import math
import os
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openchronic_assets import progress
from openchronic_assets.bench.cases import case, result
from openchronic_assets.bench.measure import Usage, measure
from openchronic_assets.errors import OpenChronicError, UsageError

QUERIES = Path(__file__).parents[2] / "docs" / "queries"
YEARS = (2015, 2019)
ANALYSTS = 20
EVERY = 10.0  # seconds between two queries of an analyst
BAR_ANSWER = 5.0
BAR_BACKFILL = 2.5
SIZES = {"small": 300, "medium": 5_000, "full": 50_000}


@dataclass(frozen=True)
class Asked:
    """One query of an analyst: which, seconds from when it was due to its last row, what failed."""

    query: str
    seconds: float
    error: str | None


def bench_load(
    size: str = "small", persons: int | None = None, analysts: int = ANALYSTS
) -> dict[str, Any]:
    """Build five years again under the queries of analysts.

    Cases with a bar:

    - *errors*: queries that failed, or gave other rows than on the quiet catalogue: none.
    - *answers*: the 95th percentile of the seconds from when a query was due to its last row.
    - *backfill*: seconds under load over seconds alone.

    Args:
        size: ``small`` (minutes), ``medium`` or ``full``.
        persons: persons instead of those of ``size``.
        analysts: how many ask.

    Raises:
        UsageError: no such size, or the published queries are not beside the package.
        OpenChronicError: a step failed.
    """
    if size not in SIZES:
        raise UsageError(f"no size {size!r}; there are: {', '.join(SIZES)}")
    if not any(QUERIES.glob("*.sql")):
        raise UsageError("the published queries are in docs/queries of a checkout: run it there")
    count = persons or SIZES[size]
    with tempfile.TemporaryDirectory(prefix="openchronic-bench-") as name:
        place = f"{name}/home"
        _step("deliver", folder=place, persons=count, years=YEARS, processes=os.cpu_count() or 1)
        _step("take_in", folder=place)
        # The first build parses the models and reads the raw files for the first time.
        _step("backfill", folder=place, years=YEARS)
        _step("new_vintage", folder=place, number=1)
        alone = _step("backfill", folder=place, years=YEARS)
        quiet = _step("answers", folder=place, queries=str(QUERIES)).result["rows"]
        _step("new_vintage", folder=place, number=2)
        loaded, asked = _loaded(Path(name), place, analysts, quiet)
    return result("load", cases(alone, loaded, asked, analysts))


def cases(
    alone: Usage, loaded: Usage, asked: Sequence[Asked], analysts: int
) -> list[dict[str, Any]]:
    """Return the figures of a run.

    Raises:
        OpenChronicError: nobody asked, or the backfills did not do the same work.
    """
    if not asked:
        raise OpenChronicError("the backfill ended before an analyst asked: give more persons")
    if alone.result["written"] != loaded.result["written"] or not alone.result["written"]:
        raise OpenChronicError("the two backfills of the benchmark did not write the same parts")
    times = [each.seconds for each in asked]
    failed = [each for each in asked if each.error]
    slowest = max(asked, key=lambda each: each.seconds)
    errors = [case(f"error: {e.query}: {e.error}", 1, "queries") for e in failed[:5]]
    return [
        case("queries that failed or gave other rows", len(failed), "queries", 0),
        case("answers, 95th percentile", percentile(times, 0.95), "s", BAR_ANSWER),
        case(
            "backfill under load / alone",
            loaded.result["seconds"] / alone.result["seconds"], "ratio", BAR_BACKFILL,
        ),
        *errors,
        case("analysts", analysts, "processes"),
        case("queries asked while the backfill ran", len(asked), "queries"),
        case("answers, median", percentile(times, 0.5), "s"),
        case(f"slowest answer: {slowest.query}", slowest.seconds, "s"),
        case("backfill of five years alone", alone.result["seconds"], "s"),
        case("backfill of five years under load", loaded.result["seconds"], "s"),
        case("parts written by each backfill", loaded.result["written"], "files"),
        case("peak memory of the backfill under load", loaded.peak, "MB"),
    ]  # fmt: skip


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest of the values that at least this share of them does not exceed."""
    return sorted(values)[max(math.ceil(share * len(values)) - 1, 0)]


def _loaded(
    folder: Path, place: str, analysts: int, quiet: dict[str, str]
) -> tuple[Usage, list[Asked]]:
    """Build again while the analysts ask; return what it took and what they got meanwhile."""
    ready, stop = folder / "ready", folder / "stop"
    found: list[Usage] = []
    failure: list[OpenChronicError] = []

    def ask() -> None:
        try:
            found.append(
                measure(
                    "ask", module="load_steps", folder=place, queries=str(QUERIES), quiet=quiet,
                    analysts=analysts, every=EVERY, ready=str(ready), stop=str(stop),
                )
            )  # fmt: skip
        except OpenChronicError as error:
            failure.append(error)

    people = threading.Thread(target=ask)
    people.start()
    try:
        while people.is_alive() and not ready.exists():
            people.join(0.1)
        loaded = _step("backfill", folder=place, years=YEARS)
    finally:
        stop.touch()
        people.join()
    if failure:
        raise failure[0]
    return loaded, [Asked(*each) for each in found[0].result["asked"]]


def _step(name: str, **arguments: Any) -> Usage:
    module = "base_steps" if name == "deliver" else "load_steps"
    progress.report(name.replace("_", " "), 0, 1)
    found = measure(name, module=module, **arguments)
    progress.report(name.replace("_", " "), 1, 1)
    return found
