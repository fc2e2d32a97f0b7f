from __future__ import annotations

import csv
import itertools
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pytest

from openchronic_assets.anonymisation.any_table import Prepared, plan, prepare
from openchronic_assets.anonymisation.calibration_report import write_calibration
from openchronic_assets.anonymisation.criteria import criteria
from openchronic_assets.anonymisation.frontier import (
    Point,
    Thresholds,
    _Queries,
    frontier,
    rows_of,
)
from openchronic_assets.errors import UsageError

TREES = {
    "place": [("a", "AB", "*"), ("b", "AB", "*"), ("c", "CD", "*"), ("d", "CD", "*")],
    "age": [(str(n), f"half{n // 3}", "*") for n in range(6)],
}


@pytest.fixture(scope="module")
def prepared() -> Prepared:
    draw = np.random.default_rng(2)
    table = pa.table(
        {
            "place": draw.choice(list("abcd"), 400, p=[0.6, 0.25, 0.1, 0.05]).tolist(),
            "age": [str(n) for n in draw.choice(6, 400, p=[0.4, 0.2, 0.2, 0.1, 0.05, 0.05])],
            "disease": draw.choice(["x", "y", "z"], 400).tolist(),
        }
    )
    return prepare(table, ["place", "age"], TREES, ["disease"])


@pytest.fixture(scope="module")
def points(prepared: Prepared) -> list[Point]:
    return frontier(
        prepared,
        ks=(2, 12, 500),
        limits=("0", "0.05"),
        thresholds=Thresholds(t=1.0),
        epsilons=(1.0, 9.0),
        private=lambda epsilon: {"loss": 1 / epsilon, "query_error": 0.1 / epsilon},
    )


def test_every_setting_is_a_point_and_one_without_a_solution_says_so(points: list[Point]) -> None:
    settings = {(p.method, p.k, p.limit) for p in points if p.method != "dp"}
    assert settings == {
        *itertools.product(["full-domain"], [2, 12, 500], ["0", "0.05"]),
        *itertools.product(["local"], [2, 12, 500], ["0"]),
    }
    assert {p.solved for p in points if p.k == 500} == {False}
    assert all(p.solved for p in points if p.k != 500)


def test_the_rule_takes_the_least_loss_among_what_is_safe(points: list[Point]) -> None:
    (chosen,) = [p for p in points if p.chosen]
    for p in points:
        if p.method == "dp":
            assert p.admissible == (p.epsilon == 1.0)
            assert not p.chosen
            continue
        safe = (
            p.solved
            and p.figures["prosecutor_max"] <= 0.09
            and p.figures["suppressed_share"] <= 0.02
        )
        assert p.admissible == safe
        if safe:
            assert chosen.figures["loss"] <= p.figures["loss"]
    assert chosen.k == 12 and chosen.pareto


def test_no_point_of_the_frontier_is_beaten(points: list[Point]) -> None:
    solved = [p for p in points if p.solved and p.method != "dp"]
    for p in solved:
        mine = (p.figures["prosecutor_max"], p.figures["loss"])
        others = [(q.figures["prosecutor_max"], q.figures["loss"]) for q in solved]
        beaten = any(o != mine and o[0] <= mine[0] and o[1] <= mine[1] for o in others)
        assert p.pareto == (not beaten)


def test_the_error_of_counts_is_that_of_counting_by_hand(prepared: Prepared) -> None:
    queries = _Queries(prepared.cube)
    untouched = plan(prepared, criteria(1))
    assert queries.error(untouched) == 0
    chosen = plan(prepared, criteria(60), suppression="0.2")
    cube = prepared.cube
    leaves = [{row[0]: row for row in h.rows} for h in cube.hierarchies]
    errors = []
    for conditions in queries.asked:
        truth, answer = 0.0, 0.0
        for position, (codes, count) in enumerate(
            zip(cube.codes.tolist(), cube.counts.tolist(), strict=True)
        ):
            inside, part = True, 1.0
            for d, value in conditions:
                h = cube.hierarchies[d]
                asked = {leaf for leaf, row in leaves[d].items() if h.labels[value] in row}
                leaf = h.leaves[codes[d]]
                inside = inside and leaf in asked
                level = int(chosen.levels[position, d])
                if level < 0:
                    part = 0.0
                    continue
                shown = h.rows[codes[d]][level]
                under = {each for each, row in leaves[d].items() if shown in row}
                part *= len(under & asked) / len(under)
            truth += count * inside
            answer += count * part
        errors.append(abs(answer - truth) / max(truth, 0.001 * cube.records))
    assert queries.error(chosen) == pytest.approx(float(np.median(errors)))


def test_the_page_and_the_tables_are_written_at_once(
    points: list[Point], prepared: Prepared, tmp_path: Path
) -> None:
    folder = tmp_path / "calibration"
    rule = Thresholds(t=1.0)
    write_calibration(folder, "table <1>", 400, ["place", "age"], points, rule)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["calibration"]
    page = (folder / "calibration.html").read_text(encoding="utf-8")
    # Void elements of HTML have no end tag; the rest is well-formed XML.
    tree = ElementTree.fromstring(re.sub(r"<!doctype html>|<meta [^>]*>", "", page))
    svg = tree.find(".//svg")
    assert svg is not None and len(svg.findall("circle")) >= 6
    text = "".join(tree.itertext())
    for word in ("Individualisation", "Corrélation", "Inférence", "Limites", "Réglage choisi"):
        assert word in text
    assert "table <1>" in text and "aucune solution" in text
    with (folder / "frontier.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(points) == len(rows_of(points))
    assert json.loads((folder / "frontier.json").read_text())["thresholds"]["risk"] == 0.09
    with pytest.raises(UsageError, match="exists"):
        write_calibration(folder, "t", 400, ["place"], points, rule)


def test_an_epsilon_needs_the_function_that_makes_its_point(prepared: Prepared) -> None:
    with pytest.raises(UsageError, match="epsilon"):
        frontier(prepared, ks=(2,), epsilons=(1.0,))
