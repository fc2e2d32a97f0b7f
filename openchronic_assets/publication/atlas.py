"""The atlas of a home: which release it shows, and where the site is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from openchronic_assets.errors import UsageError
from openchronic_assets.publication import release, site
from openchronic_assets.settings import Home

SAMPLE = Path(__file__).parent / "sample"


def build_atlas(
    home: Home,
    chosen: Path | None = None,
    out: Path | None = None,
    shapes: Path | None = None,
    credit: str = "",
    progress: Callable[[str, int, int], None] | None = None,
) -> site.Built:
    """Build the site of a release: the one given, else the home's newest, else the bundled one.

    Raises:
        UsageError: there is no release of indicators, or ``out`` holds something else.
        Refused: the release contradicts itself or its seals.
    """
    folder = chosen or release.find(home.release) or bundled()
    if folder is None:
        raise UsageError(
            f"no release of indicators in {home.release}: prepare and publish one (openchronic "
            "release publish), or give --release"
        )
    if out is None:
        out = home.create().atlas
    return site.build(folder, out, shapes, credit, progress)


def bundled() -> Path | None:
    """Return the release that ships with the product, made from generated people, if it does."""
    return release.find(SAMPLE) if SAMPLE.is_dir() else None
