"""Commands that bring deliveries in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from openchronic_assets import progress
from openchronic_assets.console import (
    HomeOption,
    JsonOption,
    drawn,
    err,
    out,
    plain,
    print_json,
    show,
)
from openchronic_assets.settings import home as find_home

app = typer.Typer()


@app.command()
def ingest(
    folder: Annotated[Path, typer.Argument(help="A delivery, wherever it lies.")],
    year: Annotated[int | None, typer.Option(help="Year of files whose name has none.")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ingest one delivery: every line of its tables is kept or quarantined."""
    from openchronic_assets.ingestion.run import ingest as run_ingest

    with drawn(as_json):
        result = run_ingest(find_home(home), folder, year=year, progress=progress.report)
    if as_json:
        print_json(result.to_json())
    else:
        rows = [
            {
                "table": table,
                "files": each["files"],
                "lines read": each["read"],
                "kept": each["kept"],
                "quarantined": each["quarantined"],
            }
            for table, each in sorted(result.totals().items())
        ]
        show(rows, f"{result.name}: {result.state}")
        for report in result.files:
            if report.year_source not in ("name", "--year"):
                err.print(
                    f"{report.path}: read as {report.table} of {report.year} "
                    f"({report.year_source})",
                    highlight=False,
                    soft_wrap=True,
                )
            _warn_columns(report)
        if result.out_of_scope:
            err.print(f"{len(result.out_of_scope)} files not in scope:", highlight=False)
            for name in result.out_of_scope:
                err.print(f"  {plain(name)}", highlight=False)
        if result.report:
            err.print(f"report: {plain(result.report)}", highlight=False, soft_wrap=True)
    for message in result.messages:
        err.print(plain(message), highlight=False, soft_wrap=True)
    if result.refused_files:
        raise typer.Exit(3)


@app.command()
def report(
    delivery: Annotated[
        str | None, typer.Argument(help="Name or identity of a delivery; else all.")
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the run report of a delivery: what came, what was refused, what changed.

    Each ingestion writes one. Written again after a run, it tells what each quality rule removed.
    """
    from openchronic_assets.reports.page import write_all

    written = [str(path) for path in write_all(find_home(home), delivery)]
    if as_json:
        print_json({"reports": written})
        return
    for path in written:
        out.print(plain(path), highlight=False, soft_wrap=True)


def _warn_columns(report: Any) -> None:
    if report.ignored:
        err.print(
            f"{plain(report.path)}: columns outside the contract, not loaded: "
            f"{plain(', '.join(report.ignored))}",
            highlight=False,
            soft_wrap=True,
        )
