"""Commands of code lists and disease algorithms."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import typer

from openchronic_assets.codelists import Algorithm, CodeList, Criterion
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
            "reviewed": one.reviewed_by or "nobody",
            "valid": _years(one),
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
    folder = find_home(home).codelists
    found = cards.registry(folder)
    if name in found:
        card = {"fingerprint": cards.fingerprint(found[name])} | dataclasses.asdict(found[name])
        rows = [{"field": key, "value": _said(value)} for key, value in card.items()]
    else:
        rows = [_algorithm_row(one) for one in cards.find_version(name, folder).values()]
    if as_json:
        print_json({"name": name, "rows": rows})
    else:
        show(rows, name)


def _years(one: CodeList) -> str:
    if one.valid_from is None and one.valid_to is None:
        return "always"
    return f"{one.valid_from or ''}-{one.valid_to or ''}"


def _said(value: object) -> str:
    """Return a field of a card in words; one that nobody has filled says so."""
    if isinstance(value, dict):
        value = [f"{registry}: {identifier}" for registry, identifier in value.items()]
    if isinstance(value, list | tuple):
        value = ", ".join(map(str, value))
    return str(value) if value not in (None, "") else "not said"


def _algorithm_row(one: Algorithm) -> dict[str, Any]:
    return {
        "algorithm": one.name,
        "label": one.label_fr,
        "flag": one.flag,
        "criteria": "; ".join(map(_criterion, one.criteria)) or _without_criteria(one),
        "requires": ", ".join(one.requires),
        "unless": ", ".join(one.unless),
        "note": one.note,
    }


def _criterion(each: Criterion) -> str:
    """Return a criterion in one line: source, list, years, then what it asks more."""
    asked = [
        f"{each.flag}: {each.source} {each.codes} {each.window[0]}..{each.window[1]}",
        "/".join(each.positions),
        f"beside {each.beside}" if each.beside else "",
        f"without {each.absent}" if each.absent else "",
        *(f"or {source} {codes}" for source, codes in each.pooled),
        f"begun {each.started[0]}..{each.started[1]}" if each.started else "",
        f"{each.dates} dates" if each.dates > 1 else "",
        f"{each.dates_large_pack} with a large pack" if each.dates_large_pack else "",
        f"over {each.span} days" if each.span else "",
        f"if {', '.join(each.requires)}" if each.requires else "",
        f"unless {', '.join(each.unless)}" if each.unless else "",
        f"with parameter {each.parameter}" if each.parameter else "",
    ]
    return ", ".join(filter(None, asked))


def _without_criteria(one: Algorithm) -> str:
    if one.members:
        return f"any of {', '.join(one.members)}"
    if one.residual is None:
        return ""
    numbers = f" {', '.join(map(str, one.residual.numbers))}" if one.residual.numbers else ""
    return f"{one.residual.source}{numbers} that no criterion names"


@app.command("diff")
def diff(
    first: Annotated[
        str, typer.Argument(help="Name of a list, a file that holds one, or a version.")
    ],
    second: Annotated[str, typer.Argument(help="Another.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show which codes one list holds and the other does not; or how two versions differ."""
    folder = find_home(home).codelists
    found = cards.registry(folder)
    if {first, second} <= {*cards.versions(folder)}:
        fate = cards.compare_versions(
            cards.find_version(first, folder), cards.find_version(second, folder)
        )
        if as_json:
            print_json({"same": not fate, "algorithms": fate})
        else:
            show([{"algorithm": name, "is": what} for name, what in fate.items()])
        return
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
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Lists, or one version of algorithms; all lists when left out."),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write code lists, or algorithms with their lists, as one file for another institution."""
    folder = find_home(home).codelists
    found = cards.registry(folder)
    if names and len(names) == 1 and names[0] in cards.versions(folder):
        version = cards.find_version(names[0], folder)
        written = cards.export_version(names[0], version, found, destination)
    else:
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
    """Take in code lists and algorithms; what ships never changes."""
    place = find_home(home).create()
    fate = cards.take_in(file, place.codelists)
    if as_json:
        print_json({"lists": fate})
    else:
        show([{"list": name, "is": what} for name, what in fate.items()])
