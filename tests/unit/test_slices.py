"""Which slices are in effect: a pure function of the records, which never brings anything back."""

from __future__ import annotations

import datetime
import shutil
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openchronic_assets.contracts import load, tables
from openchronic_assets.ingestion.deliveries import Record, in_effect
from openchronic_assets.ingestion.report import FileReport
from openchronic_assets.slices import (
    NONE,
    Part,
    care_year_sql,
    in_slices_sql,
    slice_columns,
    slice_sql,
)
from openchronic_assets.warehouse.raw import relation_sql, spark_statements

PERIODS = ["2018", "2019", "2020", "all", "2019-03", "2019-12", "2020-01"]
SLICES = ["2018-12", "2019-01", "2019-03", "2019-12", "2020-01", "2020-03", "2021-01", NONE]
FILES = st.tuples(
    st.sampled_from(PERIODS), st.dictionaries(st.sampled_from(SLICES), st.integers(1, 9)),
    st.booleans(),  # whether every line was refused
)  # fmt: skip
DELIVERY = st.tuples(
    st.lists(FILES, min_size=1, max_size=3), st.sampled_from([None, "2020-01-01", "2021-01-01"])
)


def record(
    identity: str, files: list[tuple[str, dict[str, int], bool]], date: str | None
) -> Record:
    reports = []
    for number, (period, slices, refused) in enumerate(files):
        report = FileReport(f"{number}.csv", "ER_BIO_F", period, 2019, "name")
        report.newest_treatment = "2020-06-01"
        report.rows_read = sum(slices.values())
        if refused and slices:
            report.quarantined = report.rows_read
        else:
            report.slices, report.kept = slices, report.rows_read
        reports.append(report)
    return Record(identity, identity, date, None, None, False, "f", tuple(reports))


RECORDS = st.lists(DELIVERY, min_size=1, max_size=5).map(
    lambda sent: [record(f"d{number}", *each) for number, each in enumerate(sent)]
)


def rows(every: list[Record]) -> set[tuple[str, str, str]]:
    """Return (delivery, file, slice) of all rows in effect."""
    effective = in_effect(every)
    found = set()
    for each in every:
        for report in each.files:
            if (each.id, report.path) in effective:
                slices = effective[each.id, report.path]
                found |= {
                    (each.id, report.path, one)
                    for one in (report.slices if slices is None else slices)
                }
    return found


@settings(max_examples=100, deadline=None)
@given(every=RECORDS, data=st.data())
def test_the_order_of_the_records_changes_nothing(every: list[Record], data: st.DataObject) -> None:
    assert in_effect(data.draw(st.permutations(every))) == in_effect(every)


@settings(max_examples=100, deadline=None)
@given(every=RECORDS)
def test_each_month_comes_from_exactly_one_delivery(every: list[Record]) -> None:
    of_month: dict[str, set[str]] = {}
    for delivery, _, month in rows(every):
        if month != NONE:
            of_month.setdefault(month, set()).add(delivery)
    assert all(len(deliveries) == 1 for deliveries in of_month.values())


@settings(max_examples=100, deadline=None)
@given(every=RECORDS, last=DELIVERY)
def test_what_is_out_of_effect_never_comes_back(
    every: list[Record], last: tuple[list[tuple[str, dict[str, int], bool]], str | None]
) -> None:
    """The disk may forget what is out of effect: no later delivery can ask for it again."""
    before, after = rows(every), rows([*every, record("x", *last)])
    assert {each for each in after if each[0] != "x"} <= before


@settings(max_examples=100, deadline=None)
@given(every=RECORDS)
def test_a_month_is_lost_only_to_a_newer_or_a_shorter_file(every: list[Record]) -> None:
    """A second, slower reading of the rule: whoever is out has somebody to be out for."""
    found = rows(every)
    for each in every:
        for report in each.files:
            for month in report.slices:
                if (each.id, report.path, month) in found:
                    continue
                rivals = [
                    (other, theirs)
                    for other in every
                    for theirs in other.files
                    if (theirs.kept or not theirs.rows_read)
                    and (other.id, theirs.path) != (each.id, report.path)
                    and (
                        month in theirs.slices
                        or theirs.period == report.period
                        or _could_name(theirs.period, month)
                    )
                ]
                assert rivals, (each.id, report.path, month)


def _could_name(period: str, month: str) -> bool:
    if period == "all" or month == NONE:
        return True
    return month.startswith(period) or (len(period) == 4 and month == f"{int(period) + 1}-01")


def test_every_flux_table_has_its_month_among_the_columns_that_may_not_be_empty() -> None:
    """So no row is without a slice: such a line is in quarantine, neither lost nor doubled."""
    for name in tables():
        table = load(name)
        if table.calendar == "flux":
            (column,) = slice_columns(table)
            assert column.upper() in table.not_null, name


def test_every_table_with_a_calendar_says_the_care_year_of_its_rows() -> None:
    for name in tables():
        table = load(name)
        if (year := care_year_sql(table)) is None:
            assert table.calendar == "snapshot"
            continue
        columns = [*((c.lake_name, c.lake_type) for c in table.columns), ("_table_year", "INTEGER")]
        nothing = ", ".join(f"cast(null as {kind}) as {column}" for column, kind in columns)
        found = duckdb.sql(f"select {year} from (select {nothing})").fetchone()
        assert found == (0,), name  # no date at all: it touches every year


DAYS = ["2018-12-01", "2019-01-01", "2019-02-15", "2019-03-01", "2020-01-31", None]


@pytest.fixture(scope="module")
def months(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("months") / "part.parquet"
    values = ", ".join(f"({n}, cast({_text(day)} as date))" for n, day in enumerate(DAYS))
    duckdb.sql(
        f"copy (select cast(n as bigint) as prs_ord_num, flx_dis_dtd "
        f"from (values {values}) as t(n, flx_dis_dtd)) to '{path}' (format parquet)"
    )
    shutil.copy(path, path.with_name("other.parquet"))
    return path


def _text(day: str | None) -> str:
    return "null" if day is None else f"'{day}'"


CHOICES = [
    frozenset({"2019-01", "2019-02", "2020-01"}), frozenset({NONE}), frozenset({"2018-12", NONE}),
    frozenset(), None,
]  # fmt: skip


def oracle(chosen: frozenset[str] | None) -> list[int]:
    return [
        number
        for number, day in enumerate(DAYS)
        if chosen is None or (day[:7] if day else NONE) in chosen
    ]


@pytest.mark.parametrize("chosen", CHOICES)
def test_a_part_gives_the_rows_of_its_slices(months: Path, chosen: frozenset[str] | None) -> None:
    sql = relation_sql("er_bio_f", [Part(months, chosen)])
    found = duckdb.sql(f"select prs_ord_num from ({sql}) order by 1").fetchall()
    assert [number for (number,) in found] == oracle(chosen)


def test_parts_with_and_without_slices_are_one_relation(months: Path) -> None:
    parts = [Part(months), Part(months, frozenset({"2019-03"})), Part(months, frozenset({NONE}))]
    sql = relation_sql("er_bio_f", parts)
    found = duckdb.sql(f"select prs_ord_num from ({sql}) order by 1").fetchall()
    assert [number for (number,) in found] == sorted([*range(6), 3, 5])


def test_the_slice_of_a_row_is_where_the_predicate_finds_it() -> None:
    table = load("ER_BIO_F")
    first = datetime.date(2000, 1, 1)
    days = [first + datetime.timedelta(days=11 * n) for n in range(1000)]
    values = ", ".join(f"(date '{day}')" for day in days)
    named = duckdb.sql(
        f"select flx_dis_dtd, {slice_sql(table)} from (values {values}) as t(flx_dis_dtd)"
    ).fetchall()
    assert all(text == f"{day:%Y-%m}" for day, text in named)
    chosen = {text for _, text in named[::7]}
    kept = duckdb.sql(
        f"select flx_dis_dtd from (values {values}) as t(flx_dis_dtd) "
        f"where {in_slices_sql(table, chosen)}"
    ).fetchall()
    assert {day for (day,) in kept} == {day for day, text in named if text in chosen}


def test_a_record_of_the_first_version_is_still_read() -> None:
    report = FileReport("a.csv", "ER_BIO_F", "2019", 2019, "name", slices={"2019-03": 2})
    report.slice_amounts = {"2019-03": {"X": Decimal("1.20")}}
    document = report.to_json()
    assert FileReport.from_json(document) == report
    document["flux_months"] = document.pop("slices")
    del document["slice_amounts"]
    assert FileReport.from_json(document).slices == {"2019-03": 2}


@pytest.mark.spark
def test_spark_reads_the_same_rows_of_the_same_parts(
    java: None, months: Path, tmp_path: Path
) -> None:
    from openchronic_assets.ingestion.spark import session

    spark = session()
    for number, chosen in enumerate(CHOICES[:2]):
        spark.sql("drop database if exists raw cascade")
        spark.sql(f"create database raw location '{tmp_path / str(number)}'")
        parts = [
            Part(months, chosen),
            Part(months.with_name("other.parquet"), frozenset({"2019-03"})),
        ]
        for statement in spark_statements("er_bio_f", parts):
            spark.sql(statement)
        found = spark.sql("select prs_ord_num from raw.er_bio_f").collect()
        assert sorted(each[0] for each in found) == sorted([*oracle(chosen), 3]), chosen
