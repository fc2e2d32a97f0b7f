"""Commands that write extracts for the secure space."""

from __future__ import annotations

import fcntl
import getpass
from pathlib import Path
from typing import Annotated, Any

import typer

from openchronic_assets.console import HomeOption, JsonOption, drawn, out, print_json, show
from openchronic_assets.settings import Home
from openchronic_assets.settings import home as find_home

app = typer.Typer(
    no_args_is_help=True, help="Extracts of individual data for named users of the secure space."
)


@app.callback()
def exports() -> None:
    """Write extracts of individual data under exports/, never under release/."""


@app.command("omop")
def omop(
    years: Annotated[
        str | None, typer.Option(help="Care years, A-B; all that are built when left out.")
    ] = None,
    vocabulary: Annotated[
        Path | None,
        typer.Option(help="Folder of Athena files (CONCEPT, CONCEPT_RELATIONSHIP), unpacked."),
    ] = None,
    csv: Annotated[bool, typer.Option("--csv", help="CSV beside Parquet.")] = False,
    holder: Annotated[str, typer.Option(help="Who holds the data.")] = "not stated",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the OMOP common data model 5.4 from the catalogue."""
    from openchronic_assets.exports.omop import export_omop
    from openchronic_assets.partitions import parse_years

    place = find_home(home)
    with drawn(as_json):
        document = export_omop(
            place,
            parse_years(years) if years else None,
            vocabulary,
            ("parquet", "csv") if csv else ("parquet",),
            holder,
        )
    if not document["unchanged"]:
        _record(place, document)
    if as_json:
        print_json(document)
        return
    show([{"table": name, "rows": rows} for name, rows in document["tables"].items()])
    state = "is there already" if document["unchanged"] else "is written"
    out.print(f"{document['folder']} {state}", highlight=False, soft_wrap=True)


def _record(home: Home, document: dict[str, Any]) -> None:
    """Say in the journal who took out what: the folder holds individual data."""
    from openchronic_assets.anonymisation import journal

    with (home.vault / "release.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        journal.append(
            home.vault / "journal.jsonl",
            "omop_exported",
            user=getpass.getuser(),
            version=document["version"],
            years=document["years"],
            rows=document["tables"],
        )
