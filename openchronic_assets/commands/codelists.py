"""Commands of code lists and disease algorithms."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from openchronic_assets.codelists import CodeList, load_algorithms
from openchronic_assets.codelists import exchange as cards
from openchronic_assets.codelists.loader import read_lists
from openchronic_assets.console import HomeOption, JsonOption, out, print_json, show
from openchronic_assets.errors import UsageError
from openchronic_assets.settings import home as find_home

app = typer.Typer(no_args_is_help=True, help="Code lists and disease algorithms.")


@app.command("list")
def list_all(
    system: Annotated[str | None, typer.Option(help="CIM10, ATC, CCAM or GHM.")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the code lists: those that ship and those taken in."""
    rows = [
        {
            "name": one.name,
            "system": one.system,
            "codes": len(one.codes),
            "flag": one.flag,
            "fingerprint": cards.fingerprint(one),
            "label": one.label_fr,
        }
        for one in cards.registry(find_home(home).codelists).values()
        if system in (None, one.system)
    ]
    if as_json:
        print_json({"lists": rows})
    else:
        show(rows)


@app.command("show")
def show_one(
    name: Annotated[str, typer.Argument(help="A code list, or a version such as G6-like.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the card of a code list, or the algorithms of a version."""
    found = cards.registry(find_home(home).codelists)
    if name in found:
        rows = [
            {"field": key, "value": ", ".join(value) if isinstance(value, list) else str(value)}
            for key, value in cards.card(found[name]).items()
        ]
    else:
        rows = [_algorithm_row(one) for one in load_algorithms(name).values()]
    if as_json:
        print_json({"name": name, "rows": rows})
    else:
        show(rows, name)


def _algorithm_row(one: Any) -> dict[str, Any]:
    return {
        "algorithm": one.name,
        "label": one.label_fr,
        "flag": one.flag,
        "criteria": "; ".join(
            f"{each.source} {each.codes} {each.window[0]}..{each.window[1]}"
            for each in one.criteria
        ),
        "requires": ", ".join(one.requires),
        "unless": ", ".join(one.unless),
        "note": one.note,
    }


@app.command("diff")
def diff(
    first: Annotated[str, typer.Argument(help="Name of a list, or a file that holds one.")],
    second: Annotated[str, typer.Argument(help="Another.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show which codes one list holds and the other does not."""
    found = cards.registry(find_home(home).codelists)
    one, other = _one(first, found), _one(second, found)
    difference = cards.compare(one, other)
    if as_json:
        print_json(
            {
                "same": difference.same,
                "only_first": difference.only_first,
                "only_second": difference.only_second,
            }
        )
        return
    rows = [{"code": code, "only in": first} for code in difference.only_first]
    rows += [{"code": code, "only in": second} for code in difference.only_second]
    show(rows)
    if difference.same:
        out.print("the same codes", highlight=False)


def _one(place: str, found: dict[str, CodeList]) -> CodeList:
    if place in found:
        return found[place]
    path = Path(place)
    if not path.is_file():
        raise UsageError(f"{place} is neither a code list nor a file; see: codelist list")
    read = read_lists(path)
    if len(read) != 1:
        raise UsageError(f"{place} holds {len(read)} lists: give a file of one, or import it")
    return read[0]


@app.command("export")
def export(
    destination: Annotated[Path, typer.Argument(help="File to write, new.")],
    names: Annotated[list[str] | None, typer.Argument(help="Lists; all when left out.")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write code lists as one file to give to another institution."""
    found = cards.registry(find_home(home).codelists)
    written = cards.export(found, names or list(found), destination)
    if as_json:
        print_json({"file": str(destination), "lists": written})
    else:
        out.print(f"{written} lists in {destination}", highlight=False, soft_wrap=True)


@app.command("import")
def take_in(
    file: Annotated[Path, typer.Argument(help="A file that another institution exported.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take in code lists; one that ships never changes."""
    place = find_home(home).create()
    fate = cards.take_in(file, place.codelists)
    if as_json:
        print_json({"lists": fate})
    else:
        show([{"list": name, "is": what} for name, what in fate.items()])
