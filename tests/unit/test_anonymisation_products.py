"""A whole release: patient table, linked tables and private cube, and faults planted in each."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from anonymisation_tables import patients

from openchronic_assets.anonymisation import journal, release
from openchronic_assets.anonymisation.approvals import producing, same_person
from openchronic_assets.anonymisation.gate import (
    CubeRequest,
    TableRequest,
    TogetherRequest,
    expected,
    inspect,
    judge,
)
from openchronic_assets.anonymisation.release import prepare_candidate, publish
from openchronic_assets.errors import Refused
from openchronic_assets.settings import Home

GENERATED = [{"id": "a" * 12, "generated": True}]


def marts(home: Home) -> tuple[Path, Path, Path]:
    """Write patients, persons (the patients and others) and care events of the others."""
    folder = home.builds / "b1"
    folder.mkdir(parents=True, exist_ok=True)
    ill = patients(5000, 1, {"62": 0.4, "974": 0.35, "23": 0.25})
    pq.write_table(ill, folder / "patient.parquet")
    with duckdb.connect() as connection:
        connection.register("ill", ill)
        person = connection.execute(
            """
            select person_id, sex, birth_year, department, null::date as death_date from ill
            union all
            select
                md5(concat('o', i)), case when i % 2 = 0 then '1' else '2' end,
                (1930 + i % 90)::integer, case when i % 7 < 5 then '62' when i % 7 < 6 then '974'
                else '23' end, case when i % 50 = 0 then date '2020-02-01' end
            from range(4000) t(i)
            """
        ).to_arrow_table()
        connection.register("person", person)
        event = connection.execute(
            "select person_id from person, range(3) where person_id not in "
            "(select person_id from ill)"
        ).to_arrow_table()
    pq.write_table(person, folder / "person.parquet")
    pq.write_table(event, folder / "event.parquet")
    return folder / "patient.parquet", folder / "person.parquet", folder / "event.parquet"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, dict[str, Any]]:
    home = Home(tmp_path_factory.mktemp("whole") / "home").create()
    patient, person, event = marts(home)
    report = prepare_candidate(
        home, [patient], 2021, "b1", GENERATED, person_files=[person], event_files=[event]
    )
    return home, report


class Whole:
    """A copy of the candidate that a test spoils, with its requests."""

    def __init__(self, home: Home, report: dict[str, Any], tmp: Path) -> None:
        self.root = tmp / "home"
        shutil.copytree(home.root, self.root)
        self.home = Home(self.root)
        self.report = report
        self.folder = self.home.candidate / report["version"]
        self.folder.chmod(0o755)
        for path in self.folder.iterdir():
            path.chmod(0o644)
        self.evidence = self.home.vault / "releases" / report["version"]
        requests = release._requests(self.folder, self.evidence, report)
        self.tables = next(r for r in requests if isinstance(r, TableRequest))
        cube = next(r for r in requests if isinstance(r, CubeRequest))
        self.cube = replace(cube, ledger=str(self.home.vault / "budget.jsonl"))
        self.together = next(r for r in requests if isinstance(r, TogetherRequest))

    def rows(self, name: str) -> list[list[str]]:
        with (self.folder / name).open(newline="") as file:
            return list(csv.reader(file))

    def write(self, name: str, rows: list[list[str]]) -> None:
        with (self.folder / name).open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)

    def failed(self) -> set[str]:
        requests = [self.tables, self.cube, self.together]
        return set(judge(inspect(requests), expected(requests)).failed)


@pytest.fixture
def whole(prepared: tuple[Home, dict[str, Any]], tmp_path: Path) -> Whole:
    return Whole(*prepared, tmp_path)


TABLE, REGION, CUBE = "people_by_department.csv", "people_by_region.csv", "care_events_cube.csv"


def test_a_release_carries_three_outputs_about_disjoint_people(
    prepared: tuple[Home, dict[str, Any]],
) -> None:
    home, report = prepared
    kinds = [each["kind"] for each in report["outputs_by_kind"]]
    assert kinds == ["microdata", "tables", "cube"] and report["omitted"] == {}
    folder = home.candidate / report["version"]
    assert {"tables.report.json", "cube.report.json", TABLE, REGION, CUBE} <= {
        path.name for path in folder.iterdir()
    }
    assert [each for each in report["outputs_by_kind"] if "epsilon" in each][0]["kind"] == "cube"
    assert len([each for each in report["outputs_by_kind"] if "epsilon" in each]) == 1
    assert json.loads((folder / "tables.report.json").read_text())["checks"]
    assert all(check["passed"] for check in report["checks"])
    evidence = home.vault / "releases" / report["version"]
    people = [
        set(pq.read_table(evidence / name)["person"].to_pylist())
        for name in ("classes.parquet", "tables.people.parquet", "cube.people.parquet")
    ]
    assert all(people) and not (
        people[0] & people[1] | people[0] & people[2] | people[1] & people[2]
    )
    text = (folder / "README.txt").read_text()
    assert "confidentialité différentielle" in text and "case vide est secrète" in text


def test_the_clean_release_passes(whole: Whole) -> None:
    assert whole.failed() == set()


def small_cell(w: Whole) -> None:
    rows = w.rows(TABLE)
    next(row for row in rows[1:] if row[-1] and int(row[-1]) > 40)[-1] = "10"
    w.write(TABLE, rows)


def revealing_margin(w: Whole) -> None:
    """All hidden cells but one shown, each with a count that is large enough."""
    rows = w.rows(TABLE)
    hidden = [row for row in rows[1:] if not row[-1]]
    if hidden:
        rows = [row for row in rows if row]
    # A cell of 40 that is hidden alone in its line follows from the total.
    body = [row for row in rows[1:] if row[-1] and "*" not in row and int(row[-1]) >= 11]
    body[0][-1] = ""
    for row in rows[1:]:
        if row is not body[0] and not row[-1]:
            row[-1] = "0"
    w.write(TABLE, rows)


def contradiction(w: Whole) -> None:
    rows = w.rows(TABLE)
    rows[-1][-1] = "999999"
    w.write(TABLE, rows)


def missing_cell(w: Whole) -> None:
    w.write(TABLE, w.rows(TABLE)[:-1])


def repeated_cell(w: Whole) -> None:
    rows = w.rows(TABLE)
    w.write(TABLE, [*rows, rows[-1]])


def unknown_value(w: Whole) -> None:
    rows = w.rows(TABLE)
    for row in rows[1:]:
        row[0] = row[0].replace("62", "62193")
    w.write(TABLE, rows)


def unknown_column(w: Whole) -> None:
    w.write(TABLE, [[*row, "extra" if n == 0 else "1"] for n, row in enumerate(w.rows(TABLE))])


def nan_count(w: Whole) -> None:
    rows = w.rows(TABLE)
    rows[1][-1] = "NaN"
    w.write(TABLE, rows)


def empty_table(w: Whole) -> None:
    (w.folder / TABLE).write_bytes(b"")


def low_threshold(w: Whole) -> None:
    w.tables = replace(w.tables, threshold=5)


def known_before(w: Whole) -> None:
    rows = w.rows(TABLE)
    earlier = w.root / "earlier.csv"
    shutil.copy(w.folder / TABLE, earlier)
    body = w.tables.tables[TABLE]
    shown = next(row for row in rows[1:] if row[-1] and "*" not in row and int(row[-1]) > 11)
    shown[-1] = ""
    w.write(TABLE, rows)
    w.tables = replace(w.tables, earlier={str(earlier): body})


def moved_since(w: Whole) -> None:
    rows = w.rows(TABLE)
    next(row for row in rows[1:] if row[-1] and int(row[-1]) > 40)[-1] += ""
    earlier = w.root / "earlier.csv"
    for row in rows[1:]:
        if row[-1]:
            row[-1] = str(int(row[-1]) + 3)
    with earlier.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    body = {**w.tables.tables[TABLE], "population": "an earlier build"}
    w.tables = replace(w.tables, earlier={str(earlier): body})


def drawn_again(w: Whole) -> None:
    rows = w.rows(CUBE)
    rows[1][-1] = str(int(rows[1][-1]) + 1)
    w.write(CUBE, rows)


def overdrawn(w: Whole) -> None:
    journal.append(
        Path(w.cube.ledger), "reserved", release="other", population=w.cube.population, rho=0.45
    )


def broken_ledger(w: Whole) -> None:
    path = Path(w.cube.ledger)
    path.write_text(path.read_text().replace('"rho": 0.1', '"rho": 0.01'))


def no_ledger(w: Whole) -> None:
    Path(w.cube.ledger).unlink()


def not_reserved(w: Whole) -> None:
    w.cube = replace(w.cube, release="another")


def boasted(w: Whole) -> None:
    w.cube = replace(w.cube, epsilon=0.5)


def nan_epsilon(w: Whole) -> None:
    w.cube = replace(w.cube, epsilon=float("nan"))


def large_delta(w: Whole) -> None:
    w.cube = replace(w.cube, delta=0.01)


def shared_people(w: Whole) -> None:
    shutil.copy(w.evidence / "classes.parquet", w.evidence / "cube.people.parquet")


def nobody(w: Whole) -> None:
    pq.write_table(pa.table({"person": pa.array([], pa.string())}),
                   w.evidence / "cube.people.parquet")  # fmt: skip


def stray_file(w: Whole) -> None:
    (w.folder / "events.parquet").write_bytes(b"x")


def event_level(w: Whole) -> None:
    w.together = replace(w.together, kinds=[*w.together.kinds, "events"])


def report_with(change: Callable[[dict[str, Any]], Any]) -> Callable[[Whole], None]:
    def spoil(w: Whole) -> None:
        body = json.loads((w.folder / "report.json").read_text())
        change(body)
        (w.folder / "report.json").write_text(json.dumps(body))

    return spoil


def signed_by(*names: str) -> Callable[[Whole], None]:
    def spoil(w: Whole) -> None:
        w.together = replace(w.together, approvers=list(names))

    return spoil


@pytest.mark.parametrize(
    ("spoil", "check"),
    [
        (small_cell, "table_threshold"),
        (revealing_margin, "table_intervals"),
        (contradiction, "table_intervals"),
        (missing_cell, "table_values"),
        (repeated_cell, "table_values"),
        (unknown_value, "table_identifiers"),
        (unknown_column, "table_files"),
        (nan_count, "table_values"),
        (empty_table, "table_files"),
        (low_threshold, "table_threshold"),
        (known_before, "table_known_before"),
        (moved_since, "table_differences"),
        (drawn_again, "cube_reservation"),
        (drawn_again, "cube_values"),
        (overdrawn, "cube_budget"),
        (broken_ledger, "cube_budget"),
        (no_ledger, "cube_unit"),
        (not_reserved, "cube_reservation"),
        (boasted, "cube_claim"),
        (nan_epsilon, "cube_claim"),
        (large_delta, "cube_unit"),
        (shared_people, "disjoint_populations"),
        (nobody, "disjoint_populations"),
        (stray_file, "folder"),
        (event_level, "open_kinds"),
        (report_with(lambda body: body["steps"].pop("adversaries")), "report"),
        (report_with(lambda body: body["criteria"].pop("inference")), "report"),
        (report_with(lambda body: body.update(limits="")), "report"),
        (report_with(lambda body: body["tables"][0].update(loss=float("nan"))), "report"),
        (report_with(lambda body: body["outputs_by_kind"][0].update(epsilon=1.0)), "report"),
        (signed_by("Ada Lovelace", "LOVELACE  Ada"), "signers"),
        (signed_by("Ada Lovelace"), "signers"),
        (signed_by("Ada Lovelace", "refresh_years"), "signers"),
    ],
)
def test_a_planted_fault_is_refused(
    whole: Whole, spoil: Callable[[Whole], None], check: str
) -> None:
    spoil(whole)
    assert check in whole.failed()


STATISTICS = [
    # 4 of 50 people, as a rate per 1,000; 40 of 500.
    ({"rate": {"kind": "rate", "denominator": "total", "per": 1000, "decimals": 1}},
     ["80.0"], ["80.0"]),
    # Wilson interval of 4 / 50 and of 40 / 500.
    ({"low": {"kind": "low", "decimals": 5}, "high": {"kind": "high", "decimals": 5}},
     ["0.03155", "0.18836"], ["0.05926", "0.10716"]),
    # (4 + 2) / (5 + 2), (40 + 2) / (50 + 2).
    ({"ratio": {"kind": "smoothed", "expected": "expected", "shape": 2, "rate": 2, "decimals": 4}},
     ["0.8571"], ["0.8077"]),
    # 0.5 + 1.96 sqrt(0.25 / 9), and of 900 people.
    ({"limit": {"kind": "funnel", "centre": 0.5, "decimals": 4}}, ["0.8267"], ["0.5327"]),
]  # fmt: skip


@pytest.mark.parametrize(("statistics", "small", "large"), STATISTICS)
def test_a_statistic_that_gives_a_small_count_is_refused(
    whole: Whole, statistics: dict[str, Any], small: list[str], large: list[str]
) -> None:
    """A table of statistics alone: each is solved for its count."""
    base = whole.tables.tables[TABLE]["dimensions"]
    dims = {"sex": base["sex"]}
    helper = {"rate": "total", "ratio": "expected"}.get(next(iter(statistics)))
    for values, passes in ((small, False), (large, True)):
        amounts = {"total": ("50", "500"), "expected": ("5", "50")}
        header = ["sex", *statistics]
        line = ["1", *values]
        declared = dict(statistics)
        if helper:
            # The helper is a figure of its own: given as a number here.
            key = "denominator" if helper == "total" else "expected"
            name = next(iter(statistics))
            declared[name] = {**statistics[name], key: float(amounts[helper][passes])}
        whole.write("rates.csv", [header, line])
        whole.tables = replace(
            whole.tables,
            tables={
                "rates.csv": {
                    "population": "p", "measure": "m", "reference": "2021",
                    "dimensions": dims, "count": None, "statistics": declared,
                }
            },
        )  # fmt: skip
        assert ("table_statistics" not in whole.failed()) is passes


def test_a_suppressed_cell_loses_everything(whole: Whole) -> None:
    base = whole.tables.tables[TABLE]
    declared = {
        **base,
        "dimensions": {"sex": base["dimensions"]["sex"]},
        "statistics": {"share": {"kind": "rate", "denominator": 100, "per": 1}},
    }
    for value, passes in (("", True), ("0.04", False)):
        rows = [["sex", "people", "share"], ["1", "40", "0.4"], ["2", "", value], ["*", "", ""]]
        whole.write("one.csv", rows)
        whole.tables = replace(whole.tables, tables={"one.csv": declared})
        assert ("table_blank" not in whole.failed()) is passes


def test_the_whole_is_published_and_what_was_attacked_is_removed(
    prepared: tuple[Home, dict[str, Any]], tmp_path: Path
) -> None:
    shutil.copytree(prepared[0].root, tmp_path / "home")
    home, version = Home(tmp_path / "home"), prepared[1]["version"]
    with producing(), pytest.raises(Refused, match="cannot publish"):
        publish(home, version, ["Ada Lovelace", "Grace Hopper"])
    for names in (["Ada Lovelace", "a. lovelace"], ["refresh years", "Grace Hopper"]):
        with pytest.raises(Refused):
            publish(home, version, names)
    # The vault of the copy is elsewhere: the reservation is read from the one declared.
    report = publish(home, version, ["Ada Lovelace", "Grace Hopper"])
    assert report["approvers"] == ["Ada Lovelace", "Grace Hopper"]
    assert not (home.vault / "releases" / version / "people.parquet").exists()
    target = home.release / version
    assert hashlib.sha256((target / CUBE).read_bytes()).hexdigest() in {
        each["sha256"] for each in report["outputs"]
    }


@pytest.mark.slow
def test_the_budget_leaves_the_cube_out_when_it_is_spent(tmp_path: Path) -> None:
    from openchronic_assets.anonymisation.ledger import Ledger

    home = Home(tmp_path / "home").create()
    patient, person, event = marts(home)
    Ledger(home.vault / "budget.jsonl").reserve("x", "people without ALD, second half", 0.45, {})
    report = prepare_candidate(
        home, [patient], 2021, "b1", GENERATED, person_files=[person], event_files=[event]
    )
    assert "cube" in report["omitted"] and "needs rho" in report["omitted"]["cube"]
    assert [each["kind"] for each in report["outputs_by_kind"]] == ["microdata", "tables"]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Ada Lovelace", "LOVELACE Ada", True),
        ("Ada Lovelace", "ada.lovelace@example.org", True),
        ("Ada Lovelace", "A. Lovelace", True),
        ("Ada Lovelace", "Dr Ada\u200b Lovelace", True),
        ("Zoé Müller", "Zoe Muller", True),
        ("Ada Lovelace", "Grace Hopper", False),
        ("Ada Lovelace", "Ada Byron", False),
        ("Ada Lovelace", "B. Lovelace", False),
    ],
)
def test_names_of_one_person(one: str, other: str, same: bool) -> None:
    assert same_person(one, other) is same and same_person(other, one) is same
