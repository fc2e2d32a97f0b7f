"""How fast and in what memory one file is parsed, against DuckDB's own reader."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import Any

from openchronic_assets import progress
from openchronic_assets.bench.cases import case, result
from openchronic_assets.bench.measure import Usage, measure
from openchronic_assets.bench.texts import NARROW, WIDE, YEAR, write_text
from openchronic_assets.errors import OpenChronicError

REPEATS = 3


def bench_ingestion(lines: int = 500_000) -> dict[str, Any]:
    """Measure ``parse_file`` on files of one thread each, median of three.

    Times are processor seconds, so that the neighbours of a shared machine weigh less. Cases:

    - *narrow*, *wide*: the whole of ``parse_file`` (numbering, checks, sums, quarantine) against
      the yardstick ``steps.plain_copy``, which only reads, casts and writes.
    - *dirty*: a file of which one line in a thousand is refused against the same one clean.
    - *growth*: twice the lines: processor seconds and peak memory.

    Args:
        lines: lines of the narrow file, some 150 bytes each; a tenth of it for the wide one. Memory
            is flat only beyond the chunk of the parser, some 250,000 lines.

    Raises:
        OpenChronicError: a file was not parsed as it must be.
    """
    wide = max(lines // 10, 1)
    with tempfile.TemporaryDirectory(prefix="openchronic-bench-") as name:
        folder = Path(name)
        files = {
            "narrow": (NARROW, lines, 0),
            "twice": (NARROW, 2 * lines, 0),
            "dirty": (NARROW, lines, 1000),
            "wide": (WIDE, wide, 0),
        }
        for done, (label, ((table, width), count, spoilt)) in enumerate(files.items()):
            progress.report("write texts", done, len(files))
            write_text(folder / f"{label}.csv", table, width, count, spoilt)
        progress.report("write texts", len(files), len(files))
        parsed: dict[str, list[Usage]] = {label: [] for label in files}
        copied: dict[str, list[Usage]] = {"narrow": [], "wide": []}
        for turn in range(REPEATS):
            progress.report("parse", turn, REPEATS)
            # In turn, so that a busy minute of the machine falls on all of them.
            for label, ((table, _), count, spoilt) in files.items():
                path = str(folder / f"{label}.csv")
                usage = measure("parse", path=path, table=table, year=YEAR, out=f"{name}/parsed")
                _check(label, usage, count, spoilt)
                parsed[label].append(usage)
                if label in copied:
                    copied[label].append(
                        measure("plain_copy", paths=[(path, table)], out=f"{name}/copied")
                    )
        progress.report("parse", REPEATS, REPEATS)
        size = (folder / "narrow.csv").stat().st_size
    cpu = {label: _median(usages) for label, usages in parsed.items()}
    yardstick = {label: _median(usages) for label, usages in copied.items()}
    peak = {label: max(usage.peak for usage in usages) for label, usages in parsed.items()}
    return result(
        "ingestion",
        [
            case(
                "narrow file: parse / plain copy", cpu["narrow"] / yardstick["narrow"], "ratio", 2
            ),
            case("wide file: parse / plain copy", cpu["wide"] / yardstick["wide"], "ratio", 3),
            case("dirty file / clean file", cpu["dirty"] / cpu["narrow"], "ratio", 1.6),
            case("growth of time, lines x 2", cpu["twice"] / cpu["narrow"] / 2, "ratio", 1.15),
            case("growth of peak memory, lines x 2", peak["twice"] / peak["narrow"], "ratio", 1.1),
            case("narrow file: parse", lines / cpu["narrow"], "lines a CPU second"),
            case("narrow file: parse", size / 1e6 / cpu["narrow"], "MB a CPU second"),
            case("narrow file: plain copy", lines / yardstick["narrow"], "lines a CPU second"),
            case("wide file: parse", wide / cpu["wide"], "lines a CPU second"),
            case("wide file: plain copy", wide / yardstick["wide"], "lines a CPU second"),
            case("peak memory of the largest file", peak["twice"], "MB"),
        ],
    )


def _median(usages: list[Usage]) -> float:
    return statistics.median(float(usage.result["cpu"]) for usage in usages)


def _check(label: str, usage: Usage, lines: int, spoilt_every: int) -> None:
    """A fast parser that loses lines has no speed."""
    found = usage.result
    refused = len(range(7, lines, spoilt_every)) if spoilt_every else 0
    expected = ("loaded", lines, lines - refused, True)
    if (found["status"], found["lines"], found["kept"], found["balances"]) != expected:
        raise OpenChronicError(
            f"the {label} file of the benchmark was not parsed as it must be: "
            f"{found['kept']} of {found['lines']} lines kept, {lines - refused} of {lines} expected"
        )
