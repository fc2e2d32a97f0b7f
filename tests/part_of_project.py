"""Builds of a part of the dbt project, for tests to which the other models tell nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from openchronic_assets.bench.part_of_project import write_part
from openchronic_assets.warehouse import project


@contextmanager
def only(folder: Path, wanted: Iterable[str]) -> Iterator[Path]:
    """Let builds be of a part of the project, written in a new folder, while this is open."""
    part = write_part(folder / "dbt_project", wanted)
    (folder / "parsed").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(project.PROJECT_VARIABLE, str(part))
        patch.setenv(project.PARSED_VARIABLE, str(folder / "parsed"))
        yield part
