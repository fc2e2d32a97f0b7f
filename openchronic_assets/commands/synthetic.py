"""Commands of the generator."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from openchronic_assets import progress
from openchronic_assets.console import HomeOption, JsonOption, drawn, out, print_json

app = typer.Typer()


@app.command()
def synth(
    destination: Annotated[Path, typer.Option("--out", help="Folder of the delivery, new.")],
    persons: Annotated[int, typer.Option(min=1)] = 5000,
    years: Annotated[str, typer.Option(help="Care years, A-B.")] = "2019-2021",
    seed: Annotated[int, typer.Option(help="The same seed, the same bytes.")] = 42,
    departments: Annotated[str, typer.Option(help="Codes, comma-separated.")] = "23,62,974",
    layout: Annotated[str, typer.Option(help="portal or extraction.")] = "portal",
    dirt: Annotated[str, typer.Option(help="none, realistic or hostile.")] = "realistic",
    file_format: Annotated[str, typer.Option("--format", help="csv or parquet.")] = "csv",
    tables: Annotated[
        str, typer.Option(help="base, demo, core (all that are modelled) or all under contract.")
    ] = "demo",
    universe_persons: Annotated[
        int | None,
        typer.Option(help="Size of the world of providers; else N rounded up to a power of ten."),
    ] = None,
    epoch: Annotated[
        int, typer.Option(min=0, help="How often the pseudonyms have been renewed.")
    ] = 0,
    deaths: Annotated[
        int | None, typer.Option(help="Deaths a year, about; else as many as in France.")
    ] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Processes; else one a processor. Same bytes.")
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Generate an SNDS-shaped extract of invented people, with its planted truth beside it."""
    from openchronic_assets.partitions import parse_years
    from openchronic_assets.synthetic import generate

    span = parse_years(years)
    with drawn(as_json):
        summary = generate(
            destination,
            persons,
            (span[0], span[-1]),
            seed,
            [code.strip() for code in departments.split(",") if code.strip()],
            dirt,
            lambda done, total: progress.report("generate", done, total),
            universe_persons=universe_persons,
            layout=layout,
            format=file_format,
            tables=tables,
            epoch=epoch,
            deaths=deaths,
            processes=processes or os.cpu_count() or 1,
        )
    if as_json:
        print_json(summary)
    else:
        out.print(f"{persons} persons of {span[0]}-{span[-1]} in {destination}")
        out.print(f"what is true of them in {summary['truth']}")


@app.command("synth-report")
def synth_report(
    extract: Annotated[Path, typer.Argument(help="Folder that synth wrote with --out.")],
    page: Annotated[
        Path | None, typer.Option("--out", help="HTML file; else calibration.html in the truth.")
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hold an extract against the published figures: an HTML report, figure by figure."""
    from openchronic_assets.synthetic import report
    from openchronic_assets.synthetic.acceptance import truth_of

    target = page or truth_of(extract) / "calibration.html"
    found = report.appraise(extract)
    report.write(found, target)
    if as_json:
        print_json({**found.summary, "report": str(target)})
        return
    held = [band for band in found.bands if band.value is not None]
    out.print(f"{sum(band.holds for band in held)} of {len(held)} acceptance bands hold: {target}")
