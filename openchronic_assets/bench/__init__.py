"""Benchmarks of the product on the machine at hand.

A bar is a ratio to something measured in the same run, so that a slow machine does not fail and a
fast one does not pass by itself. Figures without a bar are told for information.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from openchronic_assets.errors import UsageError


def _demo() -> dict[str, Any]:
    from openchronic_assets.bench.demo import bench_demo

    return bench_demo()


def _ingestion() -> dict[str, Any]:
    from openchronic_assets.bench.ingestion import bench_ingestion

    return bench_ingestion()


def _anonymisation() -> dict[str, Any]:
    from openchronic_assets import progress
    from openchronic_assets.anonymisation.bench import bench_full_domain

    progress.report("recoders", 0, 1)
    result = bench_full_domain()
    progress.report("recoders", 1, 1)
    return {name: result[name] for name in ("name", "cases", "holds")}


BENCHES: dict[str, Callable[[], dict[str, Any]]] = {
    "anonymisation": _anonymisation,
    "demo": _demo,
    "ingestion": _ingestion,
}


def run_bench(name: str) -> dict[str, Any]:
    """Run one benchmark.

    Args:
        name: ``anonymisation``, ``demo`` or ``ingestion``.

    Returns:
        ``{"name", "cases": [{"case", "value", "unit", "bar", "holds"}], "holds"}``; ``bar`` is the
        largest value that holds, or None where a figure is only told.

    Raises:
        UsageError: there is no such benchmark.
        OpenChronicError: a step failed, or its result is not what it must be.
    """
    if name not in BENCHES:
        raise UsageError(f"no benchmark {name!r}; there are: {', '.join(sorted(BENCHES))}")
    return BENCHES[name]()
