"""Raw files that a build was made from stay on disk as long as the build does."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from openchronic_assets.ingestion import deliveries
from openchronic_assets.settings import Home


def put(home: Home, name: str) -> Path:
    path = home.raw / "er_prs_f" / "delivery" / name / "part-0000.parquet"
    path.parent.mkdir(parents=True)
    path.touch()
    return path


def test_a_file_out_of_effect_stays_until_no_build_read_it(home: Home) -> None:
    read, unread = put(home, "read"), put(home, "unread")
    build = home.builds / "abc"
    build.mkdir()
    raw = {"er_prs_f": {read.relative_to(home.lake).as_posix(): None}}
    (build / "build.json").write_text(json.dumps({"raw": raw}), encoding="utf-8")
    deliveries.sweep(home)
    assert read.is_file()
    assert not unread.exists()
    shutil.rmtree(build)
    deliveries.sweep(home)
    assert not read.exists()


@pytest.mark.parametrize("text", ["{", "{}", "[]", '{"raw": []}', '{"raw": {"t": 1}}', "\\xff"])
def test_a_damaged_record_keeps_nothing_and_stops_no_ingestion(home: Home, text: str) -> None:
    path = put(home, "read")
    (home.builds / "abc").mkdir()
    (home.builds / "abc" / "build.json").write_text(text, encoding="utf-8")
    deliveries.sweep(home)
    assert not path.exists()
