"""The balance of the lake: each file is counted again from its Parquet, by slice, to the cent."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest
from small_deliveries import row, write

from openchronic_assets.ingestion import identity, spark
from openchronic_assets.ingestion.balance import balances
from openchronic_assets.ingestion.run import ingest
from openchronic_assets.settings import Home


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A lake with two years of two structures, a snapshot and a refused file."""

    def spread(
        session: Any, function: Callable[[Any], Any], items: Sequence[Any], progress: Any = None
    ) -> list[Any]:
        return [function(item) for item in items]

    folder = tmp_path_factory.mktemp("balance")
    for year in (2008, 2019):
        ucd = row("ER_UCD_F", year, UCD_TTF_MNT="12.34")
        later = ucd | {"FLX_DIS_DTD": f"01/06/{year}"}
        write(folder / "d", f"ER_UCD_F_{year}.csv", [ucd, later, ucd | {"UCD_TTF_MNT": "1.234"}])
        write(folder / "d", f"T_MCO{year % 100:02d}D.csv", [row("T_MCOaaD", year)])
    write(folder / "d", "IR_BEN_R.csv", [row("IR_BEN_R", 2019)] * 2)
    write(folder / "d", "IR_IMB_R.csv", "no;header\n1;2\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spark, "spread", spread)
        patch.setenv(identity.SECRET_VARIABLE, "a secret of the tests, of 32 characters or more")
        home = Home(folder / "home")
        ingest(home, folder / "d", session=lambda: None)  # type: ignore[arg-type,return-value]
    return home


@pytest.fixture
def full(whole: Home, tmp_path: Path) -> Home:
    """The lake, copied for a test that damages it."""
    shutil.copytree(whole.root, tmp_path / "home")
    return Home(tmp_path / "home")


def part(home: Home, table: str) -> Path:
    return sorted((home.raw / table).rglob("*.parquet"))[-1]


def rewrite(path: Path, query: str) -> None:
    other = path.with_suffix(".new")
    changed = query.format(f"read_parquet('{path}')")
    duckdb.sql(f"copy ({changed}) to '{other}' (format parquet)")
    other.replace(path)


def test_what_was_ingested_balances(full: Home) -> None:
    found = balances(full)
    assert all(each.holds for each in found.values())
    ucd = found["ER_UCD_F"]
    assert (ucd.files, ucd.read, ucd.kept, ucd.quarantined) == (2, 6, 4, 2)
    assert str(ucd.amounts["UCD_TTF_MNT"].kept) == "49.36"
    assert found["IR_IMB_R"].quarantined == 1 and found["ER_PRS_F"].files == 0


def test_a_part_that_is_lost_is_named(full: Home) -> None:
    part(full, "ir_ben_r").unlink()
    wrong = balances(full)["IR_BEN_R"].wrong
    assert wrong == ("IR_BEN_R.csv: 2 lines read, 0 kept and 0 quarantined on disk",)


def test_a_row_that_is_doubled_is_named(full: Home) -> None:
    rewrite(part(full, "ir_ben_r"), "from {0} union all (from {0} limit 1)")
    assert not balances(full)["IR_BEN_R"].holds


def test_a_cent_that_is_lost_is_named(full: Home) -> None:
    rewrite(
        part(full, "er_ucd_f"),
        "select * replace (cast(ucd_ttf_mnt - 0.01 as decimal(18, 2)) as ucd_ttf_mnt) from {0}",
    )
    wrong = balances(full)["ER_UCD_F"].wrong
    assert wrong and all("euros of UCD_TTF_MNT" in each for each in wrong)


def test_a_row_that_moved_to_another_month_is_named(full: Home) -> None:
    rewrite(part(full, "er_ucd_f"), "select * replace (date '2019-03-01' as flx_dis_dtd) from {0}")
    wrong = balances(full)["ER_UCD_F"].wrong
    assert any("2019-06: 1 rows were kept, 0 are on disk" in each for each in wrong)
    assert not any("lines read" in each for each in wrong)
