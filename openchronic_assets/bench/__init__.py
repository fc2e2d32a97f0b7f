"""Benchmarks of the product on the machine at hand.

A bar is a ratio to something measured in the same run, so that a slow machine does not fail and a
fast one does not pass by itself. Figures without a bar are told for information.
"""

from __future__ import annotations

import importlib
from typing import Any

from openchronic_assets.errors import UsageError

# Each name with the function that measures it, imported when it is called.
BENCHES = {
    "anonymise": "openchronic_assets.bench.anonymise:bench_anonymise",
    "demo": "openchronic_assets.bench.demo:bench_demo",
    "ingestion": "openchronic_assets.bench.ingestion:bench_ingestion",
}


def run_bench(name: str) -> dict[str, Any]:
    """Run one benchmark.

    Args:
        name: one of ``BENCHES``.

    Returns:
        ``{"name", "cases": [{"case", "value", "unit", "bar", "holds"}], "holds"}``; ``bar`` is the
        largest value that holds, or None where a figure is only told.

    Raises:
        UsageError: there is no such benchmark.
        OpenChronicError: a step failed, or its result is not what it must be.
    """
    if name not in BENCHES:
        raise UsageError(f"no benchmark {name!r}; there are: {', '.join(sorted(BENCHES))}")
    module, _, function = BENCHES[name].partition(":")
    result: dict[str, Any] = getattr(importlib.import_module(module), function)()
    return {each: result[each] for each in ("name", "cases", "holds")}
