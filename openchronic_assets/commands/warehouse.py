"""Commands that build the models and read them."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from openchronic_assets.commands.releases import indicator_row, release_row
from openchronic_assets.console import HomeOption, JsonOption, drawn, err, out, print_json, show
from openchronic_assets.errors import UsageError
from openchronic_assets.settings import home as find_home

app = typer.Typer()


@app.command()
def run(
    years: Annotated[str, typer.Option(help="Care years to refresh, A-B.")],
    target: Annotated[
        str | None, typer.Option(help="duckdb or spark; else OPENCHRONIC_TARGET, else duckdb.")
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run the main job: raw tables, models, candidate release, for a range of care years."""
    from openchronic_assets.ingestion.spark import require_java
    from openchronic_assets.partitions import parse_years

    require_java()
    place = find_home(home)
    wanted = parse_years(years)
    if target is not None:
        if target not in ("duckdb", "spark"):
            raise UsageError(f"--target is duckdb or spark, not {target}")
        os.environ["OPENCHRONIC_TARGET"] = target
    with drawn(as_json):
        from openchronic_assets.anonymisation.release import list_releases
        from openchronic_assets.mainjob import refresh

        result = refresh(place, wanted)
    if as_json:
        print_json(result)
    else:
        passed = sum(each["passed"] for each in result["checks"])
        out.print(f"run {result['run_id']}: {passed} of {len(result['checks'])} checks passed")
        for each in list_releases(place):
            if each["state"] == "candidate":
                out.print(
                    f"candidate {each['version']} waits for two approvers: openchronic release "
                    f"publish {each['version']} --approver A --approver B",
                    highlight=False,
                    soft_wrap=True,
                )


@app.command("status")
def show_status(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show deliveries, tables, models, stale years, candidates and releases."""
    from openchronic_assets.status import status

    document = status(find_home(home))
    if as_json:
        print_json(document)
        return
    show([{k: v for k, v in each.items() if k != "files"} for each in document["deliveries"]],
          "Deliveries")  # fmt: skip
    show(document["waiting"], "Waiting")
    shown = ("table", "calendar", "year", "delivered", "kept", "quarantined")
    show([{k: each[k] for k in shown} for each in document["tables"]], "Raw tables")
    show(
        [
            {
                "model": each["model"],
                "kind": each["kind"],
                "rows": each["rows"],
                "years": " ".join(f"{y}:{n}" for y, n in each.get("years", {}).items()),
            }
            for each in document["models"]
            if each["layer"] == "marts"
        ],
        f"Models of build {document['build_id']}",
    )
    show(
        [{"year": y, "why": "; ".join(why)} for y, why in document["stale"].items()], "Stale years"
    )
    show([release_row(each) for each in document["candidates"]], "Candidates")
    show([release_row(each) for each in document["releases"]], "Releases")
    show(
        [
            {"state": each["state"], **indicator_row(each)}
            for each in document["indicator_releases"]
        ],
        "Releases of indicators",
    )


@app.command()
def sql(
    query: Annotated[str, typer.Argument(help="One SELECT on the catalogue.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Comma-separated on stdout.")] = False,
    limit: Annotated[int, typer.Option(help="Rows shown as a table; 0 for all.")] = 200,
    project: Annotated[
        str | None, typer.Option("--as", help="Project of vault/access.yaml: ask the gateway.")
    ] = None,
) -> None:
    """Query the models of the current build, read-only, whatever else is running; journalled."""
    import csv

    from openchronic_assets.access.gateway import asked

    place = find_home(home)
    columns, rows, journalled = asked(place, query, project, taken_out=as_csv or as_json)
    if not journalled:
        err.print(
            "this account may not write to the journal: the query is not journalled (mode: open)",
            highlight=False,
        )
    cut = rows if as_json or limit == 0 else rows[:limit]
    if as_json:
        print_json({"columns": columns, "rows": [list(row) for row in rows]})
        return
    if as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
        return
    show([dict(zip(columns, row, strict=True)) for row in cut])
    if len(cut) < len(rows):
        err.print(f"{len(cut)} of {len(rows)} rows shown; --limit 0 shows all", highlight=False)


@app.command()
def files(
    model: Annotated[str, typer.Argument(help="Name of a model.")],
    year: Annotated[int | None, typer.Option(help="One year of a yearly model.")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the current Parquet files of a model."""
    from openchronic_assets.warehouse import files as current

    paths = [str(path) for path in current(find_home(home), model, year)]
    if as_json:
        print_json({"model": model, "year": year, "files": paths})
    else:
        for path in paths:
            sys.stdout.write(path + "\n")
