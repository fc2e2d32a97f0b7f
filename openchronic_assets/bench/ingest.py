"""How fast, and in what memory, ER_PRS_F becomes Parquet: ours, Spark's reader, DuckDB's COPY.

All three read the same twelve files on two cores in the same run, one after the other in turn. Ours
is the whole ingestion of a delivery: hashes, header against contract, numbered lines, exact casts,
pseudonyms, provenance, sums, balance, commit. The peers only read, cast and write. The start of a
Spark session is told apart and is in no ratio.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import Any

from openchronic_assets import progress
from openchronic_assets.bench.cases import case, result
from openchronic_assets.bench.measure import Usage, measure
from openchronic_assets.bench.texts import TABLE, YEAR, write_files
from openchronic_assets.errors import OpenChronicError, UsageError

CORES = 2
FILES = 12
# Lines of the comparison, how often it is made, and lines of the single files that one task reads.
# A file of 700,000 lines is some four chunks of the parser: below, memory still grows.
SIZES = {
    "small": (600_000, 3, (700_000, 1_400_000)),
    "medium": (3_000_000, 3, (1_000_000, 3_000_000)),
    "full": (10_000_000, 3, (1_000_000, 3_000_000, 10_000_000, 30_000_000)),
}


def bench_ingest(size: str = "small") -> dict[str, Any]:
    """Measure the ingestion of generated lines against two peers.

    Bars: at least 3 times the throughput of Spark's CSV reader, at least 0.6 of DuckDB's; peak
    memory of a task under 1.5 GB; time and memory grow with the lines as 1.15 and 1.10 at most.

    Args:
        size: ``small`` (some minutes), ``medium``, or ``full`` (10 million lines compared, growth
            to 30 million: an hour, 25 GB of disk).

    Raises:
        UsageError: there is no such size.
        OpenChronicError: a step failed, or lines got lost.
    """
    if size not in SIZES:
        raise UsageError(f"no size {size!r}; there are: {', '.join(SIZES)}")
    lines, repeats, growth = SIZES[size]
    with tempfile.TemporaryDirectory(prefix="openchronic-bench-") as name:
        folder = Path(name)
        compared = _compare(folder, lines, repeats)
        grown, alone = _grow(folder, growth)
    seconds = {
        who: statistics.median(float(usage.result["seconds"]) for usage in usages)
        for who, usages in compared.items()
    }
    start = statistics.median(float(usage.result["start"]) for usage in compared["ours"])
    (before, small), (after, large) = grown[-2:]
    times = float(large.result["cpu"]) / float(small.result["cpu"])
    peak = max(usage.peak for _, usage in grown)
    return result(
        "ingest",
        [
            case("time: ours / Spark's reader", seconds["ours"] / seconds["spark"], "ratio", 1 / 3),
            case("time: ours / DuckDB", seconds["ours"] / seconds["duckdb"], "ratio", 1 / 0.6),
            case("peak memory of a task", peak, "MB", 1500),
            case("growth of time over growth of lines", times / (after / before), "ratio", 1.15),
            case("growth of peak memory", large.peak / small.peak, "ratio", 1.1),
            case("throughput: ours / Spark's", seconds["spark"] / seconds["ours"], "times"),
            case("throughput: ours / DuckDB's", seconds["duckdb"] / seconds["ours"], "times"),
            case(
                "processor, one thread: ours / DuckDB's",
                float(grown[0][1].result["cpu"]) / float(alone.result["cpu"]),
                "ratio",
            ),
            case("lines compared", lines, "lines"),
            case("lines of the largest file of one task", after, "lines"),
            *(case(f"{who}", lines / took, "lines a second") for who, took in seconds.items()),
            case("start of the Spark session, not counted", start, "s"),
            *(
                case(f"one task, {count:,} lines", count / float(usage.result["cpu"]),
                     "lines a CPU second")
                for count, usage in grown
            ),
        ],
    )  # fmt: skip


def _compare(folder: Path, lines: int, repeats: int) -> dict[str, list[Usage]]:
    progress.report("write texts", 0, 1)
    paths = [str(path) for path in write_files(folder / "delivery", lines, FILES)]
    progress.report("write texts", 1, 1)
    found: dict[str, list[Usage]] = {"ours": [], "spark": [], "duckdb": []}
    for turn in range(repeats):
        progress.report("compare", turn, repeats)
        # In turn, so that a busy minute of the machine falls on all of them.
        ours = measure("ingest_files", folder=str(folder / "delivery"), out=str(folder / "home"),
                       cores=CORES)  # fmt: skip
        kept, refused = int(ours.result["kept"]), int(ours.result["quarantined"])
        if int(ours.result["read"]) != lines or kept + refused != lines or refused > lines // 100:
            raise OpenChronicError(
                f"the ingestion of the benchmark lost lines: {kept} kept and {refused} refused of "
                f"{lines}"
            )
        found["ours"].append(ours)
        for peer in ("spark", "duckdb"):
            usage = measure(f"copy_{peer}", paths=paths, table=TABLE, out=str(folder / peer),
                            cores=CORES)  # fmt: skip
            if int(usage.result["lines"]) < lines - refused:
                raise OpenChronicError(f"{peer} read {usage.result['lines']} of {lines} lines")
            found[peer].append(usage)
    progress.report("compare", repeats, repeats)
    for path in paths:
        Path(path).unlink()
    return found


def _grow(folder: Path, sizes: tuple[int, ...]) -> tuple[list[tuple[int, Usage]], Usage]:
    """Parse single files of growing size, each by one task in a process of its own.

    Also returns what DuckDB took for the first of them on one thread: processor time, which the
    neighbours of a shared machine hardly move.
    """
    found = []
    alone = None
    for done, lines in enumerate(sizes):
        progress.report("growth", done, len(sizes))
        (path,) = write_files(folder / "growth", lines, 1)
        usage = measure("parse", path=str(path), table=TABLE, year=YEAR, out=str(folder / "parsed"))
        if int(usage.result["lines"]) != lines or not usage.result["balances"]:
            raise OpenChronicError(f"{usage.result['lines']} of {lines} lines were parsed")
        alone = alone or measure(
            "copy_duckdb", paths=[str(path)], table=TABLE, out=str(folder / "copied"), cores=1
        )
        path.unlink()
        found.append((lines, usage))
    progress.report("growth", len(sizes), len(sizes))
    if alone is None:
        raise UsageError("no size to grow over")
    return found, alone
