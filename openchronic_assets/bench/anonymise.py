"""Anonymising millions: recoders and metrics on a benchmark population, each in its own process.

The population has five quasi-identifiers (101 birth years, 2 sexes, 101 departments, 32 ALD, 120
months of death) and one sensitive column of 20 conditions. It is drawn with a fixed seed, so that
the least losses are known: ARX 3.9.2 finds the same on the same people.
"""

from __future__ import annotations

import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from openchronic_assets import progress
from openchronic_assets.bench.measure import measure
from openchronic_assets.errors import OpenChronicError, UsageError

QUASI = ("birth_year", "sex", "dep", "ald", "death_month")
SENSITIVE = "cond"
SIZES = (10_000, 100_000, 1_000_000, 4_000_000)
"""The tables come from one stream of random numbers: each depends on those before it."""

REPEATS = 5
K = 10
LIMIT = "0.05"
LEAST_LOSS = 0.0553348384
"""Of full-domain recoding of the 4 million, k = 10, limit 5 %: published for ARX 3.9.2."""

SCAN = 1.2
"""Seconds of the yardstick on the two cores at rest that the bars were set on."""

_REGIONS = (18, 12, 8, 8, 8, 6, 5, 5, 5, 4, 4, 4, 3, 3, 2, 2, 2, 2)


def hierarchies() -> dict[str, list[tuple[str, ...]]]:
    """Return the rows of the hierarchies of the population by column."""
    years = [
        (str(y), *(f"{y // w * w}-{y // w * w + w - 1}" for w in (5, 10, 20)), "*")
        for y in range(1920, 2021)
    ]
    region = [r for r, departments in enumerate(_REGIONS) for _ in range(departments)]
    deaths: list[tuple[str, ...]] = [("NA", "alive", "alive", "*")]
    deaths += [(month, month[:4], "dead", "*") for month in _months()]
    return {
        "birth_year": years,
        "sex": [("1", "*"), ("2", "*")],
        "dep": [(f"D{d:03d}", f"R{r:02d}", "*") for d, r in enumerate(region)],
        "ald": [(f"ALD{a:02d}", f"G{a // 4}", "*") for a in range(1, 33)],
        "death_month": deaths,
    }


def _months() -> list[str]:
    return [f"{y}-{m:02d}" for y in range(2015, 2025) for m in range(1, 13)]


def population(sizes: Sequence[int]) -> dict[str, tuple[Any, list[str]]]:
    """Draw tables one after the other; return the columns of the last, as codes and texts."""
    draw = np.random.default_rng(42)
    columns: dict[str, tuple[Any, list[str]]] = {}

    def power(n: int, exponent: float) -> Any:
        weight = 1 / np.arange(1, n + 1) ** exponent
        return weight / weight.sum()

    for n in sizes:
        age = np.clip(draw.normal(66, 16, n), 4, 104).astype(int)
        year = np.clip(2024 - age, 1920, 2020)
        department = draw.choice(101, n, p=power(101, 0.7))
        ald = draw.choice(32, n, p=power(32, 1.1))
        dead = draw.random(n) < np.clip(0.02 * np.exp((age - 50) / 18), 0.005, 0.75)
        month = draw.choice(120, n)
        sex = draw.choice(2, n, p=[0.52, 0.48])
        condition = draw.choice(20, n, p=power(20, 0.9))
        columns = {
            "birth_year": (year - 1920, [str(y) for y in range(1920, 2021)]),
            "sex": (sex, ["1", "2"]),
            "dep": (department, [f"D{d:03d}" for d in range(101)]),
            "ald": (ald, [f"ALD{a:02d}" for a in range(1, 33)]),
            "death_month": (np.where(dead, month + 1, 0), ["NA", *_months()]),
            "cond": (condition, [f"C{c:02d}" for c in range(20)]),
        }
    return columns


def nine() -> tuple[dict[str, tuple[Any, list[str]]], dict[str, list[tuple[str, ...]]]]:
    """Draw 30,000 records with nine quasi-identifiers: 12,960 nodes, as the Adult table has."""
    draw = np.random.default_rng(7)
    shape = {
        "sex": [2], "age": [72, 24, 12, 4], "race": [5], "status": [7, 2], "school": [16, 6, 3],
        "country": [41, 8], "class": [8, 3], "job": [14, 7], "income": [2],
    }  # fmt: skip
    columns, trees = {}, {}
    for number, (name, sizes) in enumerate(shape.items()):
        rows = []
        for leaf in range(sizes[0]):
            row, code = [f"{name}{leaf:02d}"], leaf
            for level, size in enumerate(sizes[1:], 1):
                code = code * size // sizes[level - 1]
                row.append(f"{name}{level}/{code:02d}")
            rows.append((*row, "*"))
        weight = 1 / np.arange(1, sizes[0] + 1) ** (0.4 + 0.9 * (number % 3))
        codes = draw.choice(sizes[0], 30_000, p=weight / weight.sum())
        columns[name] = (codes, [row[0] for row in rows])
        trees[name] = rows
    return columns, trees


def write(
    folder: Path,
    columns: dict[str, tuple[Any, list[str]]],
    trees: dict[str, list[tuple[str, ...]]],
) -> Path:
    """Write a table and its hierarchies; return the table's path."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir(parents=True)
    arrays = {
        name: pa.DictionaryArray.from_arrays(codes.astype(np.int32), pa.array(texts))
        for name, (codes, texts) in columns.items()
    }
    path = folder / "table.parquet"
    pq.write_table(pa.table(arrays), path, store_schema=False)
    (folder / "h").mkdir()
    for name, rows in trees.items():
        text = "".join(";".join(row) + "\n" for row in rows)
        (folder / "h" / f"{name}.csv").write_text(text, encoding="utf-8")
    return path


def step(name: str, path: Path) -> dict[str, Any]:
    """Do one thing with a table: ``full-domain``, ``local``, ``risk``, ``nine`` or ``scan``."""
    import duckdb
    import pyarrow as pa

    from openchronic_assets.anonymisation.any_table import anonymise, risk

    # Loads what Arrow loads at its first array: a part of the start, like the imports above.
    pa.array(np.zeros(1))
    trees, out = path.parent / "h", path.parent / "out.parquet"
    out.unlink(missing_ok=True)
    started, used = time.perf_counter(), time.process_time()
    if name == "scan":
        with duckdb.connect(config={"threads": "2"}) as connection:
            table = connection.execute(
                f"select {', '.join(QUASI)}, count(*) from read_parquet(?) group by all",
                [str(path)],
            ).to_arrow_table()
        found: dict[str, Any] = {"classes": table.num_rows}
    elif name == "risk":
        found = risk(path, QUASI, sensitive=[SENSITIVE])
    elif name == "nine":
        names = [each.stem for each in sorted(trees.glob("*.csv"))]
        found = anonymise(path, names, trees, k=K, suppression=0, out=out).report
    else:
        found = anonymise(
            path,
            QUASI,
            trees,
            k=K,
            sensitive=[SENSITIVE],
            suppression=LIMIT,
            method=name,
            out=out,
        ).report
    taken = {"wall": time.perf_counter() - started, "cpu": time.process_time() - used}
    # ru_maxrss is in KiB on Linux, in bytes on macOS.
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
    kept = ("loss", "k", "suppressed", "classes", "nodes", "evaluated", "optimal")
    return taken | {"peak": peak} | {each: found.get(each) for each in kept}


EXTENTS = {"small": 500_000, "full": 4_000_000}
"""People of the private cube, with 30 events each."""

TABLES_SECONDS, CUBE_SECONDS = 600.0, 300.0
"""For the large cube of counts, and for the private cube of 4 million people."""

EVENTS_SCAN = 5.5
"""Seconds of the cube's yardstick, one scan of 120 million events, on two cores at rest."""


def bench_anonymise(
    sizes: Sequence[int] = SIZES, repeats: int = REPEATS, size: str = "small"
) -> dict[str, Any]:
    """Measure recoders and metrics from Parquet to Parquet, written and counted again.

    Then a cube of 680,400 cells is protected and each of its witnesses checked, and a private cube
    is made of the events of half a million people (``full``: 4 million, 120 million events).

    Args:
        sizes: the tables to draw; the last is measured.
        repeats: runs of which the median counts, each in a process of its own; the start of the
            interpreter is left out.
        size: ``small`` or ``full``, of the private cube.

    Returns:
        See :func:`~openchronic_assets.bench.run_bench`. The bars in seconds are for two cores at
        rest, where the yardstick, one group-by scan of the same file, takes ``SCAN`` seconds; where
        it takes longer in the same run, they are longer by as much.

    Raises:
        OpenChronicError: a step failed.
        UsageError: no such size.
    """
    if size not in EXTENTS:
        raise UsageError(f"no size {size!r}; there are: {', '.join(EXTENTS)}")
    with tempfile.TemporaryDirectory(prefix="openchronic-bench-") as name:
        folder = Path(name)
        large = write(folder / "people", population(sizes), hierarchies())
        small = write(folder / "nine", *nine())
        done, total = 0, 8 * repeats
        runs: dict[str, list[dict[str, Any]]] = {}
        for _ in range(repeats):
            for each, path in (
                ("scan", large), ("full-domain", large), ("local", large), ("risk", large),
                ("nine", small),
            ):  # fmt: skip
                runs.setdefault(each, []).append(_apart(each, path))
                done += 1
                progress.report("anonymise", done, total)
        shutil.rmtree(folder / "people")
        whole = tuple(sizes) == SIZES
        people = EXTENTS[size] if whole else 2_000
        events = measure("write_events", module="protection", folder=name, people=people).result
        table = {} if whole else {"people": 50_000, "ages": 2}
        for _ in range(repeats):
            for each, given in (
                ("tables", table), ("events", {"folder": name}), ("cube", {"folder": name}),
            ):  # fmt: skip
                taken = measure(each, module="protection", **given).result
                runs.setdefault(each, []).append(taken)
                done += 1
                progress.report("anonymise", done, total)
    scan = _median(runs["scan"], "wall")
    full, local, battery = (
        _median(runs[each], "wall") for each in ("full-domain", "local", "risk")
    )
    slower = max(1.0, scan / SCAN)
    loss = runs["full-domain"][0]["loss"]
    cases = [
        _case("yardstick: group-by scan", scan, "s"),
        _case("full domain", full, "s", 6.0 * slower if whole else None),
        _case("full domain / scan", full / scan, "ratio"),
        _case("full domain, processor", _median(runs["full-domain"], "cpu"), "s"),
        _case(
            "full domain, memory", _median(runs["full-domain"], "peak"), "MB",
            1000 if whole else None,
        ),
        _case("full domain, loss", loss, "", LEAST_LOSS + 1e-9 if whole else None),
        _case("full domain, nodes tried", runs["full-domain"][0]["evaluated"], "nodes"),
        _case("local", local, "s", 15.0 * slower if whole else None),
        _case("local / scan", local / scan, "ratio"),
        _case("local, processor", _median(runs["local"], "cpu"), "s"),
        _case("local, memory", _median(runs["local"], "peak"), "MB"),
        _case("local, loss", runs["local"][0]["loss"], "", 0.0095 if whole else None),
        _case("local loss / full-domain loss", runs["local"][0]["loss"] / loss, "ratio", 0.8),
        _case("local, records suppressed", runs["local"][0]["suppressed"], "records", 0),
        _case("metric battery", battery, "s", 3.0 * slower if whole else None),
        _case("metric battery / scan", battery / scan, "ratio"),
        _case("9 attributes, 12,960 nodes", _median(runs["nine"], "cpu"), "CPU s", 5.0),
        _case("9 attributes, nodes tried", runs["nine"][0]["evaluated"], "nodes"),
        *_protection(runs, events["events"], people if whole else None, scan, slower),
    ]  # fmt: skip
    return {"name": "anonymise", "cases": cases, "holds": all(each["holds"] for each in cases)}


def _protection(
    runs: dict[str, list[dict[str, Any]]],
    events: int,
    people: int | None,
    scan: float,
    slower: float,
) -> list[dict[str, Any]]:
    """Return the cases of the large cube and of the private one; no bars without ``people``."""
    found = runs["tables"][0]
    if any(each["leaks"] or each["negative"] or each["short"] for each in runs["tables"]):
        raise OpenChronicError("the large cube is not protected: a witness does not hold")
    tables, look, cube = (_median(runs[each], "wall") for each in ("tables", "events", "cube"))
    part = (people or 0) / EXTENTS["full"]
    lag = max(slower, look / (EVENTS_SCAN * part)) if people else 1.0
    return [
        _case("tables, cells", found["cells"], "cells"),
        _case("tables, cells below 11", found["unsafe"], "cells"),
        _case("tables, cells hidden", found["hidden"], "cells"),
        _case("tables, protected", _median(runs["tables"], "protect"), "s"),
        _case(
            "tables, protected and audited", tables, "s",
            TABLES_SECONDS * slower if people else None,
        ),
        _case("tables, protected and audited / scan", tables / scan, "ratio"),
        _case("tables, processor", _median(runs["tables"], "cpu"), "s"),
        _case("tables, memory", _median(runs["tables"], "peak"), "MB"),
        _case("private cube, events", events, "events"),
        _case("yardstick: one scan of the events", look, "s"),
        _case("private cube", cube, "s", CUBE_SECONDS * part * lag if people else None),
        _case("private cube / its scan", cube / look, "ratio"),
        _case("private cube, processor", _median(runs["cube"], "cpu"), "s"),
        _case("private cube, memory", _median(runs["cube"], "peak"), "MB"),
    ]  # fmt: skip


def _apart(name: str, path: Path) -> dict[str, Any]:
    """Run a step in a process of its own."""
    command = [sys.executable, "-m", "openchronic_assets.bench.anonymise", name, str(path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        # The people are invented: an error may be quoted.
        said = ended.stderr.strip().splitlines() or ["no message"]
        raise OpenChronicError(f"the step {name} of the benchmark failed: {said[-1]}")
    answer: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return answer


def _median(runs: Sequence[dict[str, Any]], name: str) -> float:
    return statistics.median(float(each[name]) for each in runs)


def _case(name: str, value: float, unit: str, bar: float | None = None) -> dict[str, Any]:
    """Return one case; a loss needs more digits than a time."""
    return {
        "case": name,
        "value": round(float(value), 10 if unit == "" else 3),
        "unit": unit,
        "bar": bar,
        "holds": bar is None or value <= bar,
    }


def _main(write_line: Callable[[str], Any]) -> None:
    write_line(json.dumps(step(sys.argv[1], Path(sys.argv[2]))) + "\n")


if __name__ == "__main__":
    _main(sys.stdout.write)
