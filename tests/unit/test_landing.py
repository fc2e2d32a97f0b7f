from __future__ import annotations

from pathlib import Path

from openchronic_assets.ingestion.landing import is_in_lake, landed, remember, stamp_of_folder
from openchronic_assets.settings import Home


def land(home: Home, name: str = "d1") -> Path:
    folder = home.landing / name
    folder.mkdir()
    (folder / "ER_BIO_F_2019.csv").write_text("A;B\n")
    (folder / "_SUCCESS").touch()
    return folder


def test_a_delivery_waits_for_its_marker_and_tells_its_years(home: Home) -> None:
    folder = land(home)
    (each,) = landed(home)
    assert each.complete and each.years() == [2019]
    (folder / "_SUCCESS").unlink()
    (each,) = landed(home)
    assert not each.complete and each.stamp == 0
    (home.landing / ".copying").mkdir()
    assert len(landed(home)) == 1


def test_a_landed_delivery_is_known_by_its_stamp_while_it_is_on_record(home: Home) -> None:
    folder = land(home)
    assert not is_in_lake(home, folder)
    remember(home, folder, stamp_of_folder(folder), "abc")
    assert not is_in_lake(home, folder)  # no record
    (home.deliveries / "abc.json").write_text("{}")
    assert is_in_lake(home, folder)
    (folder / "ER_BIO_F_2019.csv").write_text("A;B\n1;2\n")
    assert not is_in_lake(home, folder)  # a file grew


def test_a_lost_memory_or_a_folder_from_elsewhere_asks_for_the_bytes(
    home: Home, tmp_path: Path
) -> None:
    folder = land(home)
    (home.deliveries / "abc.json").write_text("{}")
    remember(home, folder, stamp_of_folder(folder), "abc")
    (home.scratch / "landed.json").write_text("{torn")
    assert not is_in_lake(home, folder)
    remember(home, tmp_path, "stamp", "abc")
    assert (home.scratch / "landed.json").read_text() == "{torn"
