"""Kills of the main job at random moments, a chain a stage, as ``openchronic bench faults`` does.

Ten kills of a publication alone are in ``test_store.py``: some seconds, where this takes minutes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from openchronic_assets.bench.faults import homes, kills
from openchronic_assets.bench.faults.homes import Homes
from openchronic_assets.bench.faults.processes import ENTRY
from openchronic_assets.ingestion import identity, spark
from openchronic_assets.ingestion.run import ingest
from openchronic_assets.synthetic import generate

pytestmark = pytest.mark.slow
TEN = {"build": (1, 2), "anonymisation": (3, 4), "release": (5, 6, 7), "catalogue": (8, 9, 10)}


def in_this_process(
    session: Any, function: Callable[[Any], Any], items: Sequence[Any], progress: Any = None
) -> list[Any]:
    return [function(item) for item in items]


class Quick(Homes):
    """Homes prepared without Spark."""

    def done(self, arguments: Sequence[str], *, cold: bool = False, entry: str = ENTRY) -> float:
        began = time.monotonic()
        if arguments[0] == "synth":
            generate(Path(arguments[2]), self.persons, (2019, 2019), homes.SEED, ["23", "62"])
        elif arguments[0] == "ingest":
            ingest(self.at, Path(arguments[1]), session=lambda: None)  # type: ignore[arg-type,return-value]
        else:
            return super().done(arguments, entry=entry)
        return time.monotonic() - began


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Homes]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(identity.SECRET_VARIABLE, homes.SECRET)
        patch.setattr(spark, "spread", in_this_process)
        found = Quick(tmp_path_factory.mktemp("kills"), alone=True)
        found.prepare()
        yield found


@pytest.mark.timeout(600)
@pytest.mark.parametrize("stage", TEN)
def test_a_stage_killed_at_any_moment_and_run_again_is_as_undisturbed(
    prepared: Homes, stage: str
) -> None:
    done = kills.run(prepared, kills.Chain(stage, TEN[stage]))
    assert [entry.number for entry in done] == list(TEN[stage])
    assert [(entry.moment, entry.wrong) for entry in done if entry.wrong] == []
    assert done[-1].again is not None


def test_what_the_kills_started_from_is_as_it_was(prepared: Homes) -> None:
    assert prepared.unharmed()
    assert prepared.seen("landed").marts != prepared.seen("built").marts
    assert prepared.seen("landed").raw != prepared.seen("ingested").raw
    assert prepared.seen("released").release and not prepared.seen("prepared").release


@pytest.mark.spark
@pytest.mark.usefixtures("java")
@pytest.mark.timeout(900)
@pytest.mark.parametrize("stage", ["first ingestion", "ingestion"])
def test_an_ingestion_killed_at_any_moment_and_run_again_is_as_undisturbed(
    prepared: Homes, stage: str
) -> None:
    done = kills.run(prepared, kills.Chain(stage, (11, 12)))
    assert [(entry.moment, entry.wrong) for entry in done if entry.wrong] == []
