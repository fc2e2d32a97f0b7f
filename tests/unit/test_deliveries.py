"""Which delivery is in effect depends on the deliveries, never on the order of their arrival."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_deliveries import committed, lake_rows, manifest, row, write

from openchronic_assets.contracts import load
from openchronic_assets.ingestion import deliveries, identity, spark
from openchronic_assets.ingestion.lines import sha256_of
from openchronic_assets.ingestion.run import Ingestion, ingest
from openchronic_assets.settings import Home
from openchronic_assets.status import status
from openchronic_assets.warehouse.raw import relation_sql

SECRET = "a secret of the tests, of 32 characters or more"


@pytest.fixture(autouse=True)
def without_spark(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parse the files of a delivery one after the other in this process: the order is the same."""

    def spread(
        session: Any, function: Callable[[Any], Any], items: Sequence[Any], progress: Any = None
    ) -> list[Any]:
        return [function(item) for item in items]

    monkeypatch.setattr(spark, "spread", spread)
    monkeypatch.setenv(identity.SECRET_VARIABLE, SECRET)


def take(home: Home, folder: Path) -> Ingestion:
    return ingest(home, folder, session=lambda: None)  # type: ignore[arg-type,return-value]


def bio(number: int, treated: str = "12/03/2019", month: str = "01/03/2019") -> dict[str, str]:
    return row("ER_BIO_F", 2019, PRS_ORD_NUM=str(number), FLX_TRT_DTD=treated, FLX_DIS_DTD=month)


def numbers(home: Home) -> list[int]:
    """Return what marks the rows of the reimbursed biology in effect, as the models read them."""
    relation = relation_sql("er_bio_f", deliveries.current_parts(home)["er_bio_f"])
    return sorted(n for (n,) in duckdb.sql(f"select prs_ord_num from ({relation})").fetchall())


def seen(home: Home) -> tuple[Any, ...]:
    """Return all that a reader of the lake sees, but for where the home is."""
    state = status(home)
    files = {
        name: [(p.path.relative_to(home.raw).as_posix(), p.months and sorted(p.months)) for p in ps]
        for name, ps in deliveries.current_parts(home).items()
    }
    return files, committed(home), state["tables"], state["deliveries"]


def the_lake_is_what_the_status_says(home: Home) -> None:
    kept: dict[str, int] = {}
    elsewhere: dict[str, int] = {}
    for each in status(home)["tables"]:
        if each["delivered"] is not None:
            kept[each["table"]] = kept.get(each["table"], 0) + each["kept"]
            elsewhere[each["table"]] = elsewhere.get(each["table"], 0) + each["elsewhere"]
    current = deliveries.current_parts(home)
    for name in ("ER_BIO_F", "IR_BEN_R", "KI_CCI_R"):
        raw = load(name).raw_name
        assert sorted((home.raw / raw).rglob("*.parquet")) == [p.path for p in current[raw]]
        assert len(lake_rows(home.raw, raw)) == kept.get(name, 0)
        (read,) = duckdb.sql(f"select count(*) from ({relation_sql(raw, current[raw])})").fetchall()
        assert read[0] == kept.get(name, 0) - elsewhere.get(name, 0)


@pytest.fixture
def five(tmp_path: Path) -> list[Path]:
    """Five deliveries of one table: two dated, one undated, a month, and a refused one."""
    folder = tmp_path / "landing"
    write(folder / "a", "ER_BIO_F_2019.csv", [bio(1), bio(2)])
    manifest(folder / "a", date="2020-02-01")
    write(folder / "b", "ER_BIO_F_2019.csv.gz", [bio(3), bio(4) | {"BIO_PRS_IDE": "x"}])
    manifest(folder / "b", date="2020-08-01")
    write(folder / "c", "sub/ER_BIO_F_2019.csv", [bio(5, treated="01/06/2020")])
    write(folder / "c", "ER_BIO_F_2020.csv", [bio(6, month="01/05/2020")])
    write(folder / "d", "ER_BIO_F_201903.csv", [bio(7)])
    write(folder / "d", "ER_BIO_F_201811.csv", [bio(8, month="01/11/2018")])
    write(folder / "e", "ER_BIO_F_2019.csv", [{"BIO_PRS_IDE": "1"}])
    manifest(folder / "e", date="2021-01-01")
    return sorted(folder.iterdir())


@pytest.mark.long
def test_any_order_of_arrival_gives_the_same_lake(five: list[Path], tmp_path: Path) -> None:
    states = []
    for order in itertools.permutations(range(4)):
        home = Home(tmp_path / "".join(map(str, order)))
        for each in order:
            take(home, five[each])
        the_lake_is_what_the_status_says(home)
        states.append(seen(home))
        assert numbers(home) == [3, 6, 8]
        shutil.rmtree(home.root)
    assert all(state == states[0] for state in states)


def test_a_refused_delivery_never_takes_the_place_of_a_good_one(
    five: list[Path], tmp_path: Path
) -> None:
    states = []
    for order in ((0, 4), (4, 0)):
        home = Home(tmp_path / f"{order[0]}")
        for each in order:
            take(home, five[each])
        assert numbers(home) == [1, 2]
        assert len(lake_rows(home.quarantine, "er_bio_f")) == 1
        the_lake_is_what_the_status_says(home)
        states.append(seen(home))
    assert states[0] == states[1]


def test_a_newer_file_without_a_single_good_line_replaces_nothing(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    write(tmp_path / "old", "ER_BIO_F_2019.csv", [bio(1)])
    write(tmp_path / "new", "ER_BIO_F_2019.csv", [bio(2) | {"BIO_PRS_IDE": "x"}])
    manifest(tmp_path / "new", date="2021-01-01")
    take(home, tmp_path / "old")
    result = take(home, tmp_path / "new")
    assert numbers(home) == [1]
    assert result.superseded == ["ER_BIO_F_2019.csv"]
    assert any("no line of it could be kept" in message for message in result.messages)


def test_a_newer_file_that_is_empty_of_rows_does_replace(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    write(tmp_path / "old", "ER_BIO_F_2019.csv", [bio(1)])
    write(tmp_path / "new", "ER_BIO_F_2019.csv", ";".join(bio(1)) + "\n")
    manifest(tmp_path / "new", date="2021-01-01")
    take(home, tmp_path / "old")
    take(home, tmp_path / "new")
    assert numbers(home) == []
    the_lake_is_what_the_status_says(home)


def test_an_older_delivery_that_comes_late_is_on_record_and_not_in_effect(
    five: list[Path], tmp_path: Path
) -> None:
    home = Home(tmp_path / "home")
    take(home, five[1])
    result = take(home, five[0])
    assert numbers(home) == [3]
    assert result.state == "ingested"
    assert result.superseded == ["ER_BIO_F_2019.csv"]
    assert any("a newer delivery of 2019 is in the lake" in said for said in result.messages)
    assert len(deliveries.records(home)) == 2
    assert [each["name"] for each in deliveries.behind(home)] == ["b"]


def test_the_same_bytes_again_are_a_no_op_wherever_they_lie(
    five: list[Path], tmp_path: Path
) -> None:
    home = Home(tmp_path / "home")
    take(home, five[1])
    before = seen(home)
    elsewhere = tmp_path / "elsewhere" / "again"
    shutil.copytree(five[1], elsewhere)
    assert take(home, elsewhere).state == "already ingested"
    assert seen(home) == before


def test_a_snapshot_replaces_the_whole_table_whatever_its_file_names(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    write(tmp_path / "old", "IR_BEN_R.csv", [row("IR_BEN_R", 2019, BEN_NIR_PSA="A" * 17)])
    manifest(tmp_path / "old", date="2020-01-01")
    write(tmp_path / "new", "IR_BEN_R_2020.csv", [row("IR_BEN_R", 2020, BEN_NIR_PSA="B" * 17)] * 2)
    manifest(tmp_path / "new", date="2021-01-01")
    for order in (("old", "new"), ("new", "old")):
        for name in order:
            take(home, tmp_path / name)
        assert len(lake_rows(home.raw, "ir_ben_r")) == 2
        shutil.rmtree(home.root)


def test_a_month_that_was_overlapped_does_not_come_back(tmp_path: Path) -> None:
    # The year that covered it is delivered again without that month: its rows are gone from the
    # lake, so the month has to be delivered again, in any order.
    write(tmp_path / "month", "ER_BIO_F_201903.csv", [bio(1)])
    write(tmp_path / "year", "ER_BIO_F_2019.csv", [bio(2)])
    write(tmp_path / "later", "ER_BIO_F_2019.csv", [bio(3, month="01/06/2019")])
    manifest(tmp_path / "later", date="2021-01-01")
    states = []
    for order in itertools.permutations(("month", "year", "later")):
        home = Home(tmp_path / "-".join(order))
        for name in order:
            take(home, tmp_path / name)
        the_lake_is_what_the_status_says(home)
        assert numbers(home) == [3]
        states.append(seen(home))
    assert all(state == states[0] for state in states)


def test_a_month_beside_its_year_in_one_delivery_stands_for_itself(tmp_path: Path) -> None:
    # The flux year of 2019 ends with January 2020.
    home = Home(tmp_path / "home")
    write(tmp_path / "d", "ER_BIO_F_2019.csv", [bio(1), bio(2, month="01/01/2020")])
    write(tmp_path / "d", "ER_BIO_F_202001.csv", [bio(3, month="01/01/2020")])
    write(tmp_path / "d", "ER_BIO_F_202002.csv", [bio(4, month="01/02/2020")])
    result = take(home, tmp_path / "d")
    assert numbers(home) == [1, 3, 4]
    assert result.overlapping == ["ER_BIO_F_2019.csv"] and not result.refused_files
    assert any("1 of its 2 lines are of 2020-01" in said for said in result.messages)
    rows = [t for t in status(home)["tables"] if t["calendar"] == "flux"]
    assert {t["year"]: (t["kept"], t["elsewhere"]) for t in rows} == {2019: (3, 1), 2020: (1, 0)}


MONTHS = {"01": "01/01/2019", "03": "01/03/2019", "06": "01/06/2019", "next": "01/01/2020"}


@pytest.mark.parametrize(
    ("sent", "wanted"),
    [
        # A newer month replaces that month of the year, an older one does not.
        ({"2019 of 2020-06": "03 06", "201903 of 2020-09": "03"}, "2019:06 201903:03"),
        ({"2019 of 2020-06": "03 06", "201903 of 2020-03": "03"}, "2019:03 2019:06"),
        # ... and so for a file of all years, but only for months that it holds.
        ({"all of 2020-06": "03 06", "201903 of 2020-09": "03"}, "all:06 201903:03"),
        ({"all of 2020-06": "06", "201903 of 2020-03": "03"}, "all:06 201903:03"),
        # A newer year takes the months of it that it does not hold away too.
        ({"2019 of 2020-06": "06", "201903 of 2020-03": "03"}, "2019:06"),
        # A calendar year, then a flux year: each January stays or goes by what is in the files.
        ({"2019 of 2020-02": "01 03", "2019 of 2020-06": "03 next"}, "2019:01 2019:03 2019:next"),
        ({"2019 of 2020-02": "03 next", "2019 of 2020-06": "03"}, "2019:03"),
        ({"201901 of 2020-02": "01", "2019 of 2020-06": "03 next"}, "201901:01 2019:03 2019:next"),
        # Rows of a month outside the file's period never displace those of its own file.
        ({"201903 of 2020-02": "03", "202005 of 2020-06": "03"}, "201903:03"),
        ({"202005 of 2020-06": "03"}, "202005:03"),
    ],
)
def test_each_flux_month_comes_from_one_delivery(
    sent: dict[str, str], wanted: str, tmp_path: Path
) -> None:
    marks: dict[int, str] = {}
    for place, (name, months) in enumerate(sent.items()):
        period, date = name.split(" of ")
        rows = []
        for month in months.split():
            marks[len(marks) + 1] = f"{period}:{month} {date}"
            rows.append(bio(len(marks), month=MONTHS[month]))
        file = "ER_BIO_F.csv" if period == "all" else f"ER_BIO_F_{period}.csv"
        write(tmp_path / f"d{place}", file, rows)
        manifest(tmp_path / f"d{place}", date=f"{date}-01")
    states = []
    for order in itertools.permutations(range(len(sent))):
        home = Home(tmp_path / f"home{order}")
        for place in order:
            take(home, tmp_path / f"d{place}")
        states.append([marks[number] for number in numbers(home)])
        the_lake_is_what_the_status_says(home)
    newest = {}
    for mark in marks.values():  # of two marks alike, the newer
        newest[mark.split()[0]] = mark
    assert all(sorted(state) == sorted(newest[each] for each in wanted.split()) for state in states)


def test_a_file_beside_the_generated_ones_takes_the_marker_away(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    path = write(tmp_path / "d", "ER_BIO_F_2019.csv", [bio(1)])
    marker = {"name": "openchronic synth"}
    manifest(tmp_path / "d", generator=marker, checksums={path.name: sha256_of(path)})
    take(home, tmp_path / "d")
    assert [each["generated"] for each in deliveries.behind(home)] == [True]
    write(tmp_path / "d", "ER_BIO_F_2020.csv", [bio(2, month="01/05/2020")])
    take(home, tmp_path / "d")
    assert not all(each["generated"] for each in deliveries.behind(home))


Sent = tuple[str, int, int | None, int]
SENT = st.tuples(
    st.sampled_from(["2019", "201903", "201905", "2020", "all"]),
    st.integers(1, 3),  # rows
    st.none() | st.integers(1, 3),  # month of the manifest's date
    st.integers(1, 28),  # day of treatment
)


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(sent=st.lists(SENT, min_size=2, max_size=4, unique=True), data=st.data())
def test_no_set_of_deliveries_depends_on_its_order(
    tmp_path_factory: pytest.TempPathFactory, sent: list[Sent], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("orders")
    names = []
    for place, (period, count, dated, day) in enumerate(sent):
        month = {"2020": "01/05/2020", "201905": "01/05/2019"}.get(period, "01/03/2019")
        rows = [bio(10 * place + n, f"{day:02d}/06/2020", month) for n in range(count)]
        file = "ER_BIO_F.csv" if period == "all" else f"ER_BIO_F_{period}.csv"
        write(folder / f"d{place}", file, rows)
        if dated:
            manifest(folder / f"d{place}", date=f"2020-{dated:02d}-01")
        names.append(f"d{place}")
    states = []
    for order in (names, data.draw(st.permutations(names))):
        home = Home(folder / f"home-{len(states)}")
        for name in order:
            take(home, folder / name)
        the_lake_is_what_the_status_says(home)
        states.append(seen(home))
    assert states[0] == states[1]
    shutil.rmtree(folder)
