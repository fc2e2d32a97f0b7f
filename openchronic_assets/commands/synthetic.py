"""Commands of the generator."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from openchronic_assets import progress
from openchronic_assets.console import HomeOption, JsonOption, drawn, out, print_json
from openchronic_assets.errors import UsageError

app = typer.Typer()


@app.command()
def synth(
    destination: Annotated[Path, typer.Option("--out", help="Folder of the delivery, new.")],
    persons: Annotated[int, typer.Option(min=1)] = 5000,
    years: Annotated[str, typer.Option(help="Care years, A-B.")] = "2019-2021",
    seed: Annotated[int, typer.Option()] = 42,
    departments: Annotated[str, typer.Option(help="Codes, comma-separated.")] = "23,62,974",
    dirt: Annotated[str, typer.Option(help="none or realistic.")] = "realistic",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Generate an SNDS-shaped extract of invented people, with its planted truth beside it."""
    from openchronic_assets.partitions import parse_years
    from openchronic_assets.synthetic import generate

    if dirt not in ("none", "realistic"):
        raise UsageError(f"--dirt is none or realistic, not {dirt}")
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
        )
    if as_json:
        print_json(summary)
    else:
        out.print(f"{persons} persons of {span[0]}-{span[-1]} in {destination}")
