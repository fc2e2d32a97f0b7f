"""Homes and lakes for the tests of the warehouse."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import model_runner as model_runner_module
import pytest
from model_runner import ModelRunner, SparkModelRunner
from raw_lake import Lake

from openchronic_assets.settings import Home
from openchronic_assets.warehouse import inputs

MakeLake = Callable[[str], Lake]


def pytest_itemcollected(item: pytest.Item) -> None:
    """Leave models on Spark to `make test-long`: some seconds each, and minutes together."""
    if "spark_model_runner" in getattr(item, "fixturenames", ()):
        item.add_marker(pytest.mark.long)


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


@pytest.fixture(scope="session")
def compiled_models(request: pytest.FixtureRequest) -> Path:
    """Return the folder in which compiled models are kept from one run to the next."""
    return request.config.cache.mkdir("compiled_models")


@pytest.fixture(scope="session")
def model_runner(
    compiled_models: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ModelRunner]:
    """Run single models on given rows, on DuckDB."""
    if model_runner_module.SHARED is not None:
        yield model_runner_module.SHARED
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inputs, "current_parts", lambda home: {})
        runner = ModelRunner(tmp_path_factory.mktemp("compiled"), compiled_models)
    yield runner
    runner.connection.close()


@pytest.fixture(scope="session")
def spark_model_runner(
    java: None,
    compiled_models: Path,
    model_runner: ModelRunner,
    tmp_path_factory: pytest.TempPathFactory,
) -> SparkModelRunner:
    """Run single models on given rows, on Spark."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inputs, "current_parts", lambda home: {})
        return SparkModelRunner(tmp_path_factory.mktemp("compiled"), compiled_models, model_runner)
