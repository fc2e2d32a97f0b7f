"""Commands about code lists and their labels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from openchronic_assets.console import (
    HomeOption,
    JsonOption,
    err,
    out,
    plain,
    print_json,
    show,
)
from openchronic_assets.settings import home as find_home

app = typer.Typer(no_args_is_help=True, help="Code lists with their labels, by vintage.")


@app.command("import")
def nomenclatures_import(
    place: Annotated[Path, typer.Argument(help="A folder of code lists, or one file.")],
    vintage: Annotated[
        str | None,
        typer.Option(help="2021, 2021-07 or 2021-07-15; else the file's name says, else undated."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the list; one file.")] = None,
    code: Annotated[
        str | None, typer.Option(help="Column of the code: name, or number without a header.")
    ] = None,
    label: Annotated[str | None, typer.Option(help="Column of the label; one file.")] = None,
    valid_from: Annotated[str | None, typer.Option("--from", help="Column: first day.")] = None,
    valid_to: Annotated[str | None, typer.Option("--to", help="Column: last day.")] = None,
    source: Annotated[str | None, typer.Option(help="Where it comes from; one file.")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import code lists: a file of its own name each, every layout that publishers use."""
    from dataclasses import asdict

    from openchronic_assets.ingestion.nomenclatures import Layout, import_lists

    layout = Layout(name, code, label, valid_from, valid_to, vintage, source)
    done = import_lists(find_home(home).create(), place, layout)
    if as_json:
        print_json(asdict(done))
    else:
        show([_row(each, "new") for each in done.written]
             + [_row(each, "held already") for each in done.unchanged])  # fmt: skip
        for what, files in (("passed over", done.passed_over), ("refused", done.refused)):
            for file, why in files.items():
                err.print(f"{plain(file)}: {what}: {plain(why)}", highlight=False, soft_wrap=True)
    if done.refused:
        raise typer.Exit(3)


def _row(each: dict[str, Any], state: str) -> dict[str, Any]:
    valid = each["valid"]
    return {
        "list": each["name"],
        "vintage": each["vintage"],
        "codes": each["rows"],
        "code": each["code"],
        "label": each["label"],
        "validity": " to ".join(valid) if valid else None,
        "state": state,
    }


@app.command("list")
def nomenclatures_list(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List the code lists of the lake, and those that contracts name and the lake lacks."""
    from openchronic_assets.ingestion.nomenclatures import asked_for, index

    held = index(find_home(home))
    asked = asked_for()
    missing = sorted(name for name in asked if name.lower() not in held)
    rows = [
        {
            "list": each["name"],
            "current": each["current"],
            "vintages": ", ".join(each["vintages"]),
            "codes": each["vintages"][each["current"]]["rows"],
            "label": each["vintages"][each["current"]]["label"],
            "columns under contract": len(asked.get(each["name"], [])),
        }
        for each in held.values()
    ]
    if as_json:
        print_json({"nomenclatures": list(held.values()), "missing": missing})
        return
    show(rows)
    labelled = sum(len(columns) for name, columns in asked.items() if name.lower() in held)
    coded = sum(len(columns) for columns in asked.values())
    out.print(f"{labelled} of {coded} coded columns have their list", highlight=False)
    if missing:
        some = ", ".join(missing[:12])
        err.print(
            f"{len(missing)} lists that contracts name are not in the lake: {some}"
            f"{' and others (--json names all)' if len(missing) > 12 else ''}",
            highlight=False,
            soft_wrap=True,
        )


@app.command("show")
def nomenclatures_show(
    name: Annotated[str, typer.Argument(help="Name of a list: IR_NAT_V.")],
    code: Annotated[str | None, typer.Option(help="One code.")] = None,
    vintage: Annotated[str | None, typer.Option(help="Else the newest.")] = None,
    limit: Annotated[int, typer.Option(help="Codes shown; 0 for all.")] = 50,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the codes and labels of a list."""
    from openchronic_assets.errors import UsageError
    from openchronic_assets.ingestion.nomenclatures import rows as rows_of

    found = rows_of(find_home(home), name, vintage)
    if code is not None:
        found = [each for each in found if each["code"] == code]
        if not found:
            raise UsageError(f"{name} has no code {code}: codes are written as published")
    cut = found if limit == 0 or as_json else found[:limit]
    if as_json:
        print_json({"name": name.upper(), "rows": cut})
        return
    shown = ("code", "label", "valid_from", "valid_to")
    show([each if code is not None else {key: each[key] for key in shown} for each in cut])
    if len(cut) < len(found):
        err.print(f"{len(cut)} of {len(found)} codes shown; --limit 0 shows all", highlight=False)
