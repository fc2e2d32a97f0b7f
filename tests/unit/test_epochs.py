"""Renewed pseudonyms: two epochs meet in one lake only over a crosswalk."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest
from small_deliveries import committed, manifest, row, write

from openchronic_assets.errors import Refused
from openchronic_assets.ingestion import deliveries, identity, spark
from openchronic_assets.ingestion.run import ingest
from openchronic_assets.settings import Home
from openchronic_assets.warehouse.raw import relation_sql


@pytest.fixture(autouse=True)
def without_spark(monkeypatch: pytest.MonkeyPatch) -> None:
    def spread(
        session: Any, function: Callable[[Any], Any], items: Sequence[Any], progress: Any = None
    ) -> list[Any]:
        return [function(item) for item in items]

    monkeypatch.setattr(spark, "spread", spread)
    monkeypatch.setenv(identity.SECRET_VARIABLE, "a secret of the tests, of 32 characters or more")


def take(home: Home, folder: Path) -> None:
    ingest(home, folder, session=lambda: None)  # type: ignore[arg-type,return-value]


def crosswalk(old: str, new: str) -> dict[str, str]:
    return {
        "OLD_EPOCH": old, "NEW_EPOCH": new, "OLD_NIR_PSA": "A" * 17, "NEW_NIR_PSA": "B" * 17,
        "OLD_IDT_ANO": "A" * 17 + "1", "NEW_IDT_ANO": "B" * 17 + "1",
    }  # fmt: skip


def delivered(folder: Path, epoch: str | None, *pairs: tuple[str, str]) -> Path:
    write(folder, f"ER_BIO_F_{folder.name[:6]}.csv", [row("ER_BIO_F", int(folder.name[:4]))])
    if pairs:
        write(folder, "PSEUDONYM_CROSSWALK.csv", [crosswalk(*pair) for pair in pairs])
    manifest(folder, pseudonym_epoch=epoch, date=f"{folder.name[:4]}-12-01")
    return folder


def test_another_epoch_is_refused_and_leaves_no_trace(home: Home, tmp_path: Path) -> None:
    take(home, delivered(tmp_path / "201803", "2018"))
    before = committed(home)
    with pytest.raises(Refused, match="has pseudonym epoch 2020, the lake has 2018"):
        take(home, delivered(tmp_path / "202003", "2020"))
    assert committed(home) == before
    take(home, delivered(tmp_path / "201903", "2018"))
    take(home, delivered(tmp_path / "201904", None))


def test_a_crosswalk_in_the_delivery_lets_it_in(home: Home, tmp_path: Path) -> None:
    take(home, delivered(tmp_path / "201803", "2018"))
    take(home, delivered(tmp_path / "202003", "2020", ("2018", "2020")))
    take(home, delivered(tmp_path / "201903", "2018"))
    assert len(deliveries.records(home)) == 3


@pytest.mark.parametrize("pairs", [(("2016", "2020"),), (("2018", "2019"), ("2016", "2020"))])
def test_a_crosswalk_of_other_epochs_does_not(
    home: Home, tmp_path: Path, pairs: tuple[tuple[str, str], ...]
) -> None:
    take(home, delivered(tmp_path / "201803", "2018"))
    before = committed(home)
    with pytest.raises(Refused, match="no PSEUDONYM_CROSSWALK links"):
        take(home, delivered(tmp_path / "202003", "2020", *pairs))
    assert committed(home) == before


def test_a_crosswalk_that_is_refused_links_nothing(home: Home, tmp_path: Path) -> None:
    take(home, delivered(tmp_path / "201803", "2018"))
    folder = delivered(tmp_path / "202003", "2020", ("2018", ""))
    with pytest.raises(Refused):
        take(home, folder)


def test_crosswalks_chain_and_add_up_in_any_order(tmp_path: Path) -> None:
    for name, old, new in (("a", "2016", "2018"), ("b", "2018", "2020"), ("c", "2018", "2020")):
        rows = [crosswalk(old, new)] * (2 if name == "c" else 1)
        write(tmp_path / name, "PSEUDONYM_CROSSWALK.csv", rows)
        manifest(tmp_path / name, date=f"{new}-0{'abc'.index(name) + 1}-01")
    states = []
    for order in itertools.permutations("abc"):
        home = Home(tmp_path / "-".join(order))
        for name in order:
            take(home, tmp_path / name)
        parts = deliveries.current_parts(home)["pseudonym_crosswalk"]
        sql = relation_sql("pseudonym_crosswalk", parts)
        found = duckdb.sql(f"select old_epoch, new_epoch, count(*) from ({sql}) group by all")
        states.append(sorted(found.fetchall()))
        take(home, delivered(tmp_path / "201603", "2016"))
        take(home, delivered(tmp_path / "202003", "2020"))
    assert states == [[("2016", "2018", 1), ("2018", "2020", 2)]] * 6
