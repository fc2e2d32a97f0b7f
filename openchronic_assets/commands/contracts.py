"""Commands about what a delivery must look like."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from openchronic_assets.console import HomeOption, JsonOption, out, print_json, show

app = typer.Typer(no_args_is_help=True, help="What a delivery must look like.")


@app.command("show")
def contractsshow(
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
            "required": "yes" if column.required else "",
            "years": str(column.years),
            "nomenclature": column.nomenclature,
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
    title = f"{found.name}{f', {year}' if year else ''}: {found.grain}; key {', '.join(found.key)}"
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
        show([{"what": name, "found": _joined(value)} for name, value in found.items()])
    if not found["fits"]:
        raise typer.Exit(3)


def _joined(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)


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
    rows = [
        {"column": name, "moved": moved, "doubt": found.doubtful.get(name)}
        for moved, names in (("appeared", found.appeared), ("disappeared", found.disappeared))
        for name in names
    ]
    show(rows, f"{found.table}, {before} to {after}")
    if not rows:
        out.print(f"{found.table}: the same columns in {before} and {after}")


@app.command("import")
def contracts_import(
    folder: Annotated[Path, typer.Argument(help="Checkout of the official schema.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Report what a checkout of the official schema says that the contracts do not."""
    from dataclasses import asdict

    from openchronic_assets.contracts.compare import against_schema

    review = against_schema(folder)
    if as_json:
        print_json(asdict(review))
        return
    rows = [
        {"table": table, "what": what, "columns": ", ".join(names)}
        for what, found in (
            ("new in the schema", review.new),
            ("ended in the schema", review.ended),
            ("not in the schema", review.gone),
        )
        for table, names in found.items()
    ]
    show(rows, f"{review.read} tables read")
    out.print(f"{len(review.unknown_tables)} tables of the schema are not under contract")
