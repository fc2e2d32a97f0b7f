"""Every benchmark one after the other: one report, and whether a ratio got worse.

Only ratios are compared with the baseline that ships with the product: a machine's speed is in
both of their parts. A ratio is the larger the worse.
"""

from __future__ import annotations

import inspect
import json
import os
import platform
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from openchronic_assets import __version__, progress
from openchronic_assets.bench.cases import case
from openchronic_assets.errors import OpenChronicError, UsageError
from openchronic_assets.indicators.page import render

BASELINE = Path(__file__).parent / "baseline.json"
SIZES = ("small", "medium", "full")
WORSE = 0.2
"""A ratio that is more than this share above its baseline is a regression."""

RATIO = "ratio"
SMALL = 0.05
"""Ratios below are told to three decimals only: a fifth of them is noise."""


def run_every(
    benches: Sequence[str],
    run: Callable[[str, str | None], dict[str, Any]],
    largest: str,
    out: Path,
) -> dict[str, Any]:
    """Run benchmarks at every size up to one, and write ``bench.json`` and ``bench.html``.

    What an earlier run into the same folder has measured is not measured again, so that it can be
    stopped and gone on with. A benchmark that fails is told with its error; the others go on.

    Args:
        benches: their names.
        run: name and size to a result.
        largest: ``small``, ``medium`` or ``full``.
        out: folder of the report.

    Returns:
        ``{"machine", "version", "results": [{"name", "size", "cases", "holds", "error"}]}``.

    Raises:
        UsageError: no such size, or the folder holds another version's report.
        OpenChronicError: the folder cannot be written.
    """
    if largest not in SIZES:
        raise UsageError(f"no size {largest!r}; there are: {', '.join(SIZES)}")
    report = _begun(out)
    done = {(each["name"], each["size"]) for each in report["results"] if not each["error"]}
    report["results"] = [each for each in report["results"] if not each["error"]]
    todo = [
        (name, size)
        for size in SIZES[: SIZES.index(largest) + 1]
        for name in benches
        if (name, size) not in done
    ]
    for number, (name, size) in enumerate(todo):
        progress.report("benchmarks", number, len(todo))
        found: dict[str, Any] = {"name": name, "cases": [], "holds": False, "error": None}
        try:
            found |= run(name, size)
        except UsageError as error:
            if f"no size {size!r}" not in str(error):
                found["error"] = str(error)
            else:  # it has no such size
                continue
        except OpenChronicError as error:
            found["error"] = str(error)
        report["results"].append(found | {"size": size})
        _write(out, report)
    progress.report("benchmarks", len(todo), len(todo))
    _write(out, report)
    return report


def sized(function: Callable[..., Any], size: str) -> dict[str, Any]:
    """Return the arguments with which a benchmark is run at a size.

    Raises:
        UsageError: it has one size, and this is not the smallest.
    """
    if "size" in inspect.signature(function).parameters:
        return {"size": size}
    if size != SIZES[0]:
        raise UsageError(f"no size {size!r}; there is one")
    return {}


def compared(report: dict[str, Any], baseline: dict[str, Any]) -> list[dict[str, Any]]:
    """Return one case a ratio that both have: how many times its baseline it is, bar 1.2."""
    before = {key: value for key, value in _ratios(baseline) if value >= SMALL}
    return [
        case(f"{size} {name}: {what}", value / before[name, size, what], "of the baseline",
             1 + WORSE)
        for (name, size, what), value in _ratios(report)
        if (name, size, what) in before
    ]  # fmt: skip


def read_baseline(path: Path = BASELINE) -> dict[str, Any]:
    """Return the report that ships with the product.

    Raises:
        OpenChronicError: there is none, or it cannot be read.
    """
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise OpenChronicError(f"no baseline in {path.name} ({type(error).__name__})") from error
    return found


def _ratios(report: dict[str, Any]) -> list[tuple[tuple[str, str, str], float]]:
    return [
        ((result["name"], result["size"], each["case"]), float(each["value"]))
        for result in report["results"]
        for each in result["cases"]
        if each["unit"] == RATIO
    ]


def _begun(out: Path) -> dict[str, Any]:
    path = out / "bench.json"
    fresh: dict[str, Any] = {
        "version": __version__,
        "machine": {
            "cores": os.cpu_count(),
            "system": f"{platform.system()} {platform.machine()}",
            "python": platform.python_version(),
        },
        "begun": datetime.now(UTC).isoformat(timespec="seconds"),
        "results": [],
    }
    if not path.is_file():
        return fresh
    before = read_baseline(path)
    if before.get("version") != __version__ or before.get("machine") != fresh["machine"]:
        raise UsageError(f"{path} is of another version or machine: give another folder")
    return before


def _write(out: Path, report: dict[str, Any]) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in (
            ("bench.json", json.dumps(report, indent=1, ensure_ascii=False) + "\n"),
            ("bench.html", render("Benchmarks", _markdown(report))),
        ):
            aside = out / f".{name}.{os.getpid()}"
            aside.write_text(text, encoding="utf-8")
            aside.replace(out / name)
    except OSError as error:
        raise OpenChronicError(
            f"the report cannot be written in {out}: {error.strerror}"
        ) from error


def _markdown(report: dict[str, Any]) -> str:
    machine = report["machine"]
    text = [
        f"# Benchmarks of Open Chronic {report['version']}",
        "",
        f"{machine['cores']} cores, {machine['system']}, Python {machine['python']}, begun "
        f"{report['begun']}. Ratios and growth are of one run; times alone depend on the machine.",
        "",
    ]
    for result in report["results"]:
        text += [f"## {result['name']}, {result['size']}", ""]
        if result["error"]:
            text += [f"Failed: {result['error']}", ""]
            continue
        text += ["| case | value | unit | bar | |", "|---|---:|---|---:|---|"]
        for each in result["cases"]:
            bar = "" if each["bar"] is None else f"{each['bar']:g}"
            verdict = "" if each["bar"] is None else "holds" if each["holds"] else "**beyond**"
            text.append(
                f"| {each['case']} | {each['value']:g} | {each['unit']} | {bar} | {verdict} |"
            )
        text.append("")
    return "\n".join(text)
