"""A whole release: patient table, linked tables and private cube, and faults planted in each."""

from __future__ import annotations

import csv
import hashlib
import json
import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from anonymisation_tables import patients
from hypothesis import given, settings
from hypothesis import strategies as st

from openchronic_assets.anonymisation import journal, products, release
from openchronic_assets.anonymisation.approvals import producing, same_person
from openchronic_assets.anonymisation.gate import expected, inspect, invert, judge
from openchronic_assets.anonymisation.ledger import Ledger
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
    """A candidate that a test spoils, with what the gate is asked of it."""

    def __init__(self, requests: Sequence[Any]) -> None:
        self.microdata, self.tables, self.cube, self.together = requests
        self.folder = Path(self.together.folder)
        self.evidence = Path(self.microdata.classes).parent
        self.root = self.evidence.parents[2]

    def requests(self) -> list[Any]:
        return [self.microdata, self.tables, self.cube, self.together]

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
    """A copy of the candidate prepared once."""
    home, report = Home(tmp_path / "home"), prepared[1]
    shutil.copytree(prepared[0].root, home.root)
    folder = home.candidate / report["version"]
    folder.chmod(0o755)
    for path in folder.iterdir():
        path.chmod(0o644)
    evidence = home.vault / "releases" / report["version"]
    return Whole(release._requests(folder, evidence, report))


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
    """One hidden cell alone in its line: it follows from the total."""
    rows = w.rows(TABLE)
    alone = next(row for row in rows[1:] if row[-1] and "*" not in row and int(row[-1]) >= 11)
    for row in rows[1:]:
        if not row[-1]:
            row[-1] = "0"
    alone[-1] = ""
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


def declare(w: Whole, name: str, rows: list[list[str]], **declared: Any) -> None:
    """Add a table by sex to the release."""
    w.write(name, rows)
    sex = {"sex": w.tables.tables[TABLE]["dimensions"]["sex"]}
    body = {"population": "p", "measure": "m", "reference": "2021", "dimensions": sex,
            "count": None, "statistics": {}, **declared}  # fmt: skip
    w.tables = replace(w.tables, tables={**w.tables.tables, name: body})


def amounts(w: Whole, largest: str) -> None:
    """Add a table of amounts; ``largest`` is what the first cell's largest contributor gave."""
    path = w.root / "largest.csv"
    path.write_text(f"sex,largest\n1,{largest}\n2,100\n*,100\n", encoding="utf-8")
    rows = [["sex", "people", "amount"], ["1", "40", "1000"], ["2", "50", "2000"],
            ["*", "90", "3000"]]  # fmt: skip
    statistics = {"amount": {"kind": "amount", "largest": str(path)}}
    declare(w, "amounts.csv", rows, count="people", statistics=statistics)


def dominated(w: Whole) -> None:
    amounts(w, "851")


def share_of_a_hidden_cell(w: Whole) -> None:
    rows = [["sex", "people", "share"], ["1", "40", "0.4"], ["2", "", "0.04"], ["*", "", ""]]
    statistics = {"share": {"kind": "rate", "denominator": 100, "per": 1}}
    declare(w, "shares.csv", rows, count="people", statistics=statistics)


def interval_of_a_few(w: Whole) -> None:
    """Byar's interval of 4 events."""
    statistics = {end: {"kind": f"poisson_{end}", "decimals": 3} for end in ("low", "high")}
    declare(w, "intervals.csv", [["sex", *statistics], ["1", "1.076", "10.241"]],
            statistics=statistics)  # fmt: skip


CHAINING = ("seq", "time", "previous", "sha256")


def written_again(w: Whole, **changes: Any) -> None:
    """Write the ledger anew, chained as it should be, with other facts in its reservation."""
    entries = journal.read(Path(w.cube.ledger))
    for path in (Path(w.cube.ledger), Path(w.cube.ledger).with_suffix(".head")):
        path.unlink()
    for entry in entries:
        facts = {n: v for n, v in entry.items() if n not in CHAINING}
        if entry["event"] == "reserved":
            facts |= changes
        journal.append(Path(w.cube.ledger), facts.pop("event"), **facts)


def event_as_unit(w: Whole) -> None:
    written_again(w, unit="event")


def keys_of_the_data(w: Whole) -> None:
    written_again(w, keys="observed")


def unbounded(w: Whole) -> None:
    written_again(w, bounds={"cells_per_person": 1})


def no_table(w: Whole) -> None:
    w.tables = replace(w.tables, tables={})


def header_alone(w: Whole) -> None:
    w.write(TABLE, w.rows(TABLE)[:1])


def longer_line(w: Whole) -> None:
    rows = w.rows(TABLE)
    w.write(TABLE, [*rows[:-1], [*rows[-1], "1"]])


def linked(name: str) -> Callable[[Whole], None]:
    def spoil(w: Whole) -> None:
        (w.folder / name).rename(w.root / name)
        (w.folder / name).symlink_to(w.root / name)

    return spoil


def foreign_value(w: Whole) -> None:
    rows = w.rows(TABLE)
    w.write(TABLE, [["Atlantis" if v == "62" else v for v in row] for row in rows])


def identifying_column(w: Whole) -> None:
    sex = w.tables.tables[TABLE]["dimensions"]["sex"]
    declare(w, "t.csv", [["person_id", "n"], ["1", "40"]], dimensions={"person_id": sex}, count="n")


def share_of(people: str, share: str) -> Callable[[Whole], None]:
    """A share per 100 people beside the count that it is made of."""

    def spoil(w: Whole) -> None:
        statistics = {"share": {"kind": "rate", "denominator": 100, "per": 1, "decimals": 2}}
        rows = [["sex", "people", "share"], ["1", people, share]]
        declare(w, "shares.csv", rows, count="people", statistics=statistics)

    return spoil


def negative_amount(w: Whole) -> None:
    statistics = {"amount": {"kind": "amount", "largest": "absent"}}
    declare(w, "amounts.csv", [["sex", "amount"], ["1", "-5"]], statistics=statistics)


def cell_alone_in_its_line(w: Whole) -> None:
    """The hidden cell is the total less the other one, without any contradiction."""
    rows = [["sex", "people"], ["1", "40"], ["2", ""], ["*", "90"]]
    declare(w, "margin.csv", rows, count="people")


def cube_of(keys: dict[str, list[str]], *lines: list[str]) -> Callable[[Whole], None]:
    def spoil(w: Whole) -> None:
        w.write(CUBE, [[*keys, "count"], *lines])
        w.cube = replace(w.cube, keys=keys)

    return spoil


def lost_cell(w: Whole) -> None:
    w.write(CUBE, w.rows(CUBE)[:-1])


def cell_told_twice(w: Whole) -> None:
    w.write(CUBE, [*w.rows(CUBE), w.rows(CUBE)[-1]])


def again(event: str) -> Callable[[Whole], None]:
    """The release is reserved, or committed, a second time."""

    def spoil(w: Whole) -> None:
        path = Path(w.cube.ledger)
        entry = next(each for each in journal.read(path) if each["event"] == event)
        facts = {n: v for n, v in entry.items() if n not in CHAINING}
        journal.append(path, **facts)

    return spoil


def declared(**changes: Any) -> Callable[[Whole], None]:
    def spoil(w: Whole) -> None:
        w.cube = replace(w.cube, **changes)

    return spoil


def bounds(**values: Any) -> Callable[[Whole], None]:
    def spoil(w: Whole) -> None:
        written_again(w, bounds={"cells_per_person": 1, "rows_per_cell": 10, **values})

    return spoil


def given_back(w: Whole) -> None:
    """A reservation of less than nothing makes room under the cap."""
    journal.append(
        Path(w.cube.ledger), "reserved", release="other", population=w.cube.population, rho=-1.0
    )


def forged(**changes: Any) -> Callable[[Whole], None]:
    """The last entry is changed and its hash made anew."""

    def spoil(w: Whole) -> None:
        path = Path(w.cube.ledger)
        *before, last = path.read_text(encoding="utf-8").splitlines()
        entry = {**json.loads(last), **changes}
        entry["sha256"] = journal.digest(entry)
        lines = [*before, json.dumps(entry, ensure_ascii=False)]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        path.with_suffix(".head").unlink()

    return spoil


def folder_for_a_file(w: Whole) -> None:
    (w.folder / "README.txt").unlink()
    (w.folder / "README.txt").mkdir()


def population_of(*people: str | None) -> Callable[[Whole], None]:
    def spoil(w: Whole) -> None:
        path = w.evidence / "cube.people.parquet"
        pq.write_table(pa.table({"person": pa.array(people, pa.string())}), path)

    return spoil


def population_not_told(w: Whole) -> None:
    rest = {kind: path for kind, path in w.together.populations.items() if kind != "cube"}
    w.together = replace(w.together, populations=rest)


def made_by_nobody(w: Whole) -> None:
    w.together = replace(w.together, prepared_by="")


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


def taken_out(hidden: bool) -> Callable[[Whole], None]:
    """A sortie 3 people away from a shown cell; or equal to it, and showing a hidden one."""

    def spoil(w: Whole) -> None:
        header, *lines = w.rows(REGION)
        shown = next(line for line in lines if line[-1] and int(line[-1]) > 30)
        blank = next(line for line in lines if not line[-1])
        cells = [[*shown[:-1], int(shown[-1]) - (0 if hidden else 3)]]
        cells += [[*blank[:-1], 40]] if hidden else []
        path = w.root / "00001-aaaaaaaa.json"
        path.write_text(json.dumps({"dimensions": header[:-1], "cells": cells}))
        w.tables = replace(w.tables, sorties=[str(path)])

    return spoil


def damaged_sortie(w: Whole) -> None:
    path = w.root / "00001-aaaaaaaa.json"
    path.write_text("{")
    w.tables = replace(w.tables, sorties=[str(path)])


def bytes_of(name: str, change: Callable[[bytes], bytes]) -> Callable[[Whole], None]:
    def spoil(w: Whole) -> None:
        path = w.folder / name
        path.write_bytes(change(path.read_bytes()))

    return spoil


def link_to(name: str) -> Callable[[Whole], None]:
    def spoil(w: Whole) -> None:
        (w.folder / name).rename(w.root / "elsewhere")
        (w.folder / name).symlink_to(w.root / "elsewhere")

    return spoil


FAULTS: list[tuple[Callable[[Whole], None], str]] = [
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
    (dominated, "table_dominance"),
    (share_of_a_hidden_cell, "table_blank"),
    (interval_of_a_few, "table_statistics"),
    (event_as_unit, "cube_unit"),
    (keys_of_the_data, "cube_unit"),
    (unbounded, "cube_unit"),
    (no_table, "table_files"),
    (header_alone, "table_files"),
    (longer_line, "table_files"),
    (linked(TABLE), "table_files"),
    (foreign_value, "table_values"),
    (share_of("40", "nan"), "table_values"),
    (share_of("40", "0.90"), "table_statistics"),
    (identifying_column, "table_identifiers"),
    (negative_amount, "table_statistics"),
    (cell_alone_in_its_line, "table_intervals"),
    (lost_cell, "cube_values"),
    (cell_told_twice, "cube_values"),
    (cube_of({}, ["5"]), "cube_values"),
    (cube_of({"sex": ["1", "*"]}, ["1", "0"], ["*", "7"]), "cube_values"),
    (cube_of({"sex": []}, ["*", "0"]), "cube_values"),
    (cube_of({"sex": ["1", "2"]}, ["1", "-1"], ["2", "5"], ["*", "4"]), "cube_values"),
    (again("reserved"), "cube_reservation"),
    (again("committed"), "cube_reservation"),
    (declared(rho=0.05), "cube_reservation"),
    (declared(population="others"), "cube_reservation"),
    (declared(delta=1e-7), "cube_reservation"),
    (declared(population="others"), "cube_budget"),
    (bounds(rows_per_cell=0), "cube_unit"),
    (bounds(rows_per_cell=1.5), "cube_unit"),
    (given_back, "cube_budget"),
    (forged(previous="f" * 64), "cube_budget"),
    (forged(seq=7), "cube_budget"),
    (linked("README.txt"), "folder"),
    (folder_for_a_file, "folder"),
    (population_of("a", "a"), "disjoint_populations"),
    (population_of("a", None), "disjoint_populations"),
    (population_not_told, "disjoint_populations"),
    (report_with(lambda body: body["outputs_by_kind"].pop()), "report"),
    (made_by_nobody, "signers"),
    (taken_out(hidden=False), "table_differences"),
    (taken_out(hidden=True), "table_known_before"),
    (damaged_sortie, "table_differences"),
    (bytes_of(TABLE, lambda data: data.replace(b",", b";")), "table_files"),
    (bytes_of(TABLE, lambda data: data.decode().encode("utf-16")), "table_files"),
    (bytes_of(TABLE, lambda data: data + b"#62,3\n"), "table_files"),
    (bytes_of(TABLE, lambda _: b""), "table_files"),
    (link_to(CUBE), "folder"),
    (link_to("report.json"), "folder"),
]


@pytest.mark.parametrize(("spoil", "check"), FAULTS)
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
     ["0.03155", "0.18838"], ["0.05930", "0.10711"]),
    # The same of 1 / 1,000, whose low end rounds to 0, and of 40 / 500.
    ({"low": {"kind": "low", "decimals": 3}, "high": {"kind": "high", "decimals": 3}},
     ["0.000", "0.006"], ["0.059", "0.107"]),
    # Two intervals side by side, the second of many people.
    ({"low": {"kind": "low", "decimals": 5, "of": "a"}, "high": {"kind": "high", "decimals": 5,
                                                                 "of": "a"},
      "low2": {"kind": "low", "decimals": 5}, "high2": {"kind": "high", "decimals": 5}},
     ["0.03155", "0.18838", "0.05930", "0.10711"], ["0.05930", "0.10711", "0.05930", "0.10711"]),
    # Wilson intervals near 1: 396 of 400 leave out 4, 960 of 1,000 leave out 40.
    ({"low": {"kind": "low", "decimals": 5}, "high": {"kind": "high", "decimals": 5}},
     ["0.97457", "0.99610"], ["0.94599", "0.97049"]),
    # The whole of 400 people, who have it all; of 600 people all but 15.
    ({"low": {"kind": "low", "decimals": 5}, "high": {"kind": "high", "decimals": 5}},
     ["0.99049", "1.00000"], ["0.95916", "0.98479"]),
    # A wide interval that is that of 10 to 12 of 120; the share beside it says 10. Then 12.
    ({"low": {"kind": "low", "decimals": 2}, "high": {"kind": "high", "decimals": 2},
      "share": {"kind": "share", "decimals": 5}},
     ["0.05", "0.15", "0.08333"], ["0.06", "0.17", "0.10000"]),
    # 98.7 % of 300: 4 are left over. 90 %: 30.
    ({"rate": {"kind": "rate", "denominator": 300, "per": 100, "decimals": 1}},
     ["98.7"], ["90.0"]),
    # Byar's interval of 4 and of 40 events.
    ({"low": {"kind": "poisson_low", "decimals": 3}, "high": {"kind": "poisson_high",
                                                              "decimals": 3}},
     ["1.076", "10.241"], ["28.573", "54.470"]),
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
        if helper and isinstance(statistics[next(iter(statistics))].get("denominator", ""), str):
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


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 3000), st.floats(0, 1), st.sampled_from([2, 3, 4, 5]), st.booleans())
def test_the_counts_behind_an_interval_are_among_its_solutions(
    people: int, share: float, decimals: int, told: bool
) -> None:
    events = round(share * people)
    z, p = invert.Z95, events / people
    centre = (p + z * z / 2 / people) / (1 + z * z / people)
    half = z * math.sqrt(p * (1 - p) / people + (z / 2 / people) ** 2) / (1 + z * z / people)
    found = invert.proportion(
        round(centre - half, decimals), round(centre + half, decimals), decimals=decimals,
        value=round(p, 3) if told else None, value_decimals=3,
    )  # fmt: skip
    for (low, high), truth in zip(found, (events, people, people - events), strict=True):
        assert low - 1e-6 <= truth <= high + 1e-6


def test_intervals_whose_ends_cannot_be_told_apart_are_refused(whole: Whole) -> None:
    statistics = {f"{end}{n}": {"kind": end} for n in (1, 2) for end in ("low", "high")}
    row = ["1", "0.05930", "0.10711", "0.05930", "0.10711"]
    declare(whole, "intervals.csv", [["sex", *statistics], row], statistics=statistics)
    assert "table_statistics" in whole.failed()
    alone = {"low": {"kind": "low"}}
    declare(whole, "intervals.csv", [["sex", "low"], ["1", "0.05926"]], statistics=alone)
    assert "table_statistics" in whole.failed()


@pytest.mark.parametrize(
    ("largest", "passes"),
    [("850", True), ("850.1", False), ("nan", False), ("-1", False), ("0", False), ("", False)],
)
def test_an_amount_held_by_one_contributor_is_refused(
    whole: Whole, largest: str, passes: bool
) -> None:
    amounts(whole, largest)
    found = judge(inspect(whole.tables), expected(whole.tables)).failed
    assert ("table_dominance" not in found) is passes
    Path(whole.root / "largest.csv").unlink()
    found = judge(inspect(whole.tables), expected(whole.tables)).failed
    assert "table_dominance" in found


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
def test_a_release_refused_at_the_last_moment_is_not_published(
    prepared: tuple[Home, dict[str, Any]], tmp_path: Path
) -> None:
    """Between the candidate and its publication the budget was overdrawn."""
    shutil.copytree(prepared[0].root, tmp_path / "home")
    home, report = Home(tmp_path / "home"), prepared[1]
    (cube,) = [each for each in report["declared"] if "rho" in each]
    journal.append(
        home.vault / "budget.jsonl", "reserved", release="x", population=cube["population"],
        rho=0.45,
    )  # fmt: skip
    with pytest.raises(Refused, match="cube_budget"):
        publish(home, report["version"], ["Ada Lovelace", "Grace Hopper"])
    assert not list(home.release.iterdir())
    entry = journal.read(home.vault / "journal.jsonl")[-1]
    assert (entry["event"], entry["stage"]) == ("refused", "release")
    assert entry["failed"] == ["cube_budget"]


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


def test_a_kill_between_budget_and_cube_costs_budget_and_not_the_cube(tmp_path: Path) -> None:
    ledger, folder = Ledger(tmp_path / "budget.jsonl", 0.5), tmp_path / "cubes"
    folder.mkdir()
    assert products._reservation(ledger, "2021-a", folder) == ("2021-a", folder / "2021-a.csv")
    ledger.reserve("2021-a", "p", 0.1, {})
    # Killed before the cube was written: that noise is nowhere, its budget is spent.
    assert products._reservation(ledger, "2021-a", folder)[0] == "2021-a.2"
    ledger.reserve("2021-a.2", "p", 0.1, {})
    (folder / "2021-a.2.csv").write_text("whole\n")
    # Killed after it: the cube was in the vault alone, and is the one that leaves.
    assert products._reservation(ledger, "2021-a", folder)[0] == "2021-a.2"
    assert (ledger.release("2021-a.2") or {})["output_sha256"] == hashlib.sha256(
        b"whole\n"
    ).hexdigest()
    assert ledger.spent("p") == pytest.approx(0.2)
    # Drawn and told: whoever removes it does not have it drawn again.
    (folder / "2021-a.2.csv").unlink()
    assert products._reservation(ledger, "2021-a", folder)[0] == "2021-a.2"


def test_a_cube_that_was_drawn_and_removed_is_not_drawn_again(
    prepared: tuple[Home, dict[str, Any]], tmp_path: Path
) -> None:
    home = Home(tmp_path / "home")
    shutil.copytree(prepared[0].root, home.root)
    (kept,) = (home.vault / "cubes").iterdir()
    kept.unlink()
    with pytest.raises(Refused, match="restore vault/cubes"):
        products.make_cube(
            tmp_path, tmp_path / "people", [], 2021, prepared[1]["version"], home.vault, b"k" * 32
        )
