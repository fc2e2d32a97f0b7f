"""The command of the atlas."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from openchronic_assets import progress
from openchronic_assets.console import HomeOption, JsonOption, drawn, err, out, plain, print_json
from openchronic_assets.settings import home as find_home

app = typer.Typer()


@app.command("atlas")
def atlas(
    release: Annotated[
        Path | None,
        typer.Option(help="Folder of a release of indicators; the newest of release/ without it."),
    ] = None,
    destination: Annotated[
        Path | None,
        typer.Option("--out", help="Folder of the site; atlas/ of the home without it."),
    ] = None,
    outlines: Annotated[
        Path | None,
        typer.Option(help="GeoJSON or TopoJSON of the 101 departments, in place of those shipped."),
    ] = None,
    credit: Annotated[str, typer.Option(help="Source of --outlines, shown on the map.")] = "",
    serve: Annotated[
        int | None, typer.Option(help="Serve the site on this port of this machine.")
    ] = None,
    open_page: Annotated[bool, typer.Option("--open/--no-open", help="Open the page.")] = True,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Build the atlas from a release: static files that need no internet, and open it."""
    from openchronic_assets.publication.atlas import build_atlas

    with drawn(as_json):
        built = build_atlas(
            find_home(home), release, destination, outlines, credit, progress.report
        )
    page = built.folder / "index.html"
    if as_json:
        told = dataclasses.asdict(built)
        print_json({**told, "folder": str(built.folder), "page": str(page)})
        return
    for note in built.notes:
        err.print(plain(note), highlight=False, soft_wrap=True)
    out.print(
        f"atlas of {plain(built.version)}: {built.indicators} indicators, {built.cells} cells "
        f"({built.suppressed} suppressed); {plain(str(page))}",
        highlight=False,
        soft_wrap=True,
    )
    if serve is not None:
        from openchronic_assets.publication.server import serve as run

        err.print(f"atlas on http://127.0.0.1:{serve} (stop with Ctrl-C)", highlight=False)
        run(built.folder, serve)
    elif open_page:
        typer.launch(page.as_uri())
