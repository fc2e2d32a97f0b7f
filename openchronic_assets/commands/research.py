"""Commands of research files: events of patients, for named users of the secure space only."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from openchronic_assets.console import HomeOption, JsonOption, out, print_json, show
from openchronic_assets.errors import UsageError
from openchronic_assets.settings import home as find_home

app = typer.Typer(no_args_is_help=True, help="Events of patients, for named users only.")

CodeOption = Annotated[str, typer.Option(help="Column of the code.")]
DateOption = Annotated[str, typer.Option(help="Column of the date.")]


def _years(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    first, _, last = text.partition("-")
    try:
        found = int(first), int(last or first)
    except ValueError as error:
        raise UsageError("--years is written 2019-2021") from error
    if found[0] > found[1]:
        raise UsageError("--years goes from the first year to the last")
    return found


@app.command("write")
def research_write(
    name: Annotated[str, typer.Argument(help="Of the file: letters, digits, - and _.")],
    user: Annotated[list[str], typer.Option(help="Who may read it; give it once a person.")],
    profile: Annotated[str, typer.Option(help="standard or coarse.")] = "standard",
    model: Annotated[str, typer.Option(help="The mart of the events.")] = "care_event",
    years: Annotated[str | None, typer.Option(help="Of the events, A-B; else all built.")] = None,
    code: CodeOption = "code",
    date: DateOption = "care_date",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write patients (k = 11) and their events to release_restricted/, if the gate accepts."""
    from openchronic_assets.anonymisation.research import write_from_build

    result = write_from_build(
        find_home(home), name, user, profile=profile, model=model, years=_years(years), code=code,
        date=date,
    )  # fmt: skip
    if as_json:
        print_json(result)
        return
    out.print(f"written: {result['folder']}", highlight=False, soft_wrap=True)
    _show_points(result["known_points"])


@app.command("list")
def research_list(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List research files with their users and what known events tell of them."""
    from openchronic_assets.anonymisation.research import list_research

    found = list_research(find_home(home))
    if as_json:
        print_json({"research": found})
        return
    show([{**each, "users": ", ".join(each["users"])} for each in found])


@app.command("measure")
def research_measure(
    files: Annotated[list[Path], typer.Argument(help="Parquet files, one row an event.")],
    person: Annotated[str, typer.Option(help="Column of the person.")] = "person_id",
    code: CodeOption = "code",
    date: DateOption = "care_date",
    prefix: Annotated[int | None, typer.Option(help="Characters of the code; else all.")] = None,
    time: Annotated[str, typer.Option(help="day, month, quarter, year, none or as_is.")] = "month",
    points: Annotated[int, typer.Option(help="m of k^m: events known, 1 to 3.")] = 2,
    k: Annotated[int, typer.Option("--k", help="Fewest people who share them.")] = 11,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure what 1 to 5 known events tell of the people of any file of events."""
    from openchronic_assets.anonymisation.research import measure

    result = measure(files, person, code, date, prefix=prefix, time=time, points=points, k=k)
    if as_json:
        print_json(result)
        return
    _show_points(result["singled_out"])
    show([result["support"]], f"{points} known events")


def _show_points(shares: dict[str, Any]) -> None:
    rows = [{"events known": n, "people singled out": f"{s:.1%}"} for n, s in shares.items()]
    show(rows, "Known-points attack")
