"""What each stage of the main job takes on the demonstration's data."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from openchronic_assets import demo, progress
from openchronic_assets.bench.cases import case, result
from openchronic_assets.bench.measure import Usage, measure
from openchronic_assets.errors import OpenChronicError
from openchronic_assets.ingestion.delivery import recognise

# At 5,000 persons on two busy cores, 10.0 and 5.3 were measured: half as much again is allowed.
# Most of the former is the start of Spark, of its workers, and of some fifty files.
BAR_INGEST = 15.0
BAR_BUILD = 8.0
STAGES = ("generate", "ingest", "plain_copy", "build", "anonymise", "publish")


def bench_demo(persons: int = demo.PERSONS, years: tuple[int, int] = demo.YEARS) -> dict[str, Any]:
    """Run the stages of the main job in a temporary home, each in a process of its own.

    For each stage: seconds, processor seconds and peak memory of the process and all it started,
    the interpreter's start and Spark's included; lines a second where lines go through. The bars:

    - *ingest / plain copy*: processor seconds of the whole ingestion (hashes, Spark, every check,
      pseudonyms) against ``steps.plain_copy`` over the same files.
    - *growth*: the extract is generated and ingested once more with half of the persons: time of
      the whole ÷ time of the half ÷ ratio of their lines, for both stages. At this size starting
      weighs most, so the ratio is far below 1 and the bar catches only what is worse than linear;
      ``bench ingestion`` measures growth without it, and that of memory, on large files.
    - *models / plain copy*: processor seconds of building and testing every model against reading
      the delivered text once.

    Args:
        persons: persons of the extract.
        years: first and last care year.

    Raises:
        OpenChronicError: a stage failed, or lines were lost.
    """
    took: dict[str, Usage] = {}
    half: dict[str, Usage] = {}
    total = len(STAGES) + 2
    with tempfile.TemporaryDirectory(prefix="openchronic-bench-") as name:

        def run(step: str, into: dict[str, Usage], **arguments: Any) -> dict[str, Any]:
            progress.report("stages", len(took) + len(half), total)
            into[step] = measure(step, **arguments)
            return into[step].result

        small, place = f"{name}/half", f"{name}/home"
        run("generate", half, folder=small, persons=max(persons // 2, 1), years=years)
        few = run("ingest", half, folder=small)
        files = run("generate", took, folder=place, persons=persons, years=years)["files"]
        lines = run("ingest", took, folder=place)
        landing = Path(place) / "landing" / demo.DELIVERY
        paths = [
            (str(landing / each), found[0])
            for each in files
            if (found := recognise(Path(each).name)) is not None
        ]
        copied = run("plain_copy", took, paths=paths, out=f"{name}/copied")
        run("build", took, folder=place, years=years)
        candidate = run("anonymise", took, folder=place, year=years[1])
        published = run("publish", took, folder=place, version=candidate["version"])
        progress.report("stages", total, total)
    if lines["read"] != lines["kept"] + lines["quarantined"] or not published["published"]:
        raise OpenChronicError("the stages of the benchmark did not end as they must")
    growth = lines["read"] / few["read"]
    counts = {
        "generate": lines["read"],
        "ingest": lines["read"],
        "plain_copy": copied["lines"],
        "build": lines["kept"],
    }
    yardstick = took["plain_copy"].cpu
    cases = [
        case("ingest / plain copy", took["ingest"].cpu / yardstick, "ratio", BAR_INGEST),
        case("models / plain copy", took["build"].cpu / yardstick, "ratio", BAR_BUILD),
        *(
            case(
                f"growth of {step}, persons x 2", took[step].cpu / half[step].cpu / growth,
                "ratio", 1.15,
            )
            for step in ("generate", "ingest")
        ),
        case("lines", lines["read"], "lines"),
    ]  # fmt: skip
    for step in STAGES:
        usage, label = took[step], step.replace("_", " ")
        cases += [
            case(label, usage.wall, "s"),
            case(label, usage.cpu, "CPU s"),
            case(label, usage.peak, "MB"),
        ]
        if step in counts:
            cases.append(case(label, counts[step] / usage.wall, "lines a second"))
    return result("demo", cases)
