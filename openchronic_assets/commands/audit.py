"""Commands of the audit journal and of what only some people may read."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from openchronic_assets import duck
from openchronic_assets.access import audit
from openchronic_assets.console import HomeOption, JsonOption, err, out, print_json, show
from openchronic_assets.errors import UsageError
from openchronic_assets.settings import home as find_home

app = typer.Typer(no_args_is_help=True, help="The audit journal: check it, review rights.")


@app.command("verify")
def verify(
    expect: Annotated[
        list[str] | None,
        typer.Option(help="A head noted earlier, NUMBER:SHA256; may be given several times."),
    ] = None,
    seal: Annotated[
        bool, typer.Option("--seal", help="After an upgrade from 0.1: write the missing heads.")
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check that no entry of the journal was changed, removed, moved or cut off."""
    place = find_home(home)
    if seal:
        audit.seal(place)
    found = audit.verify(place, expect or ())
    if as_json:
        print_json(found)
        return
    show([{"event": name, "entries": n} for name, n in found["events"].items()])
    out.print(f"{found['entries']} entries, the chain is whole", highlight=False)
    out.print(f"head {found['head']}", highlight=False, soft_wrap=True)


@app.command("rights")
def rights(
    year: Annotated[int, typer.Option(help="Year under review.")],
    destination: Annotated[Path | None, typer.Option("--out", help="A new .csv file.")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Export declared rights and their uses in a year, for the yearly review."""
    rows = audit.rights(find_home(home), year)
    if destination is not None:
        audit.write_rights(rows, destination)
    if as_json:
        print_json({"year": year, "rights": rows})
    elif destination is None:
        show(rows)
    else:
        out.print(f"{len(rows)} rows: {destination}", highlight=False, soft_wrap=True)


@app.command("collect")
def collect(
    logs: Annotated[list[Path], typer.Argument(help="Logs of PostgreSQL, jsonlog, oldest first.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take the queries that a PostgreSQL server logged into the journal, each once."""
    from openchronic_assets.exports.postgres import collect as take

    place = find_home(home)
    taken = [{"log": log.name, **take(place, log)} for log in logs]
    if as_json:
        print_json({"logs": taken})
    else:
        show(taken)


access_app = typer.Typer()
publish_app = typer.Typer(no_args_is_help=True, help="Serve marts and releases elsewhere.")


@publish_app.callback()
def published() -> None:
    """Serve marts and releases elsewhere."""


@publish_app.command("postgres")
def postgres(
    dsn: Annotated[str, typer.Option(help="postgresql://host/name; password in PGPASSFILE.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Serve the newest release, and the base to declared projects, from PostgreSQL."""
    from openchronic_assets.exports.postgres import publish

    said = publish(find_home(home), dsn)
    if as_json:
        print_json(said)
        return
    out.print(f"release {said['release']['version']}, build {said['build']}", highlight=False)
    show(
        [
            {"project": name, "role": each["role"], "tables": len(each["tables"]),
             "people": " ".join(each["users"]), "open": each["open"], "ends": each["ends"]}
            for name, each in said["projects"].items()
        ]
    )  # fmt: skip
    for user in said["people_without_login"]:
        err.print(f"{user} has no login in that database yet", highlight=False)


@access_app.command("gateway")
def gateway(home: HomeOption = None) -> None:
    """Answer the queries of declared projects on a Unix socket, each one journalled."""
    from openchronic_assets.access.projects import check_secure, load
    from openchronic_assets.access.server import Gateway, socket_path

    place = find_home(home).create()
    access = load(place)
    if access is None:
        raise UsageError("no project is declared: write vault/access.yaml (docs/security.md)")
    if access.mode == "secure":
        check_secure(place)
    with Gateway(place) as server:
        err.print(f"gateway on {socket_path(place)} (stop with Ctrl-C)", highlight=False)
        server.serve_forever()


@access_app.command("quarantine")
def quarantine(
    table: Annotated[str, typer.Argument(help="SNDS name of a table.")],
    purpose: Annotated[str, typer.Option(help="Why; it is written in the journal.")],
    limit: Annotated[int, typer.Option(help="Lines shown.", min=1)] = 20,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show refused lines as they were delivered. PERSONAL DATA; the reading is journalled."""
    place = find_home(home)
    if not purpose.strip():
        raise UsageError("--purpose says why the refused lines are read")
    every = {path.name: path for path in place.quarantine.iterdir() if path.is_dir()}
    folder = every.get(table.lower())
    files = sorted(map(str, folder.rglob("*.parquet"))) if folder else []
    if not files:
        raise UsageError(f"no refused line of {table.upper()[:40]} is in quarantine")
    with duck.connect() as connection:
        cursor = connection.execute(
            "select source_file, source_line, reason, column_name, raw from read_parquet(?) "
            "order by source_file, source_line limit ?",
            [files, limit],
        )
        columns = [each[0] for each in cursor.description or []]
        rows = [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]
    # Before the first line is shown, so that none is read unseen.
    audit.record(
        place, "quarantine_read", table=table.upper(), rows=len(rows), purpose=purpose.strip()
    )
    if as_json:
        print_json({"table": table.upper(), "rows": rows})
        return
    for row in rows:
        sys.stdout.write("\t".join("" if v is None else str(v) for v in row.values()) + "\n")
