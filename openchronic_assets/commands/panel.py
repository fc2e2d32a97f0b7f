"""The command of the panel: which share of the people the builds hold."""

from __future__ import annotations

from typing import Annotated

import typer

from openchronic_assets.console import HomeOption, JsonOption, err, out, print_json
from openchronic_assets.errors import UsageError
from openchronic_assets.settings import home as find_home

app = typer.Typer()


@app.command("panel")
def set_panel(
    fraction: Annotated[
        float | None, typer.Option(help="Share of the people, between 0 and 1.")
    ] = None,
    size: Annotated[
        int | None, typer.Option(help="Expected number of people, among those known today.")
    ] = None,
    everybody: Annotated[bool, typer.Option("--everybody", help="Give the panel up.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show or choose whom the builds hold: everybody, or people drawn by a keyed hash."""
    from openchronic_assets.warehouse import builds, panel

    place = find_home(home)
    if everybody and not (fraction is None and size is None):
        raise UsageError("--everybody goes without --fraction and --size")
    if everybody:
        setting = panel.leave(place)
    elif fraction is None and size is None:
        setting = panel.population(place)
    else:
        setting = panel.choose(place, fraction, size)
    manifest = builds.read_manifest(place)
    built = manifest and manifest.get("population", panel.EVERYBODY)
    stale = built is not None and built != panel.population(place)
    if as_json:
        print_json({**setting, "built": built, "rebuild": stale})
        return
    if setting["scope"] == "panel":
        known = f" of {setting['known']} people known" if "known" in setting else ""
        out.print(
            f"panel: a share of {setting['fraction']:g}{known}, key {setting['key']}",
            highlight=False,
        )
    else:
        out.print("everybody: no panel is set", highlight=False)
    if stale:
        err.print(
            "the current build holds other people: the next openchronic run writes all years again",
            highlight=False,
            soft_wrap=True,
        )
