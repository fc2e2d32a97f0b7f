"""The command by which analysts take their own tables out."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated

import typer

from openchronic_assets.console import HomeOption, JsonOption, err, out, plain, print_json, show
from openchronic_assets.errors import Refused
from openchronic_assets.settings import home as find_home

app = typer.Typer()


@app.command()
def sortie(
    table: Annotated[Path, typer.Argument(help="CSV or Parquet table; or a sortie to verify.")],
    count: Annotated[str | None, typer.Option(help="Column of people.")] = None,
    stays: Annotated[str | None, typer.Option(help="Column of stays.")] = None,
    amount: Annotated[str | None, typer.Option(help="Column of an amount.")] = None,
    largest: Annotated[
        str | None, typer.Option(help="Column: the amount of the largest contributor.")
    ] = None,
    user: Annotated[str | None, typer.Option(help="Who takes it out; else the account.")] = None,
    threshold: Annotated[int, typer.Option(help="Fewest people of a cell, at least 11.")] = 11,
    verify: Annotated[bool, typer.Option("--verify", help="Check the proof of a sortie.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check a table against the rules and all tables already out; deliver it or propose merges."""
    from openchronic_assets.anonymisation.sortie import take_out, verify_proof

    place = find_home(home)
    if verify:
        proof = verify_proof(place, table)
        if as_json:
            print_json(proof)
        else:
            out.print(f"the proof of {proof['sortie']} holds", highlight=False)
        return
    result = take_out(
        place,
        table,
        user or getpass.getuser(),
        threshold=threshold,
        count=count,
        stays=stays,
        amount=amount,
        largest=largest,
    )
    if as_json:
        print_json(result)
    elif result["delivered"]:
        out.print(f"delivered: {result['folder']}", highlight=False, soft_wrap=True)
    else:
        show(result["problems"], "Sent back")
        for each in result["proposals"]:
            for name, groups in each.items():
                merged = "; ".join(", ".join(group) for group in groups)
                err.print(plain(f"passes with {name} merged: {merged}"), highlight=False,
                          soft_wrap=True)  # fmt: skip
    if not result["delivered"]:
        if as_json:
            raise typer.Exit(3)
        raise Refused(
            "the table was not delivered: "
            + ", ".join(problem["rule"] for problem in result["problems"])
        )
