"""Commands of indicators: what they say, why they moved, how they compare."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from openchronic_assets.console import HomeOption, JsonOption, out, print_json, show
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
