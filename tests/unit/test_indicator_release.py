"""The release of indicators: what it writes, and every fault that its gate must refuse."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from openchronic_assets.anonymisation import indicator_files, indicator_release
from openchronic_assets.anonymisation.approvals import DEMO_APPROVERS, producing
from openchronic_assets.anonymisation.gate import IndicatorRequest, flows, inspect
from openchronic_assets.anonymisation.gate import indicators as gate
from openchronic_assets.anonymisation.indicator_composition import microdata_near
from openchronic_assets.anonymisation.indicator_release import (
    list_indicator_releases,
    prepare_indicators,
    publish_indicators,
)
from openchronic_assets.anonymisation.indicator_tables import Counted, Territories
from openchronic_assets.anonymisation.sortie import take_out
from openchronic_assets.errors import Refused, UsageError
from openchronic_assets.settings import Home

PLACES = Territories(
    (("22", "Côtes-d'Armor", "53"), ("29", "Finistère", "53"), ("62", "Pas-de-Calais", "32")),
    {"53": "Bretagne", "32": "Hauts-de-France"},
)
SHAPE = (3, 2, 5)
DELIVERIES = [{"id": "d1", "generated": True}]


def card(name: str, kind: str, standards: list[str], denominator: str) -> dict[str, Any]:
    text = {"fr": "texte", "en": "text"}
    return {
        "id": name, "version": "1", "family": "f", "family_label": text, "label": text,
        "kind": kind, "unit": "%", "scale": 100.0, "unit_counted": "person",
        "denominator_type": denominator, "says": text, "numerator": text, "denominator": text,
        "exclusions": [], "limits": text, "sources": [], "benchmarks": [],
        "condition_labels": {"ald": "ALD"}, "standards": standards,
        "standard_weights": {"00-19": 21000, "20-39": 25000, "40-64": 34000, "65-74": 10500,
                             "75+": 9500},
        "data_state": {"2020": "final", "2021": "provisional"},
        "flux_cutoff": {"2020": "2022-06", "2021": "2022-06"},
    }  # fmt: skip


CARDS = {
    "ald_prevalence": card("ald_prevalence", "proportion", ["direct", "indirect"], "consumers"),
    "stays": card("stays", "rate", ["direct"], "consumers"),
    "spend": card("spend", "mean", [], "eligible"),
}


def base(year: int = 2020) -> list[Counted]:
    """Return three indicators of one year: most cells large, a few small."""
    rng = np.random.default_rng(7)
    den = rng.integers(300, 600, SHAPE)
    num = rng.integers(60, 120, SHAPE)
    num[0, 0, 0], num[2, 1, 4] = 6, 3
    events = rng.integers(150, 300, SHAPE)
    events[1, 1, 1] = 9
    people = np.minimum(events, 90)
    units = rng.integers(250, 500, SHAPE)
    largest = np.full(SHAPE, 9_000)
    total = units * 1500 + rng.integers(0, 9_999, SHAPE)
    squares = 2.0 * units * 15.0**2
    common = {"condition": "all", "year": year}
    return [
        Counted(
            "ald_prevalence", "ald", year, "proportion", "consumers", num, den, num, den - num, den
        ),  # fmt: skip
        Counted(
            indicator="stays",
            kind="rate",
            denominator_type="consumers",
            num=events,
            den=den,
            num_people=people,
            rest_people=den * 0,
            den_people=den,
            unit="stay",
            **common,
        ),  # fmt: skip
        Counted(
            indicator="spend",
            kind="mean",
            denominator_type="eligible",
            num=total,
            den=units,
            num_people=units,
            rest_people=units * 0,
            den_people=units,
            unit="person",
            largest=largest,
            squares=squares,
            **common,
        ),  # fmt: skip
    ]


def home_of(path: Path) -> Home:
    home = Home(path)
    home.create()
    return home


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, dict[str, Any]]:
    home = home_of(tmp_path_factory.mktemp("home"))
    report = prepare_indicators(home, PLACES, base(), CARDS, "b1", DELIVERIES)
    return home, report


def rows_of(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / "indicators" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# --- what is written ---------------------------------------------------------------------------


def test_a_candidate_tells_every_cell_once_and_hidden_ones_say_nothing(
    prepared: tuple[Home, dict[str, Any]],
) -> None:
    home, report = prepared
    folder = home.candidate / report["version"]
    assert report["version"].startswith("2020-indicators-")
    rows = rows_of(folder, "ald_prevalence")
    crude = [row for row in rows if row["std"] == "none"]
    assert len(crude) == (1 + 2 + 3) * 3 * 6
    hidden = [row for row in crude if row["status"] == "suppressed"]
    assert hidden and not any(row[name] for row in hidden for name in gate.FIGURES)
    at = {(r["level"], r["code"], r["sex"], r["age_group"]): r for r in crude}
    assert at["department", "22", "1", "00-19"]["status"] == "suppressed"
    whole = at["country", "FR", "all", "all"]
    table = base()[0]
    assert (int(whole["num"]), int(whole["den"])) == (table.num.sum(), table.den.sum())
    assert float(whole["value"]) == pytest.approx(table.num.sum() / table.den.sum())
    assert report["cells"]["hidden"] > 0 and report["cells"]["absent"] == 0


def test_standardised_values_are_those_of_the_five_bands(
    prepared: tuple[Home, dict[str, Any]],
) -> None:
    home, report = prepared
    rows = rows_of(home.candidate / report["version"], "stays")
    place = ("department", "62", "1")
    mine = [r for r in rows if (r["level"], r["code"], r["sex"]) == place]
    strata = [r for r in mine if r["age_group"] != "all" and r["std"] == "none"]
    direct = next(r for r in mine if r["std"] == "direct")
    assert all(r["status"] == "shown" for r in strata) and direct["status"] == "shown"
    weights = CARDS["stays"]["standard_weights"]
    value = sum(weights[r["age_group"]] * int(r["num"]) / int(r["den"]) for r in strata) / sum(
        weights.values()
    )
    assert float(direct["value"]) == pytest.approx(value, rel=1e-9)
    assert float(direct["low"]) < value < float(direct["high"])


def test_a_standardised_value_with_a_hidden_stratum_is_hidden(
    prepared: tuple[Home, dict[str, Any]],
) -> None:
    home, report = prepared
    rows = rows_of(home.candidate / report["version"], "ald_prevalence")
    mine = [r for r in rows if (r["level"], r["code"], r["sex"]) == ("department", "22", "1")]
    assert any(r["status"] == "suppressed" for r in mine if r["age_group"] == "00-19")
    assert all(r["status"] == "suppressed" for r in mine if r["std"] in ("direct", "indirect"))


def test_the_same_again_is_the_same_candidate(prepared: tuple[Home, dict[str, Any]]) -> None:
    home, report = prepared
    assert prepare_indicators(home, PLACES, base(), CARDS, "b1", DELIVERIES) == report
    assert [each["version"] for each in list_indicator_releases(home)] == [report["version"]]


# --- the gate: one fault a check, at least -----------------------------------------------------

Fault = Callable[[Path, Path], Any]


def edit(folder: Path, name: str, change: Callable[[dict[str, str]], None]) -> None:
    """Change every row of a file; what changes must be something."""
    path = folder / "indicators" / f"{name}.csv"
    rows = rows_of(folder, name)
    before = json.dumps(rows)
    for row in rows:
        change(row)
    assert json.dumps(rows) != before
    path.chmod(0o644)
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, gate.HEADER, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def is_at(row: dict[str, str], *place: str, std: str = "none") -> bool:
    return (row["level"], row["code"], row["sex"], row["age_group"]) == place and (
        row["std"] == std
    )


def show(num: int, den: int) -> dict[str, str]:
    value, low, high = indicator_files.statistics("proportion", num, den, None)
    figures = [num, den, value, low, high]
    return dict(zip(gate.FIGURES, map(indicator_files.number, figures), strict=True)) | {
        "status": "shown"
    }


def reveal(folder: Path, evidence: Path) -> None:
    """Show the true six people of a hidden cell."""
    den = int(base()[0].den[0, 0, 0])
    edit(folder, "ald_prevalence", lambda row: row.update(show(6, den)) if is_at(
        row, "department", "22", "1", "00-19") else None)  # fmt: skip


def reveal_a_complement(folder: Path, evidence: Path) -> None:
    """Show one of the large cells that were hidden beside the small ones."""
    table = base()[0]
    sums = {("1", a): table.num[0, 0, i] for i, a in enumerate(gate.GROUPS)}

    def change(row: dict[str, str]) -> None:
        here = row["code"] == "22" and row["status"] == "suppressed" and row["std"] == "none"
        if here and sums.get((row["sex"], row["age_group"]), 0) >= 11:
            i = gate.GROUPS.index(row["age_group"])
            row.update(show(int(table.num[0, 0, i]), int(table.den[0, 0, i])))

    edit(folder, "ald_prevalence", change)


def leave_a_value(folder: Path, evidence: Path) -> None:
    edit(folder, "ald_prevalence", lambda row: row.update(high="0.04")
         if row["status"] == "suppressed" else None)  # fmt: skip


def leave_a_denominator(folder: Path, evidence: Path) -> None:
    edit(folder, "stays", lambda row: row.update(den="420")
         if row["status"] == "suppressed" and row["std"] == "none" else None)  # fmt: skip


def another_count(folder: Path, evidence: Path) -> None:
    edit(folder, "ald_prevalence", lambda row: row.update(
        show(int(row["num"]) + 20, int(row["den"])))
        if is_at(row, "country", "FR", "all", "all") else None)  # fmt: skip


def another_value(folder: Path, evidence: Path) -> None:
    edit(folder, "ald_prevalence", lambda row: row.update(value="0.02")
         if is_at(row, "country", "FR", "all", "all") else None)  # fmt: skip


def an_interval_of_fewer(folder: Path, evidence: Path) -> None:
    edit(folder, "stays", lambda row: row.update(low="0.001", high="0.9")
         if is_at(row, "country", "FR", "all", "all") else None)  # fmt: skip


def another_interval_of_a_mean(folder: Path, evidence: Path) -> None:
    edit(folder, "spend", lambda row: row.update(low="1")
         if is_at(row, "country", "FR", "all", "all") else None)  # fmt: skip


def a_standardised_value_of_hidden_cells(folder: Path, evidence: Path) -> None:
    edit(folder, "ald_prevalence", lambda row: row.update(
        value="0.2", low="0.1", high="0.3", status="shown")
        if row["std"] == "direct" and row["status"] == "suppressed" else None)  # fmt: skip


def another_standardised_value(folder: Path, evidence: Path) -> None:
    edit(folder, "stays", lambda row: row.update(value=str(float(row["value"]) * 1.01))
         if row["std"] == "direct" and row["status"] == "shown" else None)  # fmt: skip


def a_cell_twice(folder: Path, evidence: Path) -> None:
    path = folder / "indicators" / "stays.csv"
    path.chmod(0o644)
    text = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([*text, text[1]]) + "\n", encoding="utf-8")


def a_cell_less(folder: Path, evidence: Path) -> None:
    path = folder / "indicators" / "stays.csv"
    path.chmod(0o644)
    text = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(text[:-1]) + "\n", encoding="utf-8")


def not_a_number(folder: Path, evidence: Path) -> None:
    edit(folder, "stays", lambda row: row.update(value="nan")
         if is_at(row, "country", "FR", "all", "all") else None)  # fmt: skip


def an_unknown_column(folder: Path, evidence: Path) -> None:
    path = folder / "indicators" / "stays.csv"
    path.chmod(0o644)
    lines = path.read_text(encoding="utf-8").splitlines()
    lines = [f"{line},{'people' if n == 0 else 3}" for n, line in enumerate(lines)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def an_unknown_file(folder: Path, evidence: Path) -> None:
    (folder / "indicators" / "counts.csv").write_text("a\n1\n", encoding="utf-8")


def an_unknown_key(folder: Path, evidence: Path) -> None:
    path = folder / "indicators.json"
    path.chmod(0o644)
    body = json.loads(path.read_text(encoding="utf-8"))
    body[0]["hidden_total"] = 9
    path.write_text(json.dumps(body), encoding="utf-8")


def an_empty_file(folder: Path, evidence: Path) -> None:
    path = folder / "indicators" / "stays.csv"
    path.chmod(0o644)
    path.write_text("", encoding="utf-8")


def an_identifier(folder: Path, evidence: Path) -> None:
    number = "2850729123456"
    edit(folder, "stays", lambda row: row.update(condition=number))


def a_practitioner(folder: Path, evidence: Path) -> None:
    path = folder / "territories.csv"
    path.chmod(0o644)
    text = path.read_text(encoding="utf-8")
    path.write_text(text + "establishment,290000017,Clinique,29\n", encoding="utf-8")


def no_proof(folder: Path, evidence: Path) -> None:
    table = pq.read_table(evidence / "boxes.parquet")
    pq.write_table(table.slice(0, 0), evidence / "boxes.parquet")


def a_false_proof(folder: Path, evidence: Path) -> None:
    """Boxes that take more people away than there are."""
    table = pq.read_table(evidence / "boxes.parquet")
    up, down = (pa.array(np.full(table.num_rows, 1e6)) for _ in range(2))
    table = table.set_column(table.column_names.index("up"), "up", up)
    table = table.set_column(table.column_names.index("down"), "down", down)
    pq.write_table(table, evidence / "boxes.parquet")


VARIATION = "indicator,condition,year,level,statistic,value,low,high\n"


def a_variation_of_hidden_cells(folder: Path, evidence: Path) -> None:
    row = "ald_prevalence,ald,2020,department,cvw,0.123456,,\n"
    (folder / "variation.csv").write_text(VARIATION + row, encoding="utf-8")


def a_variation_of_another_kind(folder: Path, evidence: Path) -> None:
    """The number of territories is right; a statistic that nobody declared is beside it."""
    shown = sum(
        row["level"] == "department" and row["sex"] == row["age_group"] == "all"
        and row["std"] == "none" and row["status"] == "shown"
        for row in rows_of(folder, "stays")
    )  # fmt: skip
    rows = f"stays,all,2020,department,units,{shown},,\nstays,all,2020,department,largest,9,,\n"
    (folder / "variation.csv").write_text(VARIATION + rows, encoding="utf-8")


def change_tables(evidence: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = evidence / "tables.json"
    body = json.loads(path.read_text(encoding="utf-8"))
    change(body)
    path.write_text(json.dumps(body), encoding="utf-8")


def a_grain_that_prints_less_than_is_shown(folder: Path, evidence: Path) -> None:
    """Cells outside a grain are asked for no proof: none of them may be shown."""

    def country_alone(body: dict[str, Any]) -> None:
        for table in body["tables"]:
            table["grain"] = [0, -1, -1]

    no_proof(folder, evidence)
    change_tables(evidence, country_alone)


def a_grain_that_is_none(folder: Path, evidence: Path) -> None:
    def wrong(body: dict[str, Any]) -> None:
        body["tables"][0]["grain"] = [2, 2, 7]

    change_tables(evidence, wrong)


def half_a_proof(folder: Path, evidence: Path) -> None:
    """Boxes that move every cell, but less far than the smallest group."""
    table = pq.read_table(evidence / "boxes.parquet")
    for way in ("up", "down"):
        small = pa.array(np.minimum(table[way].to_numpy(), 3.0))
        table = table.set_column(table.column_names.index(way), way, small)
    pq.write_table(table, evidence / "boxes.parquet")


def change_counts(evidence: Path, column: str, table: int, value: Any) -> None:
    counts = pq.read_table(evidence / "counts.parquet").to_pandas()
    counts.loc[counts["table"] == table, column] = value
    pq.write_table(pa.Table.from_pandas(counts, preserve_index=False), evidence / "counts.parquet")


def few_people_behind(folder: Path, evidence: Path) -> None:
    change_counts(evidence, "num_people", 1, 0)
    counts = pq.read_table(evidence / "counts.parquet").to_pandas()
    counts.loc[(counts["table"] == 1) & (counts["leaf"] == 29), "num_people"] = 4
    pq.write_table(pa.Table.from_pandas(counts, preserve_index=False), evidence / "counts.parquet")


def a_dominant_contributor(folder: Path, evidence: Path) -> None:
    counts = pq.read_table(evidence / "counts.parquet").to_pandas()
    at = (counts["table"] == 2) & (counts["leaf"] == 12)
    counts.loc[at, "largest"] = (counts.loc[at, "num"] * 0.9).astype("int64")
    pq.write_table(pa.Table.from_pandas(counts, preserve_index=False), evidence / "counts.parquet")


def no_report(folder: Path, evidence: Path) -> None:
    (folder / "report.json").unlink()


def a_report_without_limits(folder: Path, evidence: Path) -> None:
    path = folder / "report.json"
    path.chmod(0o644)
    body = json.loads(path.read_text(encoding="utf-8"))
    body["limits"] = []
    path.write_text(json.dumps(body), encoding="utf-8")


def a_table_that_the_vault_does_not_know(folder: Path, evidence: Path) -> None:
    body = json.loads((evidence / "tables.json").read_text(encoding="utf-8"))
    body["tables"] = body["tables"][:-1]
    (evidence / "tables.json").write_text(json.dumps(body), encoding="utf-8")


def the_same_numerators_twice(folder: Path, evidence: Path) -> None:
    counts = pq.read_table(evidence / "counts.parquet").to_pandas()
    for column in ("num",):
        values = counts.loc[counts["table"] == 0, column].to_numpy()
        counts.loc[counts["table"] == 1, column] = values
    pq.write_table(pa.Table.from_pandas(counts, preserve_index=False), evidence / "counts.parquet")


def a_part_of_all_but_three(folder: Path, evidence: Path) -> None:
    """Of the vault: the events are nearly those counted by another, three people apart."""
    counts = pq.read_table(evidence / "counts.parquet").to_pandas()
    values = counts.loc[counts["table"] == 0, "num"].to_numpy().copy()
    values[13] += 3
    counts.loc[counts["table"] == 1, "num"] = values
    pq.write_table(pa.Table.from_pandas(counts, preserve_index=False), evidence / "counts.parquet")


FAULTS: list[tuple[str, Fault]] = [
    ("indicator_files", an_unknown_file),
    ("indicator_files", an_unknown_column),
    ("indicator_files", an_unknown_key),
    ("indicator_files", an_empty_file),
    ("indicator_files", no_report),
    ("indicator_values", a_cell_twice),
    ("indicator_values", a_cell_less),
    ("indicator_values", not_a_number),
    ("indicator_values", a_practitioner),
    ("indicator_values", a_table_that_the_vault_does_not_know),
    ("indicator_identifiers", an_identifier),
    ("indicator_identifiers", a_practitioner),
    ("indicator_blank", leave_a_value),
    ("indicator_blank", leave_a_denominator),
    ("indicator_threshold", reveal),
    ("indicator_true", another_count),
    ("indicator_true", few_people_behind),
    ("indicator_statistics", another_value),
    ("indicator_statistics", an_interval_of_fewer),
    ("indicator_statistics", another_interval_of_a_mean),
    ("indicator_standardised", a_standardised_value_of_hidden_cells),
    ("indicator_standardised", another_standardised_value),
    ("indicator_dominance", a_dominant_contributor),
    ("indicator_intervals", reveal_a_complement),
    ("indicator_intervals", no_proof),
    ("indicator_intervals", a_false_proof),
    ("indicator_intervals", half_a_proof),
    ("indicator_intervals", a_grain_that_prints_less_than_is_shown),
    ("indicator_intervals", a_grain_that_is_none),
    ("indicator_variation", a_variation_of_hidden_cells),
    ("indicator_variation", a_variation_of_another_kind),
    ("indicator_shared", the_same_numerators_twice),
    ("indicator_differences", a_part_of_all_but_three),
    ("indicator_report", a_report_without_limits),
    ("indicator_report", no_report),
]
BY_REQUEST = {"indicator_earlier", "indicator_microdata", "indicator_sorties", "indicator_signers"}


def request(folder: Path, evidence: Path, **given: Any) -> IndicatorRequest:
    hierarchies = Path(str(resources.files("openchronic_assets.anonymisation"))) / "hierarchies"
    asked = IndicatorRequest(
        str(folder), str(evidence), "report.json", "refresh_years", [],
        {n: str(hierarchies / f"{n}.csv") for n in ("department", "age_group", "ald")},
    )  # fmt: skip
    return replace(asked, **given)


@pytest.fixture
def copied(prepared: tuple[Home, dict[str, Any]], tmp_path: Path) -> tuple[Path, Path]:
    home, report = prepared
    folder, evidence = tmp_path / "candidate", tmp_path / "evidence"
    shutil.copytree(home.candidate / report["version"], folder)
    shutil.copytree(home.vault / "releases" / report["version"], evidence)
    return folder, evidence


def refused_by(asked: IndicatorRequest) -> set[str]:
    return {check.name for check in inspect(asked) if not check.passed}


def test_what_was_prepared_passes(copied: tuple[Path, Path]) -> None:
    assert refused_by(request(*copied)) == set()


@pytest.mark.parametrize(("check", "fault"), FAULTS, ids=[f"{c}-{f.__name__}" for c, f in FAULTS])
def test_a_planted_fault_is_refused_by_its_check(
    copied: tuple[Path, Path], check: str, fault: Fault
) -> None:
    fault(*copied)
    assert check in refused_by(request(*copied))


def test_every_check_has_a_fault() -> None:
    elsewhere = set(flows.CHECKS)  # test_release_flows.py
    assert {check for check, _ in FAULTS} | BY_REQUEST | elsewhere == set(gate.CHECKS)


def test_a_threshold_below_eleven_is_no_threshold(copied: tuple[Path, Path]) -> None:
    assert "indicator_threshold" in refused_by(request(*copied, threshold=5))


@pytest.mark.parametrize(
    "approvers", [["Ada Lovelace"], ["Ada Lovelace", "LOVELACE Ada"], ["refresh_years", "Ada L"]]
)
def test_one_person_is_not_two(copied: tuple[Path, Path], approvers: list[str]) -> None:
    assert "indicator_signers" in refused_by(request(*copied, approvers=approvers))


def test_a_cell_that_an_earlier_release_hid_or_nearly_showed_is_refused(
    copied: tuple[Path, Path], tmp_path: Path
) -> None:
    earlier = tmp_path / "earlier"
    shutil.copytree(copied[0], earlier)
    asked = request(*copied, earlier=[str(earlier)])
    assert refused_by(asked) == set()
    edit(earlier, "stays", lambda row: row.update(num=str(int(row["num"]) - 4))
         if is_at(row, "country", "FR", "all", "all") else None)  # fmt: skip
    assert refused_by(asked) == {"indicator_earlier"}
    edit(earlier, "stays", lambda row: row.update(num="", den="", status="suppressed")
         if is_at(row, "country", "FR", "all", "all") else None)  # fmt: skip
    assert refused_by(asked) == {"indicator_earlier"}


def test_a_cell_near_the_rows_of_an_open_table_is_refused(
    copied: tuple[Path, Path], tmp_path: Path
) -> None:
    table = base()[0]
    open_table = tmp_path / "2020-0123abcd"
    open_table.mkdir()
    report = {"reference_year": 2020, "tables": [{"file": "patient.csv"}]}
    (open_table / "report.json").write_text(json.dumps(report), encoding="utf-8")
    people = int(table.num[1, 0, 2])

    def write(rows: int) -> None:
        lines = ["sex,age_group,department,ald", *["1,45-49 ans,29,8"] * rows]
        (open_table / "patient.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")

    asked = request(*copied, microdata=[str(open_table)])
    write(people)
    assert refused_by(asked) == set()
    write(people - 4)
    assert refused_by(asked) == {"indicator_microdata"}


def test_an_open_table_is_refused_near_released_indicators(
    copied: tuple[Path, Path], tmp_path: Path
) -> None:
    people = int(base()[0].num[1, 0, 2])
    table = tmp_path / "patient.csv"
    for rows, near in ((people, 0), (people - 4, 1), (people - 40, 0)):
        lines = ["sex,age_group,department,ald", *["1,45-49 ans,29,8"] * rows]
        table.write_text("\n".join(lines) + "\n", encoding="utf-8")
        assert microdata_near(table, 2020, copied[0]) == near
        assert microdata_near(table, 2019, copied[0]) == 0


def test_a_cell_near_a_sortie_is_refused(copied: tuple[Path, Path], tmp_path: Path) -> None:
    shown = int(base()[1].num[2, 0].sum())
    out = tmp_path / "00001.json"

    def write(count: int) -> None:
        body = {"dimensions": ["department", "sex"], "cells": [["62", "1", count]]}
        out.write_text(json.dumps(body), encoding="utf-8")

    asked = request(*copied, sorties=[str(out)])
    write(shown)
    assert refused_by(asked) == set()
    write(shown + 5)
    assert refused_by(asked) == {"indicator_sorties"}


# --- from candidate to release -----------------------------------------------------------------


def test_a_refusal_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = home_of(tmp_path)
    write = indicator_files.write

    def faulty(folder: Path, *rest: Any) -> Any:
        found = write(folder, *rest)
        leave_a_value(folder, folder)
        return found

    monkeypatch.setattr(indicator_release.indicator_files, "write", faulty)
    with pytest.raises(Refused, match="indicator_blank"):
        prepare_indicators(home, PLACES, base(), CARDS, "b1", DELIVERIES)
    for zone in (home.candidate, home.release, home.vault / "releases"):
        assert not list(zone.iterdir())
    assert len(list((home.vault / "refusals").iterdir())) == 1


@pytest.mark.long
def test_two_people_publish_and_nobody_else(
    prepared: tuple[Home, dict[str, Any]], tmp_path: Path
) -> None:
    home = Home(tmp_path / "home")
    shutil.copytree(prepared[0].root, home.root)
    version = prepared[1]["version"]
    with pytest.raises(Refused, match="approvers"):
        publish_indicators(home, version, ["Ada Lovelace"])
    with producing(), pytest.raises(Refused, match="two people"):
        publish_indicators(home, version, DEMO_APPROVERS)
    with pytest.raises(UsageError):
        publish_indicators(home, "2020-indicators-00000000", DEMO_APPROVERS)
    report = publish_indicators(home, version, DEMO_APPROVERS)
    assert report["purpose"] == "demonstration"
    assert not (home.candidate / version).exists()
    assert not (home.vault / "releases" / version).exists()
    assert (home.release / version / "indicators" / "stays.csv").stat().st_mode & 0o777 == 0o444
    with pytest.raises(Refused, match="already published"):
        publish_indicators(home, version, DEMO_APPROVERS)
    # A later build of the same year is held against it.
    later = [replace(base()[1], num=base()[1].num + (np.arange(30).reshape(SHAPE) == 29) * 4)]
    again = prepare_indicators(home, PLACES, later, CARDS, "b2", DELIVERIES)
    rows = rows_of(home.candidate / again["version"], "stays")
    moved = next(r for r in rows if is_at(r, "department", "62", "2", "75+"))
    assert moved["status"] == "suppressed"
    # So is what analysts take out: the same people but five.
    people = base()[0].den.sum(axis=2)
    for more, leaves in ((0, True), (5, False)):
        table = tmp_path / f"table{more}.csv"
        lines = ["department,sex,people"]
        for (d, x), count in np.ndenumerate(people):
            lines.append(f"{PLACES.departments[d][0]},{x + 1},{count + more * (d == x == 0)}")
        table.write_text("\n".join(lines) + "\n", encoding="utf-8")
        assert take_out(home, table, "ada")["delivered"] is leaves


def test_a_changed_candidate_is_not_published(
    prepared: tuple[Home, dict[str, Any]], tmp_path: Path
) -> None:
    home = Home(tmp_path / "home")
    shutil.copytree(prepared[0].root, home.root)
    version = prepared[1]["version"]
    another_value(home.candidate / version, tmp_path)
    with pytest.raises(Refused, match="not what was prepared"):
        publish_indicators(home, version, DEMO_APPROVERS)
    assert not list(home.release.iterdir())
