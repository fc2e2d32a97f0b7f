"""The demonstration: the main job on invented people, with the summary at its end."""

from __future__ import annotations

import shutil
import time
from typing import Any

from openchronic_assets import progress
from openchronic_assets.anonymisation.indicator_release import list_indicator_releases
from openchronic_assets.anonymisation.release import list_releases
from openchronic_assets.errors import OpenChronicError
from openchronic_assets.mainjob import refresh
from openchronic_assets.publish import publish_release
from openchronic_assets.releasing import prepare_indicator_candidate
from openchronic_assets.settings import Home
from openchronic_assets.status import status
from openchronic_assets.synthetic import generate

PERSONS = 5000
YEARS = (2019, 2021)
SEED = 42
DEPARTMENTS = ["23", "62", "974"]  # Creuse, Pas-de-Calais, La Réunion
DELIVERY = "demo-2019-2021"
APPROVERS = ["demo-approver-1", "demo-approver-2"]


def run_demo(home: Home) -> dict[str, Any]:
    """Generate, land, ingest, build, anonymise and publish; return the summary.

    Run again on the same home, it finds everything in place and changes nothing.
    """
    started = time.monotonic()
    home.create()
    landing = home.landing / DELIVERY
    if not landing.exists():
        # Generated aside: in landing/ a sensor could see it before it is whole.
        aside = home.scratch / DELIVERY
        shutil.rmtree(aside, ignore_errors=True)
        generate(
            aside,
            PERSONS,
            YEARS,
            SEED,
            DEPARTMENTS,
            "realistic",
            lambda done, total: progress.report("generate", done, total),
            truth=home.root / "truth" / DELIVERY,
            tables="demo",
        )
        aside.rename(landing)
    result = refresh(home, list(range(YEARS[0], YEARS[1] + 1)))
    state = status(home)
    release = _publish(home, str(state["build_id"]))
    indicators = _publish_indicators(home, str(state["build_id"]))
    summary = summarise(home, result, release, time.monotonic() - started)
    return summary | {"indicators": indicators}


def _publish(home: Home, build_id: str) -> dict[str, Any]:
    mine = [each for each in list_releases(home) if each.get("build_id") == build_id]
    for each in mine:
        if each["state"] == "release":
            return each
    if not mine:
        raise OpenChronicError(f"build {build_id} has no candidate: see vault/refusals")
    publish_release(home, mine[-1]["version"], APPROVERS)
    return next(
        each
        for each in list_releases(home)
        if each["version"] == mine[-1]["version"] and each["state"] == "release"
    )


def _publish_indicators(home: Home, build_id: str) -> dict[str, Any]:
    """Release the indicators of the build, of which the atlas is made."""

    def public() -> dict[str, Any] | None:
        mine = [
            each
            for each in list_indicator_releases(home)
            if each.get("build_id") == build_id and each["state"] == "release"
        ]
        return mine[0] if mine else None

    progress.report("indicators", 0, 1)
    if public() is None:
        candidate = prepare_indicator_candidate(home)
        publish_release(home, candidate["version"], APPROVERS)
    progress.report("indicators", 1, 1)
    found = public()
    if found is None:
        raise OpenChronicError(f"build {build_id} has no release of indicators")
    return found


def summarise(
    home: Home, result: dict[str, Any], release: dict[str, Any], seconds: float
) -> dict[str, Any]:
    """Return the figures that end a demonstration."""
    state = status(home)
    rows = [each for each in state["tables"] if each["delivered"] is not None]
    models = {each["model"]: each["rows"] for each in state["models"]}
    return {
        "lines": {
            name: sum(each[name] for each in rows) for name in ("delivered", "kept", "quarantined")
        },
        "persons": models["person"],
        "patients": models["patient"],
        "hospital_stays": models["hospital_stay"],
        "ald_episodes": models["ald_episode"],
        "care_events": models["care_event"],
        "checks": {
            "passed": sum(each["passed"] for each in result["checks"]),
            "run": len(result["checks"]),
        },
        "release": release,
        "seconds": round(seconds, 1),
        "build_id": state["build_id"],
        "catalogue": str(home.catalogue),
        "release_folder": str(home.release / release["version"]),
    }


def lines_of(summary: dict[str, Any]) -> list[str]:
    """Return the summary as lines for a terminal."""
    lines, release, indicators = summary["lines"], summary["release"], summary["indicators"]
    cells = release["cells"]
    return [
        "",
        "[bold]The main job is done.[/]",
        f"  lines        {lines['delivered']:>9,} in, {lines['kept']:,} kept, "
        f"{lines['quarantined']:,} quarantined with their reason",
        f"  persons      {summary['persons']:>9,} known, "
        f"{summary['patients']:,} with an ALD or a long-term disease",
        f"  stays        {summary['hospital_stays']:>9,}",
        f"  ALD episodes {summary['ald_episodes']:>9,}",
        f"  care events  {summary['care_events']:>9,}",
        f"  checks       {summary['checks']['passed']:>9,} of {summary['checks']['run']} passed",
        f"  release      {release['version']}: {release['rows']:,} rows, k = {release['k']}, "
        f"loss {release['loss']:.3f}, {release['suppressed']} rows removed, "
        f"risk at most {release['max_risk']:.3f}",
        f"               {cells['shown']} of {cells['total']} ALD × department × sex cells shown "
        f"({100 * cells['share']:.0f} %), {cells['shown_exact']} by ALD number",
        f"  indicators   {indicators['version']}: {indicators['indicators']} indicators, "
        f"{indicators['cells']['shown']:,} cells shown, {indicators['cells']['hidden']:,} hidden",
        "",
        "[bold]Where to look next[/]",
        "  make ui      the asset graph, checks and runs, in a browser",
        "  make docs    the tables and columns, documented",
        f'  catalogue    {summary["catalogue"]}  (openchronic sql "select * from patient")',
        f"  release      {summary['release_folder']}",
    ]
