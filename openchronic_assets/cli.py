"""The command line: ``openchronic``.

Every command takes ``--home``. With ``--json`` it prints one JSON object on stdout and nothing
else. Messages go to stderr. Exit codes: 0 done, 1 failed, 2 wrong use, 3 refused by a check or the
gate.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table as RichTable

from openchronic_assets import __version__, progress
from openchronic_assets.errors import OpenChronicError, Refused, UsageError
from openchronic_assets.settings import home as find_home

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="From raw SNDS extracts to care pathways, indicators and anonymised releases.",
)
contracts_app = typer.Typer(no_args_is_help=True, help="What a delivery must look like.")
release_app = typer.Typer(no_args_is_help=True, help="Candidates and releases.")
app.add_typer(contracts_app, name="contracts")
app.add_typer(release_app, name="release")

HomeOption = Annotated[
    Path | None,
    typer.Option("--home", help="Folder of the zones; else OPENCHRONIC_HOME, else ./data."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]

out = Console()
err = Console(stderr=True)


def main() -> None:
    """Run a command; say an error in one message and leave with its exit code."""
    as_json = "--json" in sys.argv
    try:
        # Outside standalone mode a command that leaves with a code has it returned, not raised.
        if code := app(standalone_mode=False):
            raise SystemExit(code)
    except OpenChronicError as error:
        _fail(str(error), error.exit_code, as_json)
    except (typer.Abort, KeyboardInterrupt):
        _fail("interrupted; nothing half-done is left, run the same command again", 1, as_json)
    except Exception as error:
        # Wrong use as the command line library sees it.
        if hasattr(error, "format_message"):
            _fail(f"{error.format_message()} (see --help)", 2, as_json)
        # The text of an unforeseen error may quote data: its class and place are enough.
        frame = traceback.extract_tb(error.__traceback__)[-1]
        if os.environ.get("OPENCHRONIC_DEBUG"):
            raise
        _fail(
            f"unforeseen {type(error).__name__} in {Path(frame.filename).name}:{frame.lineno}; "
            "run again with OPENCHRONIC_DEBUG=1 for the whole trace, on data that may be shown",
            1,
            as_json,
        )


def _fail(message: str, code: int, as_json: bool) -> None:
    if as_json:
        _print_json({"error": {"message": message, "exit_code": code}})
    err.print(f"[bold red]error:[/] {_plain(message)}", highlight=False, soft_wrap=True)
    raise SystemExit(code)


def _plain(text: str) -> str:
    return text.replace("[", r"\[")


def _print_json(document: Any) -> None:
    sys.stdout.write(json.dumps(document, ensure_ascii=False, default=_jsonable) + "\n")
    sys.stdout.flush()


def _jsonable(value: Any) -> Any:
    return (
        str(value) if isinstance(value, Decimal) else getattr(value, "isoformat", value.__str__)()
    )


@contextmanager
def _drawn(as_json: bool) -> Iterator[None]:
    """Draw progress on stderr while the block runs: bars on a terminal, a line a step elsewhere."""
    if as_json or not err.is_terminal:
        said: set[str] = set()

        def say(step: str, done: int, total: int) -> None:
            label = f"{step}: {done} of {total}"
            quarter = f"{step}{4 * done // total if total else 4}"
            if quarter not in said:
                said.add(quarter)
                err.print(label, highlight=False)

        with progress.listening(say):
            yield
        return
    columns = (TextColumn("{task.description:<22}"), BarColumn(), MofNCompleteColumn(),
               TimeElapsedColumn())  # fmt: skip
    with Progress(*columns, console=err) as bars:
        tasks: dict[str, Any] = {}

        def draw(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = bars.add_task(step, total=total)
            bars.update(tasks[step], completed=done, total=total)

        with progress.listening(draw):
            yield


def _show(rows: list[dict[str, Any]], title: str | None = None) -> None:
    """Print rows as a table, or one value a line where they are wider than the terminal."""
    if not rows:
        return
    table = RichTable(title=title, title_justify="left", header_style="bold", box=SIMPLE_HEAD)
    for name, value in rows[0].items():
        table.add_column(
            name, justify="right" if isinstance(value, int | float) else "left", no_wrap=True
        )
    for row in rows:
        table.add_row(*("" if value is None else _plain(str(value)) for value in row.values()))
    width = out.measure(table, options=out.options.update(max_width=100_000)).maximum
    if not out.is_terminal:
        Console(width=width).print(table)
    elif width <= out.width:
        out.print(table)
    else:
        name_width = max(len(name) for name in rows[0])
        for number, row in enumerate(rows, 1):
            out.print(f"[dim]-- {title or 'row'} {number}[/]", highlight=False)
            for name, value in row.items():
                shown = "" if value is None else _plain(str(value))
                out.print(f"{name:<{name_width}}  {shown}", highlight=False)


@app.command()
def version(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Print the version."""
    if as_json:
        _print_json({"version": __version__})
    else:
        out.print(__version__)


@app.command()
def check(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Say whether this machine has what the main job needs."""
    from openchronic_assets.ingestion.spark import require_java

    require_java()
    if as_json:
        _print_json({"java": True, "home": str(find_home(home).root)})
    else:
        out.print("Java is there: the main job can run", highlight=False)


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
    with _drawn(as_json):
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
        _print_json(summary)
    else:
        out.print(f"{persons} persons of {span[0]}-{span[-1]} in {destination}")


@app.command()
def ingest(
    folder: Annotated[Path, typer.Argument(help="A delivery, wherever it lies.")],
    year: Annotated[int | None, typer.Option(help="Year of files whose name has none.")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ingest one delivery: every line of its tables is kept or quarantined."""
    from openchronic_assets.ingestion.run import ingest as run_ingest

    with _drawn(as_json):
        result = run_ingest(find_home(home), folder, year=year, progress=progress.report)
    if as_json:
        _print_json(result.to_json())
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
        _show(rows, f"{result.name}: {result.state}")
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
                err.print(f"  {_plain(name)}", highlight=False)
    for message in result.messages:
        err.print(_plain(message), highlight=False, soft_wrap=True)
    if result.refused_files:
        raise typer.Exit(3)


def _warn_columns(report: Any) -> None:
    if report.ignored:
        err.print(
            f"{_plain(report.path)}: columns outside the contract, not loaded: "
            f"{_plain(', '.join(report.ignored))}",
            highlight=False,
            soft_wrap=True,
        )


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
    with _drawn(as_json):
        from openchronic_assets.anonymisation.release import list_releases
        from openchronic_assets.mainjob import refresh

        result = refresh(place, wanted)
    if as_json:
        _print_json(result)
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
        _print_json(document)
        return
    _show([{k: v for k, v in each.items() if k != "files"} for each in document["deliveries"]],
          "Deliveries")  # fmt: skip
    _show(document["waiting"], "Waiting")
    shown = ("table", "calendar", "year", "delivered", "kept", "quarantined")
    _show([{k: each[k] for k in shown} for each in document["tables"]], "Raw tables")
    _show(
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
    _show(
        [{"year": y, "why": "; ".join(why)} for y, why in document["stale"].items()], "Stale years"
    )
    _show([_release_row(each) for each in document["candidates"]], "Candidates")
    _show([_release_row(each) for each in document["releases"]], "Releases")


def _release_row(each: dict[str, Any]) -> dict[str, Any]:
    row = {name: each.get(name) for name in ("version", "purpose", "rows", "k", "suppressed")}
    loss = each.get("loss")
    return row | {"loss": None if loss is None else f"{loss:.4f}"}


@app.command()
def sql(
    query: Annotated[str, typer.Argument(help="One SELECT on the catalogue.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Comma-separated on stdout.")] = False,
    limit: Annotated[int, typer.Option(help="Rows shown as a table; 0 for all.")] = 200,
) -> None:
    """Query the models of the current build, read-only, whatever else is running."""
    import csv

    from openchronic_assets.gateway import select

    columns, rows = select(find_home(home), query)
    cut = rows if as_json or limit == 0 else rows[:limit]
    if as_json:
        _print_json({"columns": columns, "rows": [list(row) for row in rows]})
        return
    if as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
        return
    _show([dict(zip(columns, row, strict=True)) for row in cut])
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
        _print_json({"model": model, "year": year, "files": paths})
    else:
        for path in paths:
            sys.stdout.write(path + "\n")


@contracts_app.command("show")
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
            "required": "yes" if column.required else "",
            "years": str(column.years),
            "nomenclature": column.nomenclature,
            "description": column.description or column.reason,
        }
        for column in found.columns
    ]
    if as_json:
        _print_json(
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
    _show(rows, title)


@contracts_app.command("list")
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
        _print_json({"tables": rows})
    else:
        _show(rows)


@contracts_app.command("check")
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
        _print_json(found)
    else:
        _show([{"what": name, "found": _joined(value)} for name, value in found.items()])
    if not found["fits"]:
        raise typer.Exit(3)


def _joined(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)


@contracts_app.command("diff")
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
        _print_json(found.to_json())
        return
    rows = [
        {"column": name, "moved": moved, "doubt": found.doubtful.get(name)}
        for moved, names in (("appeared", found.appeared), ("disappeared", found.disappeared))
        for name in names
    ]
    _show(rows, f"{found.table}, {before} to {after}")
    if not rows:
        out.print(f"{found.table}: the same columns in {before} and {after}")


@contracts_app.command("import")
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
        _print_json(asdict(review))
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
    _show(rows, f"{review.read} tables read")
    out.print(f"{len(review.unknown_tables)} tables of the schema are not under contract")


@release_app.command("list")
def release_list(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List candidates and releases."""
    from openchronic_assets.anonymisation.release import list_releases

    found = list_releases(find_home(home))
    if as_json:
        _print_json({"releases": found})
    else:
        _show([{"state": each["state"], **_release_row(each)} for each in found])


@release_app.command("publish")
def release_publish(
    version_name: Annotated[str, typer.Argument(metavar="VERSION")],
    approver: Annotated[list[str], typer.Option(help="Give it twice: two different people.")],
    purpose: Annotated[str | None, typer.Option(help="Written in the report.")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Move a candidate that two people approve to the public releases."""
    from openchronic_assets.publish import publish_release

    report = publish_release(find_home(home), version_name, approver, purpose)
    if as_json:
        _print_json(report)
    else:
        out.print(f"release {report['version']} published, purpose: {report['purpose']}")


@app.command()
def demo(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Run the main job on a generated extract, from the landing zone to a published release."""
    from openchronic_assets.ingestion.spark import require_java

    require_java()
    with _drawn(as_json):
        from openchronic_assets.demo import run_demo

        summary = run_demo(find_home(home))
    if as_json:
        _print_json(summary)
        return
    from openchronic_assets.demo import lines_of

    for line in lines_of(summary):
        out.print(line, highlight=False, soft_wrap=True)


@app.command()
def ui(
    port: Annotated[int, typer.Option(help="Port on this machine.")] = 3000,
    home: HomeOption = None,
) -> None:
    """Open Dagster's webserver and daemon on this home, on this machine only."""
    from openchronic_assets import instance

    place = find_home(home)
    instance.prepare(place)
    workspace = Path(__file__).resolve().parents[1] / "workspace.yaml"
    target = (
        ["-w", str(workspace)] if workspace.is_file() else ["-m", "openchronic_assets.definitions"]
    )
    err.print(f"Dagster on http://127.0.0.1:{port} (stop with Ctrl-C)", highlight=False)
    dagster = str(Path(sys.executable).with_name("dagster"))
    os.execv(dagster, [dagster, "dev", *target, "-h", "127.0.0.1", "-p", str(port)])


@app.command()
def docs(
    home: HomeOption = None,
    as_json: JsonOption = False,
    open_page: Annotated[bool, typer.Option("--open/--no-open", help="Open the page.")] = True,
) -> None:
    """Build the documentation of the tables, one page that needs no internet."""
    from openchronic_assets.exports.docs import build_docs

    page = build_docs(find_home(home))
    if as_json:
        _print_json({"page": str(page)})
        return
    out.print(f"documentation: {page}", highlight=False, soft_wrap=True)
    if open_page:
        typer.launch(page.as_uri())


@app.command()
def bench(
    name: Annotated[str, typer.Argument(help="anonymisation, demo or ingestion.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure a part of the product on this machine."""
    from openchronic_assets.bench import run_bench

    with _drawn(as_json):
        result = run_bench(name)
    if as_json:
        _print_json(result)
    else:
        _show(result["cases"], f"bench {result['name']}")
    if not result["holds"]:
        raise Refused(f"bench {name}: a case is beyond its bar")
