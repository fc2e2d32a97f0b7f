"""How long and how large: costs measured per line, times what is asked.

The costs are those of ``docs/testing.md`` and ``docs/decisions/0002``, and the disk of the
demonstration; each is given with its source. They were measured up to 17 million lines on two
cores: beyond, this is arithmetic, not a measurement.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from openchronic_assets.errors import UsageError

# Of the demonstration: 4,957 generated persons, three care years.
_DEMO_PERSON_YEARS = 4957 * 3


@dataclass(frozen=True)
class Cost:
    """What one unit of a stage costs: processor seconds, measured, and where that is written."""

    stage: str
    per: str
    seconds: float
    source: str


COSTS = (
    Cost("ingestion", "line of claims", 1.8 / 74_140,
         "0002: ER_PRS_F, 129 columns, 74,140 lines in 1.8 s"),
    Cost("ingestion", "other line", 8.0 / 2_000_000,
         "0002: 22 columns, 2,000,000 lines in 8.0 s"),
    Cost("models of the base, tests", "line of claims", 45.4e-6,
         "testing.md: 45.4 microseconds a claim line more, from 3.4 to 16.9 million"),
    Cost("models of the base, tests", "year", 26.0,
         "testing.md: 26 s a year to start, of five years"),
    Cost("indicators", "person and year", 240 / 1_000_000,
         "indicators.md: the bar of 240 s a million persons, not a measurement"),
    Cost("public table", "person", 5.4 / 4_000_000,
         "README: local recoding of 4 million people in 5.4 s"),
)  # fmt: skip

# Bytes a person and year in each zone of the demonstration.
DISK = {
    "landing/ (deliveries as received)": 29_032_548 / _DEMO_PERSON_YEARS,
    "lake/raw/": 14_404_424 / _DEMO_PERSON_YEARS,
    "lake/builds/, one build": 90_583_487 / _DEMO_PERSON_YEARS,
}
LINES = 434_508 / _DEMO_PERSON_YEARS  # lines of claims a person and year
OTHER = 259_386 / _DEMO_PERSON_YEARS  # other lines
_TASK_MEMORY = 0.65  # GB, measured at 600,000 lines: bounded by the chunk, not by the file
_BUILD_MEMORY = 4.0  # GB a core: two took 3.6 GB for 16.9 million lines; below, models spill


def plan(
    persons: int,
    years: int,
    cores: int,
    *,
    lines: float = LINES,
    efficiency: float = 0.7,
) -> dict[str, Any]:
    """Return hours, memory and disk of a first full run.

    Args:
        persons: people in the extract.
        years: care years.
        cores: of one machine, or of a cluster for ingestion alone.
        lines: lines of claims a person and year; the demonstration's, unless known.
        efficiency: share of the cores that work is got from; assumed, not measured.

    Raises:
        UsageError: a number is not positive.
    """
    if persons < 1 or years < 1 or cores < 1 or lines <= 0 or not 0 < efficiency <= 1:
        raise UsageError("persons, years, cores and lines are positive, efficiency is in (0, 1]")
    claims = persons * years * lines
    units = {
        "line of claims": claims,
        "other line": claims * OTHER / LINES,
        "year": float(years),
        "person and year": float(persons * years),
        "person": float(persons),
    }
    seconds: dict[str, float] = {}
    for cost in COSTS:
        seconds[cost.stage] = seconds.get(cost.stage, 0.0) + cost.seconds * units[cost.per]
    stages = [
        {
            "stage": stage,
            "processor_hours": total / 3600,
            "hours": total / 3600 / (cores * efficiency),
        }
        for stage, total in seconds.items()
    ]
    scale = lines / LINES
    disk = {name: each * persons * years * scale for name, each in DISK.items()}
    builds = DISK["lake/builds/, one build"] * persons * years * scale
    # A new build stands beside the old one until readers have left it.
    disk["beside it, the build before"] = builds
    disk["working files"] = builds
    return {
        "persons": persons,
        "years": years,
        "cores": cores,
        "claim_lines": round(claims),
        "stages": stages,
        "hours": sum(float(str(each["hours"])) for each in stages),
        "memory_gb": max(_TASK_MEMORY, _BUILD_MEMORY) * cores,
        "disk_bytes": {name: round(each) for name, each in disk.items()},
        "disk_total_bytes": round(sum(disk.values())),
        "assumptions": [
            f"{lines:.1f} lines of claims a person and year"
            + (" (those of the generated demonstration)" if lines == LINES else ""),
            f"{efficiency:.0%} of the cores at work: assumed, never measured beyond two cores",
            "costs grow with the lines: measured to two million lines in ingestion, to 17 million "
            "in the models; sorts and joins that spill cost more",
            "models run on one machine; ingestion may spread over several",
            "disk by the demonstration's files a person and year, its deliveries compressed by "
            "gzip: real ones hold more columns with values, and may come uncompressed",
            "memory: 4 GB a core; two took 3.6 GB for five years of 16.9 million claim lines, "
            "under DuckDB's limit of 3 GB; a larger base was not measured",
            *(f"{each.stage}, a {each.per}: {each.source}" for each in COSTS),
        ],
    }
