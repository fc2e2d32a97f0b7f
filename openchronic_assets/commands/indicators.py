"""Commands of indicators: what they say, why they moved, how they compare."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from openchronic_assets.console import HomeOption, JsonOption, drawn, out, print_json, show
from openchronic_assets.errors import UsageError
from openchronic_assets.settings import home as find_home

app = typer.Typer(no_args_is_help=True, help="Indicators: their cards, their comparison.")


@app.command("list")
def list_all(
    family: Annotated[str | None, typer.Option(help="A family, such as diabetes_care.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the indicators of the catalogue."""
    from openchronic_assets.indicators.loader import catalogue, families

    if family is not None and family not in families():
        raise UsageError(f"no family {family!r}; there are: {', '.join(families())}")
    rows = [
        {
            "indicator": one.id,
            "family": one.family,
            "kind": one.kind,
            "unit": one.unit,
            "denominators": ", ".join(one.denominators),
            "label": one.label.fr,
        }
        for one in catalogue().values()
        if family in (None, one.family)
    ]
    if as_json:
        print_json({"indicators": rows})
    else:
        show(rows)


@app.command("show")
def show_one(
    name: Annotated[str, typer.Argument(help="Identifier of an indicator.")],
    english: Annotated[bool, typer.Option("--english", help="In English.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the card of an indicator."""
    from rich.markdown import Markdown

    from openchronic_assets.indicators import cards
    from openchronic_assets.indicators.loader import indicator

    text = cards.card(indicator(name), "en" if english else "fr")
    if as_json:
        print_json({"indicator": name, "card": text})
    elif out.is_terminal:
        out.print(Markdown(text))
    else:
        out.print(text, markup=False, highlight=False, soft_wrap=True, end="")


@app.command("cards")
def write_cards(
    to: Annotated[
        Path | None, typer.Option("--out", help="Folder; exports/indicator_cards without it.")
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the card of every indicator as Markdown, in French and in English."""
    from openchronic_assets.indicators import cards

    folder = to if to is not None else find_home(home).create().exports / "indicator_cards"
    files = cards.write(folder)
    if as_json:
        print_json({"folder": str(folder), "files": len(files)})
    else:
        out.print(f"{len(files)} files in {folder}", highlight=False, soft_wrap=True)


@app.command("compare")
def compare_published(
    year: Annotated[int | None, typer.Option(help="A year that was built; else the last.")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put the base's figures beside the published ones, with the gap and a reason, in French."""
    from openchronic_assets.indicators import compare

    place = find_home(home)
    report = compare.compare(place, year)
    paths = compare.write(place, report)
    rows = compare.rows(report)
    if as_json:
        print_json(
            {
                "year": report.year,
                "build_id": report.build_id,
                "data": report.origin,
                "rows": rows,
                "files": [str(path) for path in paths],
            }
        )
        return
    told = [
        {name: f"{v:.4g}" if isinstance(v, float) else v for name, v in row.items()} for row in rows
    ]
    show(told, f"Published figures and {report.year}, {report.origin} data")
    out.print(f"report: {paths[1]}", highlight=False, soft_wrap=True)


@app.command("damir")
def ask_damir(
    year: Annotated[int | None, typer.Option(help="Of care; the newest built without it.")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Answer the questions of Open DAMIR over its 13 regions, as a French page and figures."""
    from openchronic_assets.indicators import damir, damir_report

    place = find_home(home)
    found = damir.gather(place, year)
    _, page, figures = damir_report.write(place, found)
    if as_json:
        print_json({**found, "files": [str(page), str(figures)]})
        return
    show(
        [
            {
                "question": each["question"],
                "regions": each["points"],
                "slope": each["fit"] and f"{each['fit']['slope']:.4g}",
                "95 %": each["fit"] and f"{each['fit']['low']:.4g} to {each['fit']['high']:.4g}",
                "one region out": each["fit"]
                and f"{each['fit']['lowest']:.4g} to {each['fit']['highest']:.4g}",
                "no line because": each["reason"],
            }
            for each in found["answers"]
        ]
    )
    out.print(f"page: {page}", highlight=False, soft_wrap=True)


explain_app = typer.Typer()


@explain_app.command("explain")
def explain_change(
    name: Annotated[str, typer.Argument(help="Identifier of an indicator.")],
    year: Annotated[int, typer.Option(help="A year that both builds hold.")],
    before: Annotated[str, typer.Option("--from", help="The older build, by its id.")],
    after: Annotated[str, typer.Option("--to", help="The newer build.")],
    condition: Annotated[str, typer.Option(help="Such as ald_08; everybody without it.")] = "all",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Split the change of an indicator between two builds into its causes, as a French page."""
    from openchronic_assets.indicators import explain, explained
    from openchronic_assets.indicators.loader import indicator

    place = find_home(home)
    with drawn(as_json):
        found = explain.explain(place, indicator(name), year, before, after, condition)
        paths = explained.write(place, found)
    if as_json:
        print_json({**explained.to_json(found), "files": [str(path) for path in paths]})
        return
    out.print(explained.markdown(found), markup=False, highlight=False, soft_wrap=True)
    out.print(f"page: {paths[1]}", highlight=False, soft_wrap=True)
