"""Commands of those who keep the platform running."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from openchronic_assets.console import HomeOption, JsonOption, drawn, out, print_json, show
from openchronic_assets.settings import home as find_home

app = typer.Typer()

ThroughOption = Annotated[
    str | None,
    typer.Option("--vault-through", help="Command from stdin to stdout: gpg, age."),
]


@app.command()
def backup(
    folder: Annotated[Path, typer.Option("--to", help="Folder of the backups, on another disk.")],
    vault: Annotated[
        Path | None, typer.Option("--vault-to", help="A new file for the encrypted vault.")
    ] = None,
    through: ThroughOption = None,
    lake: Annotated[bool, typer.Option(help="Typed rows and builds too.")] = True,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Save a home, each content once; the vault apart, encrypted."""
    from openchronic_assets.operations.backup import backup as write

    with drawn(as_json):
        told = write(find_home(home), folder, vault=vault, through=through, lake=lake)
    if as_json:
        print_json(told)
        return
    show([told], "Backup")
    if not told["vault"]:
        out.print("the vault is NOT in it: --vault-to FILE --vault-through COMMAND")


@app.command()
def restore(
    folder: Annotated[Path, typer.Option("--from", help="Folder of the backups.")],
    identifier: Annotated[str | None, typer.Option("--id", help="Which; else the newest.")] = None,
    vault: Annotated[
        Path | None, typer.Option("--vault-from", help="File of the encrypted vault.")
    ] = None,
    through: ThroughOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Restore a backup into an empty home, each file compared with its hash."""
    from openchronic_assets.operations.backup import restore as write

    with drawn(as_json):
        told = write(find_home(home), folder, identifier=identifier, vault=vault, through=through)
    if as_json:
        print_json(told)
    else:
        show([told], "Restored, every hash as saved")


@app.command()
def clean(
    logs_days: Annotated[int, typer.Option(help="Logs of runs older than that go.")] = 90,
    quarantine_days: Annotated[
        int | None, typer.Option(help="Refused lines older than that go; else they stay.")
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Delete; otherwise only count.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete what is past its use: old logs, superseded builds, refused lines."""
    from openchronic_assets.operations.retention import clean as go

    told = go(find_home(home), logs_days=logs_days, quarantine_days=quarantine_days, apply=apply)
    if as_json:
        print_json(told)
        return
    show([{"what": name, **told[name]} for name in ("logs", "quarantine")])
    out.print(
        f"builds gone: {', '.join(told['builds']) or 'none'}"
        if apply
        else "nothing was deleted: --apply deletes"
    )


@app.command()
def sbom(
    destination: Annotated[Path, typer.Option("--out", help="A new .json file.")],
    as_json: JsonOption = False,
) -> None:
    """Write the bill of materials (CycloneDX 1.6): packages, versions, hashes, licences."""
    from openchronic_assets.operations.materials import write

    told = write(destination)
    if as_json:
        print_json(told)
    else:
        show([told])


@app.command()
def plan(
    persons: Annotated[int, typer.Option(help="People in the extract.")],
    years: Annotated[int, typer.Option(help="Care years.")],
    cores: Annotated[int, typer.Option(help="Cores of the machine.")],
    lines: Annotated[
        float | None, typer.Option(help="Lines of claims a person and year, if known.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say how long, how large: measured costs times what is asked, with the assumptions."""
    from openchronic_assets.operations.sizing import LINES
    from openchronic_assets.operations.sizing import plan as make

    told = make(persons, years, cores, lines=LINES if lines is None else lines)
    if as_json:
        print_json(told)
        return
    show(
        [
            {"stage": each["stage"], "processor hours": f"{each['processor_hours']:.2f}",
             "hours": f"{each['hours']:.2f}"}
            for each in told["stages"]
        ],
        f"{told['claim_lines']:,} lines of claims, {told['hours']:.1f} hours on {cores} cores",
    )  # fmt: skip
    show(
        [{"disk": name, "GB": f"{size / 1e9:,.1f}"} for name, size in told["disk_bytes"].items()],
        f"Disk {told['disk_total_bytes'] / 1e9:,.0f} GB, memory {told['memory_gb']:.0f} GB",
    )
    for each in told["assumptions"]:
        out.print(f"- {each}", highlight=False, soft_wrap=True)
