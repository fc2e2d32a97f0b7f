"""Benchmarks of the product on the machine at hand.

A bar is a ratio to something measured in the same run, so that a slow machine does not fail and a
fast one does not pass by itself. Figures without a bar are told for information.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from openchronic_assets.bench import every
from openchronic_assets.errors import UsageError

# Each name with the function that measures it, imported when it is called.
BENCHES = {
    "analytics": "openchronic_assets.bench.analytics:bench_analytics",
    "anonymise": "openchronic_assets.bench.anonymise:bench_anonymise",
    "atlas": "openchronic_assets.bench.atlas:bench_atlas",
    "base": "openchronic_assets.bench.base:bench_base",
    "demo": "openchronic_assets.bench.demo:bench_demo",
    "faults": "openchronic_assets.bench.faults:bench_faults",
    "indicators": "openchronic_assets.bench.indicators:bench_indicators",
    "ingest": "openchronic_assets.bench.ingest:bench_ingest",
    "load": "openchronic_assets.bench.load:bench_load",
    "synth": "openchronic_assets.bench.synth:bench_synth",
}


# A count of faults is no speed: no ratio of it can get worse.
SPEEDS = tuple(sorted(set(BENCHES) - {"faults"}))


def run_bench(
    name: str, size: str | None = None, out: Path | None = None, replay: int | None = None
) -> dict[str, Any]:
    """Run one benchmark.

    Args:
        name: one of ``BENCHES``.
        size: how much to measure, for a benchmark that knows sizes.
        out: folder of one that goes on where an earlier run into it was stopped.
        replay: what of it is done again, by its number.

    Returns:
        ``{"name", "cases": [{"case", "value", "unit", "bar", "holds"}], "holds"}``; ``bar`` is the
        largest value that holds, or None where a figure is only told.

    Raises:
        UsageError: there is no such benchmark, or size.
        OpenChronicError: a step failed, or its result is not what it must be.
    """
    measured = _function(name)
    known = inspect.signature(measured).parameters
    if size is not None and "size" not in known:
        raise UsageError(f"the benchmark {name} has one size: leave --size out")
    given = {"size": size, "out": out, "replay": replay}
    asked = {each: value for each, value in given.items() if value is not None}
    if unknown := sorted(set(asked) - set(known)):
        raise UsageError(f"the benchmark {name} does not know --{', --'.join(unknown)}")
    result: dict[str, Any] = measured(**asked)
    return {each: result[each] for each in ("name", "cases", "holds")}


def run_all(largest: str, out: Path, names: Sequence[str] = SPEEDS) -> dict[str, Any]:
    """Run every benchmark at every size up to one; write ``bench.json`` and ``bench.html``.

    Returns:
        As :func:`openchronic_assets.bench.every.run_every`.
    """

    def run(name: str, size: str | None) -> dict[str, Any]:
        function = _function(name)
        result: dict[str, Any] = function(**every.sized(function, size or every.SIZES[0]))
        return {each: result[each] for each in ("name", "cases", "holds")}

    return every.run_every(names, run, largest, out)


def _function(name: str) -> Callable[..., dict[str, Any]]:
    if name not in BENCHES:
        raise UsageError(f"no benchmark {name!r}; there are: all, {', '.join(sorted(BENCHES))}")
    module, _, function = BENCHES[name].partition(":")
    found: Callable[..., dict[str, Any]] = getattr(importlib.import_module(module), function)
    return found
