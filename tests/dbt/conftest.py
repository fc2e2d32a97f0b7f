"""Homes and lakes for the tests of the warehouse."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from raw_lake import Lake

from openchronic_assets.settings import Home
from openchronic_assets.warehouse import inputs

MakeLake = Callable[[str], Lake]


@pytest.fixture
def make_lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeLake:
    """Return a maker of lakes; ingestion's list of current files is theirs."""
    lakes: dict[Path, Lake] = {}

    def make(name: str) -> Lake:
        lake = Lake(Home(tmp_path / name))
        lakes[lake.home.root] = lake
        return lake

    monkeypatch.setattr(inputs, "current_parts", lambda home: lakes[home.root].files(home))
    return make
