"""Commands of candidates and releases."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from openchronic_assets.console import HomeOption, JsonOption, out, plain, print_json, show
from openchronic_assets.errors import UsageError
from openchronic_assets.settings import home as find_home

app = typer.Typer(no_args_is_help=True, help="Candidates and releases.")


def release_row(each: dict[str, Any]) -> dict[str, Any]:
    """Return a candidate or release as a row to show."""
    row = {name: each.get(name) for name in ("version", "purpose", "rows", "k", "suppressed")}
    loss = each.get("loss")
    return row | {"loss": None if loss is None else f"{loss:.4f}"}


@app.command("list")
def release_list(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List candidates and releases."""
    from openchronic_assets.anonymisation.indicator_release import list_indicator_releases
    from openchronic_assets.anonymisation.release import list_releases

    place = find_home(home)
    found, of_indicators = list_releases(place), list_indicator_releases(place)
    if as_json:
        print_json({"releases": [*found, *of_indicators]})
    else:
        show([{"state": each["state"], **release_row(each)} for each in found])
        if of_indicators:
            show([{"state": each["state"], **indicator_row(each)} for each in of_indicators])


def indicator_row(each: dict[str, Any]) -> dict[str, Any]:
    """Return a candidate or release of indicators as a row for a terminal."""
    cells = each.get("cells", {})
    return {
        **{name: each.get(name) for name in ("version", "purpose", "indicators")},
        "years": ", ".join(str(year) for year in each.get("years", ())),
        "shown": cells.get("shown"),
        "hidden": cells.get("hidden"),
    }


@app.command("indicators")
def release_indicators(
    indicator: Annotated[
        list[str] | None, typer.Option(help="Only this indicator; may be given several times.")
    ] = None,
    year: Annotated[
        list[int] | None, typer.Option(help="Only this care year; may be given several times.")
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Prepare the candidate of public indicators from the current build.

    Counts by territory, sex and age, each cell under its rules; the gate judges the written files.
    Two people then publish it, as any candidate: openchronic release publish VERSION.
    """
    from openchronic_assets.releasing import prepare_indicator_candidate

    report = prepare_indicator_candidate(find_home(home), indicator, year)
    if as_json:
        print_json(report)
        return
    cells = report["cells"]
    out.print(f"candidate {report['version']}: {len(report['indicators'])} indicators")
    out.print(
        f"  {cells['shown']:,} cells shown, {cells['hidden']:,} hidden "
        f"({cells['hidden_share']:.1%}), {cells['absent']:,} without anybody"
    )


@app.command("report")
def release_report(
    version_name: Annotated[str, typer.Argument(metavar="VERSION")],
    destination: Annotated[Path, typer.Option("--out", help="A new .html file.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a release's page: the frontier, the choice, the three European criteria, the limits."""
    from openchronic_assets.anonymisation.calibration_report import release_page
    from openchronic_assets.anonymisation.indicator_release import VERSION
    from openchronic_assets.anonymisation.release import read_report

    if VERSION.fullmatch(version_name):
        raise UsageError(
            f"{version_name} is a release of indicators: its README.md says how it was protected, "
            "and `openchronic atlas` shows it"
        )
    report = read_report(find_home(home), version_name)
    if destination.exists():
        raise UsageError(f"{destination} exists: give a new file")
    destination.write_text(release_page(report), encoding="utf-8")
    if as_json:
        print_json({"page": str(destination), "calibration": report["calibration"]})
    else:
        out.print(f"page: {plain(str(destination))}", highlight=False, soft_wrap=True)


@app.command("publish")
def release_publish(
    version_name: Annotated[str, typer.Argument(metavar="VERSION")],
    approver: Annotated[list[str], typer.Option(help="Give it twice: two different people.")],
    purpose: Annotated[str | None, typer.Option(help="Written in the report.")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Move a candidate that two people approve to the public releases."""
    from openchronic_assets.publish import publish_release

    report = publish_release(find_home(home), version_name, approver, purpose)
    if as_json:
        print_json(report)
    else:
        out.print(f"release {report['version']} published, purpose: {report['purpose']}")
