from __future__ import annotations

import csv
import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from openchronic_assets.anonymisation import journal, release, sortie
from openchronic_assets.anonymisation.composition import released
from openchronic_assets.anonymisation.gate import expected, inspect, judge
from openchronic_assets.anonymisation.sortie import (
    Table,
    problems,
    read_table,
    take_out,
    verify_proof,
)
from openchronic_assets.errors import OpenChronicError, Refused, UsageError
from openchronic_assets.settings import Home


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


SAFE = "department,sex,people\n23,1,40\n23,2,55\n62,1,70\n62,2,31\n"


def rules(result: dict) -> list[str]:
    return [problem["rule"] for problem in result["problems"]]


def test_a_safe_table_is_delivered_with_a_proof_that_holds(home: Home, tmp_path: Path) -> None:
    result = take_out(home, write(tmp_path / "t.csv", SAFE), "Ada")
    assert result["delivered"]
    folder = Path(result["folder"])
    assert (folder / "t.csv").read_text() == SAFE
    assert verify_proof(home, folder)["user"] == "Ada"
    events = journal.read(home.vault / "journal.jsonl")
    assert events[-1]["event"] == "sortie_delivered"
    (folder / "t.csv").write_text(SAFE.replace("40", "41"))
    with pytest.raises(Refused, match="does not hold"):
        verify_proof(home, folder)
    (folder / "t.csv").write_text(SAFE)
    other = Home(tmp_path / "other").create()
    with pytest.raises(Refused, match="does not hold"):
        verify_proof(other, folder)


def test_a_small_cell_is_sent_back_with_the_smallest_merge(home: Home, tmp_path: Path) -> None:
    text = "department,people\n23,4\n62,70\n974,12\n75,300\n"
    result = take_out(home, write(tmp_path / "t.csv", text), "Ada")
    assert not result["delivered"] and rules(result) == ["threshold"]
    assert result["proposals"] == [{"department": [["23", "974"]]}]
    assert not (home.exports / "sorties").exists()
    assert journal.read(home.vault / "journal.jsonl")[-1]["event"] == "sortie_refused"
    assert "4" not in json.dumps(result["problems"][0]["detail"])


def test_merges_proposed_pass_when_made(home: Home, tmp_path: Path) -> None:
    text = "department,sex,people\n23,1,3\n23,2,9\n62,1,70\n62,2,31\n75,1,12\n75,2,13\n"
    result = take_out(home, write(tmp_path / "t.csv", text), "Ada")
    assert {"department": [["23", "75"]]} in result["proposals"]
    merged = "department,sex,people\n23 + 75,1,15\n23 + 75,2,22\n62,1,70\n62,2,31\n"
    assert take_out(home, write(tmp_path / "m.csv", merged), "Ada")["delivered"]


@pytest.mark.parametrize(("n", "passes"), [(10, False), (11, True), (0, True)])
def test_the_threshold_is_eleven(home: Home, tmp_path: Path, n: int, passes: bool) -> None:
    text = f"department,people\n23,{n}\n62,70\n"
    assert take_out(home, write(tmp_path / "t.csv", text), "Ada")["delivered"] is passes


def test_one_hidden_cell_beside_its_total_is_found_again(home: Home, tmp_path: Path) -> None:
    text = "department,people\n23,\n62,70\nTotal,76\n"
    result = take_out(home, write(tmp_path / "t.csv", text), "Ada")
    assert rules(result) == ["complementary"]
    enough = "department,people\n23,\n62,\n75,80\nTotal,156\n"
    assert take_out(home, write(tmp_path / "u.csv", enough), "Ada")["delivered"]


def test_a_table_is_held_against_what_others_took_out(home: Home, tmp_path: Path) -> None:
    assert take_out(
        home, write(tmp_path / "a.csv", "department,people\nTotal,100\n62,40\n75,30\n"), "Ada"
    )["delivered"]
    # 100 - 40 - 30 = 30, of whom 24 in 23: 6 are left for the last one.
    second = write(tmp_path / "b.csv", "department,people\n23,24\n974,\n")
    assert rules(take_out(home, second, "Grace")) == ["differencing"]
    # The same cell, six people more.
    third = write(tmp_path / "c.csv", "department,people\n62,46\n")
    assert rules(take_out(home, third, "Grace")) == ["differencing"]
    other = write(tmp_path / "d.csv", "department,people\n62,40\n")
    assert take_out(home, other, "Grace")["delivered"]


def test_dominance_needs_and_uses_the_largest_contributor(home: Home, tmp_path: Path) -> None:
    text = "hospital_type,people,euros,top\npublic,50,1000,{}\nprivate,60,900,100\n"
    options = {"amount": "euros", "largest": "top"}
    held = write(tmp_path / "t.csv", text.format(851))
    assert rules(take_out(home, held, "Ada", **options)) == ["dominance"]
    with pytest.raises(UsageError, match="--largest"):
        take_out(home, held, "Ada", amount="euros")
    fine = write(tmp_path / "u.csv", text.format(850))
    assert take_out(home, fine, "Ada", **options)["delivered"]


def test_few_stays_are_small_too(home: Home, tmp_path: Path) -> None:
    text = "department,people,stays\n23,20,7\n62,70,90\n"
    result = take_out(home, write(tmp_path / "t.csv", text), "Ada", stays="stays")
    assert rules(result) == ["threshold_stays"]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("department,people\n23,3.5\n", "line 2, column people: a whole number"),
        ("department,people\n23,-3\n", "a whole number"),
        ("department,people\n23,many\n", "a whole number"),
        ("department,people\n23,40\n23,50\n", "line 3: the same cell"),
        ("department,people\n", "no row"),
        ("people\n40\n", "no column beside"),
        ("department,value\n23,40\n", "no column of people"),
    ],
)
def test_a_table_that_cannot_be_judged_is_wrong_use(tmp_path: Path, text: str, what: str) -> None:
    with pytest.raises(UsageError, match=what):
        read_table(write(tmp_path / "t.csv", text))


def test_a_column_of_rates_is_no_category(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"d": ["23", "62"], "rate": [0.25, 0.5], "people": [40, 50]}), path)
    with pytest.raises(UsageError, match="column rate holds numbers"):
        read_table(path)


def test_missing_values_are_a_category_and_totals_are_known(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "t.csv", "sex;people\n ;12\nEnsemble;50\n1;38\n"))
    assert table.cells == {("(missing)",): 12, ("*",): 50, ("1",): 38}


def test_a_damaged_register_lets_nothing_out(home: Home, tmp_path: Path) -> None:
    take_out(home, write(tmp_path / "t.csv", SAFE), "Ada")
    (kept,) = (home.vault / "sorties").glob("*.json")
    kept.write_text("{")
    with pytest.raises(OpenChronicError, match="damaged"):
        take_out(home, write(tmp_path / "u.csv", SAFE), "Ada")


def test_the_command_tells_in_json_and_leaves_with_three(home: Home, tmp_path: Path) -> None:
    from openchronic_assets.cli import app

    run = CliRunner()
    small = write(tmp_path / "t.csv", "department,people\n23,4\n62,70\n974,12\n")
    base = ["--home", str(home.root), "--json", "--user", "Ada"]
    refused = run.invoke(app, ["sortie", str(small), *base])
    assert refused.exit_code == 3
    assert json.loads(refused.stdout)["proposals"]
    fine = run.invoke(app, ["sortie", str(write(tmp_path / "s.csv", SAFE)), *base])
    assert fine.exit_code == 0, fine.output
    folder = json.loads(fine.stdout)["folder"]
    assert run.invoke(app, ["sortie", folder, "--verify", *base]).exit_code == 0


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, dict[str, Any]]:
    """A home with a release of patients: microdata of three departments."""
    from anonymisation_tables import patient_file

    from openchronic_assets.anonymisation.release import prepare_candidate, publish

    home = Home(tmp_path_factory.mktemp("published") / "home").create()
    made = [{"id": "a", "generated": True}]
    report = prepare_candidate(home, [patient_file(home.builds / "b1")], 2021, "b1", made)
    return home, publish(home, report["version"], ["demo-approver-1", "demo-approver-2"])


def rows_by_department(home: Home, report: dict[str, Any]) -> dict[str, int]:
    path = home.release / report["version"] / "patient.csv"
    counts = Counter(line["department"] for line in csv.DictReader(path.open(encoding="utf-8")))
    return {name: count for name, count in counts.items() if name in ("23", "62", "974")}


def test_a_table_a_few_people_away_from_a_release_is_sent_back(
    published: tuple[Home, dict[str, Any]], tmp_path: Path
) -> None:
    home, report = published
    public = rows_by_department(home, report)
    for more, passes in ((0, True), (1, False), (10, False), (11, True)):
        lines = "".join(f"{name},{count + more}\n" for name, count in public.items())
        path = write(tmp_path / f"t{more}.csv", f"department,people\n{lines}")
        table = read_table(path)
        earlier = [Table(n, c, whole=w) for n, c, w in released(home, table.dimensions)]
        found = [each.rule for each in problems(table, earlier)]
        assert found == ([] if passes else ["differencing"])
    few = "".join(f"{name},{count + 3}\n" for name, count in public.items())
    sent_back = take_out(home, write(tmp_path / "few.csv", f"department,people\n{few}"), "Ada")
    assert rules(sent_back) == ["differencing"]
    # Of another column nothing is known.
    assert take_out(home, write(tmp_path / "s.csv", "hospital,people\nA,40\n"), "Ada")["delivered"]


def test_no_table_leaves_while_a_release_cannot_be_read(
    published: tuple[Home, dict[str, Any]], tmp_path: Path
) -> None:
    home = Home(tmp_path / "home")
    shutil.copytree(published[0].root, home.root)
    (folder,) = home.release.iterdir()
    folder.chmod(0o755)
    (folder / "report.json").chmod(0o644)
    (folder / "report.json").write_text("{")
    with pytest.raises(OpenChronicError, match="cannot be read"):
        take_out(home, write(tmp_path / "t.csv", SAFE), "Ada")


def test_a_region_and_the_list_of_its_departments_are_one_category() -> None:
    by_name = Table(("department",), {("Corse",): 40, ("62",): 50})
    by_list = Table(("department",), {("2A + 2B",): 45})
    assert [each.rule for each in problems(by_list, [by_name])] == ["differencing"]
    assert problems(Table(("department",), {("2A + 2B",): 40}), [by_name]) == []


def test_a_part_that_follows_from_a_region_taken_out_before_is_found() -> None:
    region = Table(("department",), {("*",): 1040, ("Corse",): 40, ("62",): 1000})
    part = Table(("department",), {("2A",): 35, ("62",): 1000})
    assert [each.rule for each in problems(part, [region])] == ["differencing"]
    large = Table(("department",), {("2A",): 20, ("62",): 1000})
    assert [each.rule for each in problems(large, [region])] == []


@pytest.mark.parametrize(("more", "passes"), [(0, True), (4, False), (40, True)])
def test_a_release_a_few_people_away_from_a_sortie_is_refused(
    published: tuple[Home, dict[str, Any]], tmp_path: Path, more: int, passes: bool
) -> None:
    """The same release judged again, in a home where a table had left before."""
    home, report = published
    public = rows_by_department(home, report)
    kept = tmp_path / "00001-aaaaaaaa.json"
    cells = [[name, count + more] for name, count in public.items()]
    kept.write_text(json.dumps({"dimensions": ["department"], "cells": cells}))
    evidence = tmp_path / "evidence"
    shutil.copytree(home.vault / "releases" / report["version"], evidence)
    (evidence / "bands.json").write_text("{}")
    folder = home.release / report["version"]
    request = release._requests(folder, evidence, report)[0]
    found = judge(inspect(replace(request, sorties=(str(kept),))), expected(request)).failed
    assert ("earlier_releases" not in found) is passes


HIDDEN = [
    ("secret,3\nx\ndepartment,people\n23,41\n", "cannot be read"),
    ("#hidden: 3 patients\ndepartment,people\n23,60\n", "no column of people"),
    ("department,people\n23,43,9\n62,70\n", "cannot be read"),
    ("department,deaths,people\n23,3,400\n62,14,700\n", "column deaths holds numbers that"),
    ("department,rate,people\n23,2.5%,400\n62,3.5%,700\n", "column rate holds numbers"),
    ("department;rate;people\n23;2,5;400\n62;3,25;700\n", "column rate holds numbers"),
    ("department,people\n23,nan\n62,70\n", "whole number"),
    ("department,people\n23,0x10\n", "whole number"),
    ("", "cannot be read"),
]


@pytest.mark.parametrize(("text", "what"), HIDDEN)
def test_nothing_leaves_in_lines_and_columns_that_are_not_judged(
    home: Home, tmp_path: Path, text: str, what: str
) -> None:
    with pytest.raises(UsageError, match=what):
        take_out(home, write(tmp_path / "t.csv", text), "Eve")
    assert not (home.exports / "sorties").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfdepartment;people\n23;140\n62;170\n",
        "department;people\n23;1 140\n62;1 170\n".encode("utf-16"),
        b"year,department,people\n2020,23,140\n2021,62,170\n",
    ],
)
def test_foreign_files_and_columns_of_codes_are_tables(
    home: Home, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    assert take_out(home, path, "Ada")["delivered"]


def test_a_parquet_table_leaves_without_what_its_rows_do_not_hold(
    home: Home, tmp_path: Path
) -> None:
    places = pa.DictionaryArray.from_arrays([0, 1], ["A", "B", "SECRET"])
    table = pa.table({"hospital": places, "people": [400, 500]})
    path = tmp_path / "t.parquet"
    pq.write_table(table.replace_schema_metadata({"note": "SECRET"}), path)
    assert b"SECRET" in path.read_bytes()
    result = take_out(home, path, "Ada")
    out = Path(result["folder"]) / "t.parquet"
    assert b"SECRET" not in out.read_bytes()
    assert pq.read_table(out).to_pydict() == {"hospital": ["A", "B"], "people": [400, 500]}
    assert verify_proof(home, Path(result["folder"]))


def test_a_file_changed_while_it_is_judged_does_not_leave(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "t.csv", SAFE)
    judged = sortie.problems

    def swapped(*given: Any) -> Any:
        write(path, SAFE.replace("40", "4"))
        return judged(*given)

    monkeypatch.setattr(sortie, "problems", swapped)
    folder = Path(take_out(home, path, "Eve")["folder"])
    assert (folder / "t.csv").read_text() == SAFE


def test_tables_of_other_people_do_not_stand_in_the_way(home: Home, tmp_path: Path) -> None:
    """Two that contradict each other, and a third that has nothing to do with them."""
    for number, count in enumerate((140, 1140)):
        text = f"department,sex,people\n23,*,{2 * count}\n23,1,{count}\n23,2,{count}\n"
        assert take_out(home, write(tmp_path / f"{number}.csv", text), "Ada")["delivered"]
    third = write(tmp_path / "t.csv", "department,sex,people\n62,1,0\n62,2,50\n01,1,40\n01,2,44\n")
    assert take_out(home, third, "Ada")["delivered"]
    # But what follows from one of them alone is still found.
    few = write(tmp_path / "u.csv", "department,sex,people\n23,1,140\n23,2,136\n")
    assert rules(take_out(home, few, "Ada")) == ["differencing"]
    # 280 in all, 275 of them known: 5 others.
    rest = write(tmp_path / "v.csv", "department,age,people\n23,young,100\n23,old,175\n")
    assert rules(take_out(home, rest, "Ada")) == ["differencing"]
