"""The atlas of a home: which release it shows, and where the site is."""

from __future__ import annotations

import shutil
import tarfile
import uuid
from collections.abc import Callable
from pathlib import Path

from openchronic_assets.errors import UsageError
from openchronic_assets.publication import release, site
from openchronic_assets.settings import Home

ARCHIVE = Path(__file__).parent / "sample.tar.xz"
"""The release that ships with the product (``make_sample.py``)."""


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
    folder = chosen or release.find(home.release) or bundled(home)
    if folder is None:
        raise UsageError(
            f"no release of indicators in {home.release}: prepare and publish one (openchronic "
            "release publish), or give --release"
        )
    if out is None:
        out = home.create().atlas
    return site.build(folder, out, shapes, credit, progress)


def bundled(home: Home) -> Path | None:
    """Return the release that ships with the product, of generated people, where there is one.

    It is unpacked among what can be made again, anew when the product brings another; never into
    ``release/``, where it would be taken for one of this home.
    """
    if not ARCHIVE.is_file():
        return None
    folder = home.create().scratch / "sample"
    with tarfile.open(ARCHIVE) as archive:
        version = archive.getnames()[0].split("/")[0]
        if not (folder / version).is_dir():
            new = folder.with_name(f"{folder.name}.{uuid.uuid4().hex}")
            archive.extractall(new, filter="data")
            shutil.rmtree(folder, ignore_errors=True)
            new.rename(folder)
    return folder / version
