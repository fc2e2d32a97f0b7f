"""The indicators of one year from the base: time, growth, and the analysts' queries on them."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from typing import Any

from openchronic_assets import progress
from openchronic_assets.bench.cases import case, result
from openchronic_assets.bench.measure import Usage, measure
from openchronic_assets.errors import OpenChronicError, UsageError

YEARS = (2018, 2020)
YEAR = 2019  # the year built, with a year on each side of it
MEMORY = "3GB"
# 1 million persons in 2 minutes on 2 cores, in processor time: other loads do not change that.
BAR_PROCESSOR = 240.0
BAR_QUERY = 1.0
# Under these numbers of persons what a statement costs by itself is most of the time.
ENOUGH_PERSONS = 100_000


@dataclass(frozen=True)
class Size:
    """How many persons are generated, and how many times they are copied."""

    persons: int
    copies: tuple[int, ...]


SIZES = {
    "small": Size(500, (1, 4)),
    "medium": Size(10_000, (1, 2, 5, 10)),
    "full": Size(100_000, (1, 2, 5, 10)),
}


def bench_indicators(size: str = "small", persons: int | None = None) -> dict[str, Any]:
    """Build all indicators of one year on a generated base whose people are copied.

    **The people are replicated**: copies of those generated, with identifiers of their own and
    departments moved along the list. Generating, building the base and copying are not in the
    figures; only the models of intermediate/indicators, marts/measures and marts/indicators are
    timed, without dbt's start. Cases with a bar:

    - *processor seconds* of the step, a million persons over ``BAR_PROCESSOR`` (2 minutes of 2
      cores), from ``ENOUGH_PERSONS`` on;
    - *growth* of processor time over that of persons, from size to size, from ``ENOUGH_PERSONS``;
    - *p95* of each query of docs/queries on the largest size: under a second.

    Args:
        size: ``small`` (a minute or two: it says that all runs), ``medium`` (100,000 persons by
            copies), or ``full`` (a million; an hour or more, 30 GB of disk).
        persons: persons generated instead of those of ``size``.

    Raises:
        UsageError: no such size.
        OpenChronicError: a step failed, or rows were lost.
    """
    if size not in SIZES:
        raise UsageError(f"no size {size!r}; there are: {', '.join(SIZES)}")
    chosen = SIZES[size]
    count = persons or chosen.persons
    with tempfile.TemporaryDirectory(prefix="openchronic-bench-") as name:
        place = f"{name}/home"
        progress.report("base", 0, 3)
        measure(
            "deliver", module="indicator_steps", folder=place, persons=count, years=YEARS,
            processes=os.cpu_count() or 1,
        )  # fmt: skip
        progress.report("base", 1, 3)
        lines = measure("ingest", module="indicator_steps", folder=place).result
        if lines["read"] != lines["kept"]:
            raise OpenChronicError(f"{lines['read']} rows were read and {lines['kept']} kept")
        progress.report("base", 2, 3)
        measure("base", module="indicator_steps", folder=place, years=YEARS, memory=MEMORY)
        progress.report("base", 3, 3)
        found: list[Usage] = []
        for number, copies in enumerate(chosen.copies):
            progress.report("indicators", number, len(chosen.copies))
            found.append(
                measure(
                    "indicators", module="indicator_steps", folder=place, copies=copies,
                    year=YEAR, memory=MEMORY,
                )
            )  # fmt: skip
        progress.report("indicators", len(chosen.copies), len(chosen.copies))
    return result("indicators", _cases(found, chosen.copies))


def _cases(found: list[Usage], copies: tuple[int, ...]) -> list[dict[str, Any]]:
    told = [usage.result for usage in found]
    for usage, times in zip(told, copies, strict=True):
        if usage["persons"] * copies[0] != told[0]["persons"] * times:
            raise OpenChronicError(
                f"{times} copies hold {usage['persons']} persons, not "
                f"{told[0]['persons'] * times // copies[0]}"
            )
    last = told[-1]
    enough = last["persons"] >= ENOUGH_PERSONS
    million = last["cpu"] / last["persons"] * 1e6
    cases = [
        case(
            "processor seconds a million persons / those allowed", million / BAR_PROCESSOR,
            "ratio", 1.0 if enough else None,
        )
    ]  # fmt: skip
    for before, after in zip(told, told[1:], strict=False):
        growth = (after["cpu"] / before["cpu"]) / (after["persons"] / before["persons"])
        bar = 1.15 if before["persons"] >= ENOUGH_PERSONS else None
        label = f"{before['persons']:,} to {after['persons']:,} persons"
        cases.append(case(f"growth of processor time, {label}", growth, "ratio", bar))
    cases += [
        case(f"query {name}, p95", seconds, "s", BAR_QUERY)
        for name, seconds in last["queries"].items()
    ]
    cases += [
        case("persons, copies of those generated", last["persons"], "persons"),
        case("copies", copies[-1], "times"),
        case("care events of the year", last["events"], "rows"),
        case("indicator step", last["seconds"], "s"),
        case("indicator step", last["cpu"], "processor s"),
        case("indicator step a million persons", million, "processor s"),
        case("yardstick: days of care of each person", last["yardstick"], "processor s"),
        case("indicator step / yardstick", last["cpu"] / max(last["yardstick"], 1e-9), "times"),
        case("peak memory of the largest", found[-1].peak, "MB"),
        case("values told", last["values"], "rows"),
    ]
    slow = sorted(last["nodes"], key=lambda node: -float(node[1]))
    return cases + [case(f"model {name}", float(seconds), "s") for name, seconds in slow]
