"""Fixtures that every suite shares."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from openchronic_assets.settings import Home
from openchronic_assets.warehouse.project import PARSED_VARIABLE

# Files whose tests share something dear, here the webserver with a backfill, run in one worker.
GROUPS = {
    "test_orchestration.py": "server",
    "test_planted_identifiers.py": "server",
    "test_planted_truth.py": "server",
}


def pytest_configure(config: pytest.Config) -> None:
    """Let dbt parse the models once for all homes, servers and runs of the tests."""
    config.addinivalue_line("markers", "cluster: runs a Spark cluster of several processes")
    if config.cache is not None:
        os.environ.setdefault(PARSED_VARIABLE, str(config.cache.mkdir("parsed_models")))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Let a worker take whole files, or whole groups of files (``--dist loadfile``)."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class ByGroup(LoadFileScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            file = str(super()._split_scope(nodeid))
            return GROUPS.get(Path(file).name, file)

    return ByGroup(config, log)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """An empty home of its own."""
    return Home(tmp_path / "home").create()


@pytest.fixture(scope="session")
def conformance_data() -> Path:
    """The folder of public reference data, where there is one."""
    folder = os.environ.get("OPENCHRONIC_CONFORMANCE_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("conformance data not present: set OPENCHRONIC_CONFORMANCE_DATA")
    return Path(folder)


@pytest.fixture(scope="session")
def java() -> None:
    """Skip where Spark cannot start."""
    if not (os.environ.get("JAVA_HOME") or shutil.which("java")):
        pytest.skip("Java 17 or later is not installed: Spark cannot start")
