"""Commands about what a delivery must look like."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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

app = typer.Typer(no_args_is_help=True, help="What a delivery must look like.")


@app.command("show")
def contracts_show(
    table: Annotated[str, typer.Argument(help="SNDS name: ER_PRS_F, T_MCO19B.")],
    year: Annotated[int | None, typer.Option(help="Structure of one year.")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the columns of a table, over all years or in one."""
    from openchronic_assets.contracts import load

    found = load(table)
    if year is not None:
        found = found.for_year(year)
    rows = [
        {
            "column": column.name,
            "type": column.lake_type if column.is_loaded else "not loaded",
            "role": column.role,
            "unit": column.unit,
            "required": "yes" if column.required else "",
            "years": str(column.years),
            "nomenclature": column.nomenclature,
            "domain": column.domain,
            "years_note": column.years_note,
            "description": column.description or column.reason,
        }
        for column in found.columns
    ]
    if as_json:
        print_json(
            {
                "table": found.name,
                "year": year,
                "product": found.product,
                "calendar": found.calendar,
                "grain": found.grain,
                "key": list(found.key),
                "columns": rows,
            }
        )
        return
    key = f"key {', '.join(found.key)}" if found.key else "no key known"
    title = f"{found.name}{f', {year}' if year else ''}: {found.grain}; {key}"
    show(rows, title)


@app.command("list")
def contracts_list(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List the tables under contract."""
    from openchronic_assets.contracts import load, tables

    rows = [
        {
            "table": name,
            "product": load(name).product,
            "calendar": load(name).calendar,
            "years": str(load(name).years),
            "columns": len(load(name).columns),
            "grain": load(name).grain,
        }
        for name in tables()
    ]
    if as_json:
        print_json({"tables": rows})
    else:
        show(rows)


@app.command("check")
def contracts_check(
    file: Annotated[Path, typer.Argument(help="A delivered file.")],
    table: Annotated[str | None, typer.Option(help="Its table; else the file's name says.")] = None,
    year: Annotated[int | None, typer.Option(help="Its year; else the file's name says.")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hold the header of a file against the structure of its year."""
    from openchronic_assets.ingestion.structure import check_file

    found = check_file(file, table, year)
    if as_json:
        print_json(found)
    else:
        known = found.get("structure_of")
        against = f"{found['table']} of {found['year']}" + (
            f" (newest structure known: {known})" if known else ""
        )
        said = "fits" if found["fits"] else f"does not fit: {plain(found['message'])}"
        out.print(f"{plain(found['file'])}, {against}: {said}", highlight=False, soft_wrap=True)
        show(found["differences"])
    if not found["fits"]:
        raise typer.Exit(3)


@app.command("diff")
def contracts_diff(
    table: Annotated[str, typer.Argument(help="SNDS name: T_MCOaaB.")],
    before: Annotated[int, typer.Argument(help="A year.")],
    after: Annotated[int, typer.Argument(help="Another year.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what moved in a table between two years."""
    from openchronic_assets.contracts import load
    from openchronic_assets.contracts.compare import between_years

    found = between_years(load(table), before, after)
    if as_json:
        print_json(found.to_json())
        return
    contract = load(table)
    rows = [
        {
            "column": name,
            "moved": moved,
            "years": str(contract.column(name).years),
            "description": contract.column(name).description,
            "doubt": found.doubtful.get(name),
        }
        for moved, names in (("appeared", found.appeared), ("disappeared", found.disappeared))
        for name in names
    ]
    show(rows, f"{found.table}, {before} to {after}")
    if not rows:
        out.print(f"{found.table}: the same columns in {before} and {after}")


@app.command("import")
def contracts_import(
    folder: Annotated[Path, typer.Argument(help="Checkout of the official schema.")],
    write: Annotated[
        Path | None,
        typer.Option(help="New folder for the contracts as the schema would have them, to review."),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Report what a checkout of the official schema says that was not reviewed yet."""
    from dataclasses import asdict

    from openchronic_assets.contracts import official, proposal
    from openchronic_assets.contracts.compare import review

    checkout = official.read(folder)
    found = review(checkout)
    written = proposal.write(found, checkout, write) if write else []
    if as_json:
        files = [str(path) for path in written]
        print_json(asdict(found) | {"is_empty": found.is_empty, "written": files})
        return
    rows = found.findings()
    show(rows, f"{found.read} tables read, {len(rows)} findings")
    if not rows:
        out.print(f"{found.read} tables read: nothing that was not reviewed", highlight=False)
    for where, why in found.unreadable.items():
        err.print(f"{plain(where)}: {why}; not compared", highlight=False, soft_wrap=True)
    if found.absent_tables:
        names = ", ".join(found.absent_tables)
        err.print(f"under contract, not in this checkout: {names}", highlight=False, soft_wrap=True)
    if written:
        out.print(f"{len(written)} files to review in {write}: read REVIEW.md first",
                  highlight=False, soft_wrap=True)  # fmt: skip
