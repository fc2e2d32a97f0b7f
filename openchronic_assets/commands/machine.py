"""Commands about this machine and the product itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from openchronic_assets import __version__
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
from openchronic_assets.errors import OpenChronicError, Refused, UsageError
from openchronic_assets.settings import home as find_home

app = typer.Typer()


@app.command()
def version(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Print the version."""
    if as_json:
        print_json({"version": __version__})
    else:
        out.print(__version__)


@app.command()
def check(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Say whether this machine has what the main job needs."""
    from openchronic_assets.ingestion.spark import require_java

    require_java()
    if as_json:
        print_json({"java": True, "home": str(find_home(home).root)})
    else:
        out.print("Java is there: the main job can run", highlight=False)


@app.command()
def ui(
    port: Annotated[int, typer.Option(help="Port on this machine.")] = 3000,
    home: HomeOption = None,
) -> None:
    """Open Dagster's webserver and daemon on this home, on this machine only.

    The documentation portal is served on the next port: assets link to it.
    """
    from openchronic_assets import documents, instance

    place = find_home(home)
    instance.prepare(place)
    workspace = Path(__file__).resolve().parents[2] / "workspace.yaml"
    target = (
        ["-w", str(workspace)] if workspace.is_file() else ["-m", "openchronic_assets.definitions"]
    )
    if documents.VARIABLE not in os.environ:
        os.environ[documents.VARIABLE] = f"http://127.0.0.1:{port + 1}"
        subprocess.Popen([sys.executable, "-m", "openchronic_assets.exports.served", str(port + 1)])
    err.print(
        f"Dagster on http://127.0.0.1:{port}, documentation on {os.environ[documents.VARIABLE]} "
        "(stop with Ctrl-C)",
        highlight=False,
    )
    dagster = str(Path(sys.executable).with_name("dagster"))
    os.execv(dagster, [dagster, "dev", *target, "-h", "127.0.0.1", "-p", str(port)])


@app.command()
def docs(
    home: HomeOption = None,
    as_json: JsonOption = False,
    open_page: Annotated[bool, typer.Option("--open/--no-open", help="Open the page.")] = True,
) -> None:
    """Build the documentation portal, which needs no internet, and open its entrance."""
    from openchronic_assets.exports.portal import build_portal

    page = build_portal(find_home(home))
    if as_json:
        print_json({"page": str(page)})
        return
    out.print(f"documentation: {page}", highlight=False, soft_wrap=True)
    if open_page:
        typer.launch(page.as_uri())


@app.command()
def bench(
    name: Annotated[str, typer.Argument(help="What to measure, or all; a wrong name lists them.")],
    size: Annotated[
        str | None,
        typer.Option(
            help="How much: a word that the bench knows; a wrong one lists them. Of all: the "
            "largest of small, medium, full."
        ),
    ] = None,
    destination: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="Of all: folder of bench.json and bench.html; of faults: of its journal. A second "
            "run into it goes on where the first was stopped.",
        ),
    ] = None,
    replay: Annotated[
        int | None, typer.Option(help="Of faults: the number of a kill to do again.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Of all: fail if a ratio is 20 % above the baseline.")
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure a part of the product on this machine."""
    from openchronic_assets.bench import run_all, run_bench

    if name != "all":
        if check:
            raise UsageError("--check is of `openchronic bench all`")
        with drawn(as_json):
            result = run_bench(name, size, destination, replay)
        if as_json:
            print_json(result)
        else:
            show(result["cases"], f"bench {result['name']}")
        if not result["holds"]:
            raise Refused(f"bench {name}: a case is beyond its bar")
        return
    from openchronic_assets.bench.every import compared, read_baseline

    folder = destination or find_home(home).reports / "bench"
    with drawn(as_json):
        report = run_all(size or "small", folder)
    cases = compared(report, read_baseline()) if check else []
    if as_json:
        print_json({**report, "compared": cases, "folder": str(folder)})
    else:
        for result in report["results"]:
            show(result["cases"], f"bench {result['name']}, {result['size']}")
        show(cases, "against the baseline")
        out.print(f"report: {plain(str(folder / 'bench.html'))}", highlight=False, soft_wrap=True)
    failed = [each["name"] for each in report["results"] if each["error"]]
    beyond = [each["name"] for each in report["results"] if not each["holds"]]
    worse = [each["case"] for each in cases if not each["holds"]]
    if failed:
        raise OpenChronicError(f"bench all: {', '.join(failed)} failed; see the report")
    if worse:
        raise Refused(f"bench all: worse than the baseline by more than 20 %: {', '.join(worse)}")
    if beyond and not check:
        raise Refused(f"bench all: a case is beyond its bar in {', '.join(beyond)}")


@app.command()
def demo(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Run the main job on a generated extract, from the landing zone to a published release."""
    from openchronic_assets.ingestion.spark import require_java

    require_java()
    with drawn(as_json):
        from openchronic_assets.demo import run_demo

        summary = run_demo(find_home(home))
    if as_json:
        print_json(summary)
        return
    from openchronic_assets.demo import lines_of

    for line in lines_of(summary):
        out.print(line, highlight=False, soft_wrap=True)
