"""How fast and in what memory people are invented, against pyarrow writing the same tables."""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
from pathlib import Path
from typing import Any

from openchronic_assets import progress
from openchronic_assets.bench.cases import case, result
from openchronic_assets.bench.measure import Usage, measure
from openchronic_assets.errors import OpenChronicError, UsageError

REPEATS = 3
SIZES = {"small": 100_000, "large": 1_000_000}
YEAR = 2019
# At least 0.3 of pyarrow's rate, written as the largest ratio that holds.
BAR_RATE = 1 / 0.3
BAR_MEMORY = 2000.0


def bench_synth(size: str = "small", persons: int | None = None, times: int = 10) -> dict[str, Any]:
    """Generate one year of all France, as Parquet, on every processor, and measure.

    Cases:

    - *pyarrow / synth*: rows a processor second at which pyarrow writes the generated tables as
      CSV, over those at which they are generated and written; median of three, in turn. Processor
      seconds, so that the neighbours of a shared machine weigh less.
    - *growth*: time and peak memory from ``persons / times`` to ``persons``, per person.
    - *peak memory*, of the process and its workers together.

    Args:
        size: ``small`` for a hundred thousand persons, ``large`` for a million.
        persons: persons of the larger extract, instead of those of ``size``.
        times: how many times smaller the smaller one is.

    Raises:
        UsageError: no such size.
        OpenChronicError: an extract is not what it must be, or the disk is too small for it.
    """
    if size not in SIZES:
        raise UsageError(f"no size {size!r}; there are: {', '.join(SIZES)}")
    persons = persons or SIZES[size]
    sizes = {"small": max(persons // times, 1000), "large": persons}
    processes = os.cpu_count() or 1
    made: dict[str, list[Usage]] = {label: [] for label in sizes}
    written: list[Usage] = []
    with tempfile.TemporaryDirectory(prefix="openchronic-bench-") as name:
        for turn in range(REPEATS):
            progress.report("invent", turn, REPEATS)
            for label, count in sizes.items():
                folder = Path(name) / label
                usage = measure(
                    "synthesise", module="synth_steps", folder=str(folder), persons=count,
                    year=YEAR, processes=processes,
                )  # fmt: skip
                if usage.result["persons"] != count or usage.result["rows"] < count:
                    raise OpenChronicError(
                        f"the extract of the benchmark has {usage.result['persons']} persons and"
                        f" {usage.result['rows']} rows, {count} persons were asked for"
                    )
                made[label].append(usage)
                if label == "large":
                    written.append(
                        measure(
                            "write_csv",
                            module="synth_steps",
                            folder=str(folder),
                            out=f"{name}/out.csv",
                        )
                    )
                for each in (folder, folder.with_name(f"{label}.truth")):
                    shutil.rmtree(each, ignore_errors=True)
        progress.report("invent", REPEATS, REPEATS)
    large, small = made["large"], made["small"]
    rate = statistics.median(each.result["rows"] / each.result["cpu"] for each in large)
    plain = statistics.median(each.result["rows"] / each.result["cpu"] for each in written)
    seconds = _median(large, "seconds")
    grown = _median(large, "cpu") / _median(small, "cpu") / (sizes["large"] / sizes["small"])
    peak = {label: max(each.peak for each in usages) for label, usages in made.items()}
    swollen = peak["large"] / peak["small"]
    return result(
        "synth",
        [
            case("pyarrow CSV / synth, rows a CPU second", plain / rate, "ratio", BAR_RATE),
            case(f"growth of time, persons x {times}", grown, "ratio", 1.15),
            case(f"growth of memory, persons x {times}", swollen, "ratio", 1.1),
            case("peak memory", peak["large"], "MB", BAR_MEMORY),
            case("synth", persons / seconds, "person-years a second"),
            case("synth", persons / _median(large, "cpu"), "person-years a CPU second"),
            case("synth", rate, "rows a CPU second"),
            case("pyarrow CSV", plain, "rows a CPU second"),
            case("rows for a person and year", large[0].result["rows"] / persons, "rows"),
        ],
    )  # fmt: skip


def _median(usages: list[Usage], name: str) -> float:
    return statistics.median(float(usage.result[name]) for usage in usages)
