"""Pathways and care flows of a release: what leaves, and every fault that the gate must refuse."""

from __future__ import annotations

import csv
import itertools
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from scipy.optimize import linprog  # type: ignore[import-untyped]

from openchronic_assets.anonymisation import flow_files
from openchronic_assets.anonymisation.care_flows import CareFlows, Row, areas, judge_flows
from openchronic_assets.anonymisation.gate import IndicatorRequest, indicators, inspect
from openchronic_assets.anonymisation.gate import flows as gate
from openchronic_assets.anonymisation.gate.indicator_evidence import Evidence
from openchronic_assets.anonymisation.indicator_release import prepare_indicators
from openchronic_assets.anonymisation.indicator_tables import Counted, Release, Territories
from openchronic_assets.anonymisation.pathway_tables import (
    POINTS,
    STATES,
    Pathway,
    Told,
    judge_pathway,
    near,
)
from openchronic_assets.errors import OpenChronicError, Refused
from openchronic_assets.indicators.released_flows import read_flows
from openchronic_assets.publication import flows as publication
from openchronic_assets.settings import Home

PLACES = Territories(
    (("22", "Côtes-d'Armor", "53"), ("29", "Finistère", "53"), ("35", "Ille-et-Vilaine", "53"),
     ("59", "Nord", "32"), ("62", "Pas-de-Calais", "32")),
    {"53": "Bretagne", "32": "Hauts-de-France"},
)  # fmt: skip
DEPARTMENTS = [code for code, _, _ in PLACES.departments]
DEAD = STATES.index("DEAD")


def pathway_of(paths: np.ndarray[Any, Any], name: str = "stroke_stay", year: int = 2020) -> Pathway:
    """Return the counts of people given one by one: their states at the points, department."""
    points = len(POINTS)
    flows = np.zeros((points - 1, len(STATES), len(STATES)), dtype=np.int64)
    places = np.zeros((points, len(STATES), len(DEPARTMENTS)), dtype=np.int64)
    for *states, home in paths.tolist():
        for point, state in enumerate(states):
            places[point, state, home] += 1
        for step, pair in enumerate(itertools.pairwise(states)):
            flows[(step, *pair)] += 1
    return Pathway(name, "Premier séjour pour AVC", year, flows, places)


def drawn(seed: int, people: int, dying: float = 0.06) -> np.ndarray[Any, Any]:
    """Draw people: their states hang together, some die and stay dead."""
    rng = np.random.default_rng(seed)
    weights = np.zeros(len(STATES) - 1)
    weights[rng.choice(len(weights), 4, replace=False)] = [0.5, 0.25, 0.15, 0.1]
    paths = np.zeros((people, len(POINTS) + 1), dtype=int)
    for row in paths:
        state = rng.choice(len(STATES) - 1, p=weights)
        for point in range(len(POINTS)):
            if state != DEAD and point > 1 and rng.random() < dying:
                state = DEAD
            elif state != DEAD and rng.random() < 0.5:
                state = rng.choice(len(STATES) - 1, p=weights)
            row[point] = state
        row[-1] = rng.integers(len(DEPARTMENTS))
    return paths


def told_of(pathway: Pathway) -> Told:
    told = judge_pathway(pathway, [])
    assert isinstance(told, Told), told
    return told


# --- pathways ----------------------------------------------------------------------------------


def attackers_interval(told: Told, step: int, a: int, b: int) -> tuple[float, float]:
    """Work out a flow from all that is printed of all months, as one program over everybody."""
    sizes = [len(nodes) for nodes in told.nodes]
    starts = np.cumsum([0, *(x * y for x, y in itertools.pairwise(sizes))])
    rows, right = [], []
    for point, nodes in enumerate(told.nodes):
        for n, node in enumerate(nodes):
            total = told.total(point, node)
            if point < len(sizes) - 1:
                line = np.zeros(starts[-1])
                first = starts[point] + n * sizes[point + 1]
                line[first : first + sizes[point + 1]] = 1
                rows.append(line)
                right.append(total)
            if point:
                line = np.zeros(starts[-1])
                line[starts[point - 1] + n : starts[point] : sizes[point]] = 1
                rows.append(line)
                right.append(total)
    for s, (flows, shown) in enumerate(zip(told.flows, told.shown, strict=True)):
        for (x, y), seen in np.ndenumerate(shown):
            impossible = told.nodes[s][x][1] == (DEAD,) and DEAD not in told.nodes[s + 1][y][1]
            if seen or impossible:
                line = np.zeros(starts[-1])
                line[starts[s] + x * sizes[s + 1] + y] = 1
                rows.append(line)
                right.append(int(flows[x, y]) if seen else 0)
    goal = np.zeros(starts[-1])
    goal[starts[step] + a * sizes[step + 1] + b] = 1
    ends = [
        linprog(sign * goal, A_eq=np.array(rows), b_eq=right, method="highs").fun * sign
        for sign in (1, -1)
    ]
    return ends[0], ends[1]


def test_no_small_flow_is_found_from_all_that_is_printed() -> None:
    told = told_of(pathway_of(drawn(0, 450)))
    asked = 0
    for point, nodes in enumerate(told.nodes):
        assert all(told.total(point, node) >= 11 for node in nodes)
    for step, (flows, shown) in enumerate(zip(told.flows, told.shown, strict=True)):
        assert (flows[shown] >= 11).all()
        for a, b in zip(*np.nonzero((flows > 0) & (flows < 11)), strict=True):
            low, high = attackers_interval(told, step, a, b)
            assert high - low >= 11 - 1e-6
            asked += 1
    assert asked


def test_states_of_few_people_are_told_together() -> None:
    rng = np.random.default_rng(0)
    paths = rng.choice([STATES.index("GP"), STATES.index("NONE")], (140, len(POINTS) + 1))
    paths[:90, 0], paths[90:, 0] = STATES.index("GP"), STATES.index("NONE")
    paths[:4, 0], paths[4:7, 0] = STATES.index("SSR"), STATES.index("PSY")
    paths[:, -1] = 0
    told = told_of(pathway_of(paths))
    # Seven are too few, so the fewest of the others are with them.
    assert [code for code, _ in told.nodes[0]] == ["GP", "OTHER"]
    assert {STATES[s] for s in told.nodes[0][1][1]} == {"SSR", "PSY", "NONE"}
    assert [code for code, _ in told.nodes[1]] == ["GP", "NONE"]


def test_a_few_deaths_between_two_months_are_not_the_difference_of_two_columns() -> None:
    paths = drawn(3, 400, dying=0.0)
    paths[:30, 2:-1] = DEAD
    paths[30:34, 3:-1] = DEAD
    told = told_of(pathway_of(paths))
    names = [[code for code, _ in nodes] for nodes in told.nodes]
    assert "DEAD" in names[2] and "DEAD" not in names[3] and "DEAD" not in names[4]
    paths[34:60, 4] = DEAD
    again = told_of(pathway_of(paths))
    assert "DEAD" in [code for code, _ in again.nodes[4]]


def test_all_of_a_state_going_to_one_state_is_not_told() -> None:
    paths = drawn(5, 300, dying=0.0)
    gp, ssr = STATES.index("GP"), STATES.index("SSR")
    paths[:60, 2] = ssr
    paths[60:, 2] = np.where(paths[60:, 2] == ssr, gp, paths[60:, 2])
    paths[:60, 3] = gp
    told = told_of(pathway_of(paths))
    at = [code for code, _ in told.nodes[2]]
    if "SSR" in at:
        row = told.shown[2][at.index("SSR")]
        assert not row[[code for code, _ in told.nodes[3]].index("GP")]


def test_a_pathway_of_few_people_or_next_to_another_group_is_not_told() -> None:
    few = pathway_of(drawn(1, 10))
    assert judge_pathway(few, []) == "too_few_people"
    many = pathway_of(drawn(1, 300))
    people = many.places[0].sum(axis=0)
    larger = people + np.array([0, 0, 5, 0, 0])
    assert judge_pathway(many, [larger]) == "near_an_indicator"
    assert near(people, [larger]) and near(larger, [people])
    assert not near(people, [people])
    assert not near(people, [people + np.array([0, 0, 11, 0, 0])])
    # As near in all, but more in one place and fewer in another: neither is a part.
    assert not near(people, [people + np.array([6, -1, 0, 0, 0])])


def test_counts_that_contradict_each_other_are_refused() -> None:
    good = pathway_of(drawn(1, 100))
    with pytest.raises(OpenChronicError, match="same people"):
        replace(good, places=good.places + 1)
    flows = good.flows.copy()
    flows[2, DEAD, 0] += 1
    places = good.places.copy()
    places[2, DEAD, 0] += 1
    places[3:, 0, 0] += 1
    flows[3, 0, 0] += 1
    flows[0, 0, DEAD] += 1
    flows[1, DEAD, DEAD] += 1
    places[0, 0, 0] += 1
    places[1, DEAD, 0] += 1
    with pytest.raises(OpenChronicError, match="dead"):
        replace(good, flows=flows, places=places)


# --- care flows --------------------------------------------------------------------------------


def care_of(people: list[list[int]], hospitals: list[int] | None = None) -> CareFlows:
    counts = np.array(people, dtype=np.int64)
    return CareFlows(
        2020, "department", tuple(DEPARTMENTS), counts, counts // 2,
        np.array(hospitals or [4] * len(DEPARTMENTS)),
    )  # fmt: skip


PEOPLE = [
    [300, 40, 60, 3, 0, 0],
    [20, 500, 30, 0, 0, 4],
    [15, 0, 700, 0, 0, 0],
    [0, 0, 0, 900, 200, 30],
    [0, 0, 4, 90, 400, 0],
]


def rows_of(flows: CareFlows, others: list[Any] | None = None) -> dict[str, Row]:
    level, rows = judge_flows([flows], {"department": others or []})
    assert level == "department"
    return {row.residence: row for row in rows}


def test_what_is_not_named_is_nobody_or_eleven_people_and_more() -> None:
    rows = rows_of(care_of(PEOPLE))
    # Three people left over are put with the fewest that could be named.
    assert rows["22"].named == {"22": 300, "35": 60} and rows["22"].rest == 43
    assert rows["29"].named == {"29": 500, "35": 30} and rows["29"].rest == 24
    assert rows["35"].named == {"22": 15, "35": 700} and rows["35"].rest == 0
    assert rows["59"].named == {"59": 900, "62": 200} and rows["59"].rest == 30
    assert rows["62"].named == {"62": 400} and rows["62"].rest == 94


def test_one_hospital_or_two_are_not_told_nor_a_place_where_all_go() -> None:
    rows = rows_of(care_of(PEOPLE, [4, 4, 2, 4, 4]))
    assert all("35" not in row.named for row in rows.values())
    flows = care_of(PEOPLE)
    largest = flows.largest.copy()
    largest[3, 4] = 180
    assert "62" not in rows_of(replace(flows, largest=largest))["59"].named
    alone = [*PEOPLE[:2], [0, 0, 700, 0, 0, 0], *PEOPLE[3:]]
    assert rows_of(care_of(alone))["35"].named == {}
    few = [*PEOPLE[:2], [3, 2, 5, 0, 0, 0], *PEOPLE[3:]]
    assert rows_of(care_of(few))["35"].people is None


def test_people_of_a_place_next_to_an_indicator_are_not_told() -> None:
    totals = np.array(PEOPLE).sum(axis=1)
    near = totals + np.array([0, 6, 400, 0, 30])
    rows = rows_of(care_of(PEOPLE), [near])
    assert [code for code, row in rows.items() if row.people is None] == ["29"]
    apart = near - np.array([0, 0, 0, 5, 0])  # less than it in one place: not a part, nor a whole
    assert all(row.people for row in rows_of(care_of(PEOPLE), [apart]).values())


def test_a_place_belongs_to_the_larger_place_that_most_go_to() -> None:
    rows = [
        Row("22", 400, {"22": 300, "35": 60}, 40), Row("29", 550, {"29": 500, "35": 30}, 20),
        Row("35", 715, {"22": 15, "35": 700}, 0), Row("59", 1100, {"59": 900, "62": 200}, 0),
        Row("62", 500, {"59": 90, "62": 400}, 10), Row("01", None, {}, 0), Row("02", 20, {}, 20),
    ]  # fmt: skip
    assert areas(rows) == {"22": "35", "29": "35", "35": "35", "59": "59", "62": "59"}


# --- read from the base ------------------------------------------------------------------------


def test_people_are_counted_once_where_most_of_their_stays_were(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            """
            create table person_year as select * from (values
                ('a', 2020, '1', '40-44', '29'), ('b', 2020, '2', '80-84', '29'),
                ('c', 2020, '2', '80-84', '22'), ('d', 2020, null, '80-84', '22'),
                ('e', 2020, '1', '30-34', '99'), ('a', 2019, '1', '40-44', '29'),
                ('a', 2021, '1', '40-44', '29')
            ) t(person_id, year, sex, age_group, department);
            create table hospital_stay as select *, 'mco' as field, true as is_used_for_stays,
                true as is_used_for_persons, year * 0 = 1 as is_session from (values
                ('a', 2020, '220000012'), ('a', 2020, '220000020'), ('a', 2020, '290000017'),
                ('b', 2020, '220000012'), ('b', 2020, '290000017'), ('c', 2020, '970400012'),
                ('d', 2020, '220000012'), ('e', 2020, '220000012'), (null, 2020, '220000012')
            ) t(person_id, year, finess);
            create table ref_pathway as select 'p' as pathway, 'Parcours' as label_fr;
            create table pathway_state as
            select person_id, 'p' as pathway, month_offset, date '2020-03-04' as index_date,
                person_id <> 'c' as is_incident,
                case when person_id = 'b' and month_offset = 12 then null
                    when month_offset = 12 then 'DEAD' else 'GP' end as state
            from (values ('a'), ('b'), ('c')) p(person_id), range(-24, 37) m(month_offset);
            """
        )
    found = read_flows(path, PLACES, [2019, 2020])
    ((departments, regions),) = found.care
    expected = np.zeros((5, 6), dtype=int)
    expected[1, 0] = 1  # a: two stays of three in 22
    expected[1, 1] = 1  # b: one each, so where she lives
    expected[0, 5] = 1  # c: overseas, which is no territory here
    assert (departments.people == expected).all()
    assert departments.hospitals.tolist() == [1, 1, 0, 0, 0]
    assert regions.places == ("32", "53") and regions.people.tolist() == [[0, 0, 0], [0, 2, 1]]
    # Of the incident cases of 2020, the one that is followed to the last month.
    (one,) = found.pathways
    assert (one.key, one.people, one.label) == (("p", 2020), 1, "Parcours")
    assert one.flows[3, STATES.index("GP"), DEAD] == 1 and one.places[4, DEAD].tolist()[1] == 1


# --- the gate ----------------------------------------------------------------------------------


def prepare(home: Home, pathways: list[Pathway], care: list[list[CareFlows]]) -> dict[str, Any]:
    den = np.random.default_rng(2).integers(4000, 5000, (5, 2, 5))
    events = den // 3
    counted = Counted(
        "stays", "all", 2020, "rate", "consumers", events, den, events // 2, den * 0, den
    )
    text = {"fr": "texte", "en": "text"}
    card = {
        "id": "stays", "version": "1", "family": "f", "family_label": text, "label": text,
        "kind": "rate", "unit": "%", "scale": 100.0, "unit_counted": "stay",
        "denominator_type": "consumers", "says": text, "numerator": text, "denominator": text,
        "exclusions": [], "limits": text, "sources": [], "benchmarks": [], "condition_labels": {},
        "standards": [], "standard_weights": {"00-19": 1, "20-39": 1, "40-64": 1, "65-74": 1,
                                              "75+": 1},
        "data_state": {"2020": "final"}, "flux_cutoff": {"2020": "2022-06"},
    }  # fmt: skip
    return prepare_indicators(
        home, PLACES, [counted], {"stays": card}, "b1", [{"id": "d1", "generated": True}],
        pathways=pathways, care=care,
    )  # fmt: skip


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    home = Home(tmp_path_factory.mktemp("flows")).create()
    report = prepare(home, [pathway_of(drawn(2, 500))], [[care_of(PEOPLE)]])
    assert {check["name"] for check in report["checks"]} >= set(gate.CHECKS)
    assert [each["pathway"] for each in report["flows"]["pathways"]] == ["stroke_stay"]
    return home.candidate / report["version"], home.vault / "releases" / report["version"]


@pytest.fixture
def copied(prepared: tuple[Path, Path], tmp_path: Path) -> tuple[Path, Path]:
    folder, evidence = tmp_path / "candidate", tmp_path / "evidence"
    shutil.copytree(prepared[0], folder)
    shutil.copytree(prepared[1], evidence)
    return folder, evidence


def request(folder: Path, evidence: Path, **given: Any) -> IndicatorRequest:
    hierarchies = Path(str(resources.files("openchronic_assets.anonymisation"))) / "hierarchies"
    return replace(
        IndicatorRequest(
            str(folder), str(evidence), "report.json", "refresh_years", [],
            {n: str(hierarchies / f"{n}.csv") for n in ("department", "age_group", "ald")},
        ),
        **given,
    )  # fmt: skip


def refused_by(asked: IndicatorRequest) -> set[str]:
    return {check.name for check in inspect(asked) if not check.passed}


def fails(check: str, asked: IndicatorRequest) -> bool:
    """Make one check as the gate does: one that raises has failed."""
    try:
        return not indicators.CHECKS[check](Evidence(asked)).passed
    except (ValueError, KeyError):
        return True


def lines_of(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write(folder: Path, name: str, rows: list[dict[str, str]]) -> None:
    (folder / name).chmod(0o644)
    with (folder / name).open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, gate.HEADS[name], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def edit(folder: Path, name: str, change: Callable[[list[dict[str, str]]], Any]) -> None:
    rows = lines_of(folder, name)
    before = json.dumps(rows)
    change(rows)
    assert json.dumps(rows) != before
    write(folder, name, rows)


def truth(evidence: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    body = json.loads((evidence / "flows.json").read_text(encoding="utf-8"))
    change(body)
    (evidence / "flows.json").write_text(json.dumps(body), encoding="utf-8")


def true_flow(evidence: Path, row: dict[str, str]) -> int:
    """Count the people of a printed flow in the vault, by hand."""
    body = json.loads((evidence / "flows.json").read_text(encoding="utf-8"))["pathways"][0]
    step = body["points"].index(int(row["month"]))
    return sum(
        body["flows"][step][STATES.index(a)][STATES.index(b)]
        for a in body["nodes"][step][row["state"]]
        for b in body["nodes"][step + 1][row["to_state"]]
    )


def hidden(rows: list[dict[str, str]], evidence: Path, small: bool) -> dict[str, str]:
    return next(
        row for row in rows
        if row["status"] == "suppressed" and (0 < true_flow(evidence, row) < 11) == small
        and (small or true_flow(evidence, row) >= 11)
    )  # fmt: skip


def show(evidence: Path, small: bool) -> Callable[[list[dict[str, str]]], None]:
    def change(rows: list[dict[str, str]]) -> None:
        row = hidden(rows, evidence, small)
        row |= {"people": str(true_flow(evidence, row)), "status": "shown"}

    return change


def a_small_flow(folder: Path, evidence: Path) -> None:
    edit(folder, "pathways.csv", show(evidence, small=True))


def a_flow_that_hides_another(folder: Path, evidence: Path) -> None:
    """All complementary cells back: the small ones are then what the states leave."""

    def change(rows: list[dict[str, str]]) -> None:
        for row in rows:
            if row["status"] == "suppressed" and not 0 < true_flow(evidence, row) < 11:
                row |= {"people": str(true_flow(evidence, row)), "status": "shown"}

    edit(folder, "pathways.csv", change)


def a_figure_in_a_hidden_flow(folder: Path, evidence: Path) -> None:
    edit(folder, "pathways.csv", lambda rows: hidden(rows, evidence, True).update(people="40"))


def another_flow(folder: Path, evidence: Path) -> None:
    edit(folder, "pathways.csv", lambda rows: next(
        r for r in rows if r["to_month"] and r["people"]).update(people="4321"))  # fmt: skip


def another_state_total(folder: Path, evidence: Path) -> None:
    edit(folder, "pathways.csv", lambda rows: rows[0].update(people="4321"))


def a_flow_less(folder: Path, evidence: Path) -> None:
    edit(folder, "pathways.csv", lambda rows: rows.remove(hidden(rows, evidence, True)))


def a_flow_twice(folder: Path, evidence: Path) -> None:
    edit(folder, "pathways.csv", lambda rows: rows.append(dict(rows[-1])))


def a_state_of_another_meaning(folder: Path, evidence: Path) -> None:
    def change(body: dict[str, Any]) -> None:
        names = [c for c in body["pathways"][0]["nodes"][0] if c != "OTHER"][:2]
        nodes = body["pathways"][0]["nodes"][0]
        nodes[names[0]], nodes[names[1]] = nodes[names[1]], nodes[names[0]]

    truth(evidence, change)


def an_identifier(folder: Path, evidence: Path) -> None:
    edit(folder, "pathways.csv", lambda rows: [r.update(label="2850729123456") for r in rows])


def a_pathway_that_the_vault_does_not_know(folder: Path, evidence: Path) -> None:
    edit(folder, "pathways.csv", lambda rows: rows[-1].update(pathway="other_stay"))


def few_dead_between(folder: Path, evidence: Path) -> None:
    """In the vault and in the file: four more people die between the last two months."""
    body = json.loads((evidence / "flows.json").read_text(encoding="utf-8"))["pathways"][0]
    assert body["nodes"][3].get("DEAD") == body["nodes"][4].get("DEAD") == ["DEAD"]
    before, after = (sum(body["places"][p][DEAD]) for p in (3, 4))
    row = {"state": "DEAD", "month": "12", "to_month": ""}
    edit(folder, "pathways.csv", lambda rows: next(
        r for r in rows if row.items() <= r.items()).update(people=str(before + 4)))  # fmt: skip

    def change(body: dict[str, Any]) -> None:
        one = body["pathways"][0]
        extra = after - before - 4
        moved = 0
        for state in range(DEAD):
            take = min(extra - moved, one["flows"][3][state][DEAD])
            one["flows"][3][state][DEAD] -= take
            one["flows"][3][state][0] += take
            moved += take
        homes = one["places"][4][DEAD]
        for home in range(len(homes)):
            take = min(moved, homes[home])
            homes[home] -= take
            one["places"][4][0][home] += take
            moved -= take

    truth(evidence, change)


def a_named_place_of_few(folder: Path, evidence: Path) -> None:
    def change(rows: list[dict[str, str]]) -> None:
        rest = next(r for r in rows if r["residence"] == "22" and r["care"] == "other")
        rest["people"] = str(int(rest["people"]) - 3)
        rows.append(rest | {"care": "59", "people": "3"})

    edit(folder, "flows.csv", change)


def a_rest_of_few(folder: Path, evidence: Path) -> None:
    def change(rows: list[dict[str, str]]) -> None:
        rest = next(r for r in rows if r["residence"] == "22" and r["care"] == "other")
        rest["people"] = "3"
        rows.append(rest | {"care": "29", "people": "40"})

    edit(folder, "flows.csv", change)


def both_levels(folder: Path, evidence: Path) -> None:
    edit(folder, "flows.csv", lambda rows: rows.extend(
        {**rows[0], "level": "region", "residence": code, "care": care, "people": "500"}
        for code in ("53", "32") for care in ("all", "other")))  # fmt: skip


def an_establishment(folder: Path, evidence: Path) -> None:
    edit(folder, "flows.csv", lambda rows: rows.append({**rows[1], "care": "290000017"}))


def another_care_flow(folder: Path, evidence: Path) -> None:
    def change(rows: list[dict[str, str]]) -> None:
        named = next(r for r in rows if r["residence"] == "59" and r["care"] == "62")
        rest = next(r for r in rows if r["residence"] == "59" and r["care"] == "other")
        named["people"], rest["people"] = "201", "29"

    edit(folder, "flows.csv", change)


def two_hospitals(folder: Path, evidence: Path) -> None:
    truth(evidence, lambda body: body["care"][0].update(hospitals=[4, 4, 2, 4, 4]))


def one_hospital_for_nearly_all(folder: Path, evidence: Path) -> None:
    def change(body: dict[str, Any]) -> None:
        body["care"][0]["largest"][3][4] = 180

    truth(evidence, change)


def another_area(folder: Path, evidence: Path) -> None:
    edit(folder, "areas.csv", lambda rows: rows[0].update(area="59"))


def an_area_less(folder: Path, evidence: Path) -> None:
    edit(folder, "areas.csv", lambda rows: rows.pop())


def nearly_an_indicator(folder: Path, evidence: Path) -> None:
    """The people of the pathway are all but four of those that the indicator counts."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    body = json.loads((evidence / "flows.json").read_text(encoding="utf-8"))["pathways"][0]
    people = np.array(body["places"][0]).sum(axis=0)
    counts: pd.DataFrame = pq.read_table(evidence / "counts.parquet").to_pandas()
    num = np.zeros((5, 10), dtype=np.int64)
    num[:, 0] = people
    num[1, 3] += 4
    counts["num"] = num.ravel()
    pq.write_table(pa.Table.from_pandas(counts, preserve_index=False), evidence / "counts.parquet")


def no_evidence(folder: Path, evidence: Path) -> None:
    (evidence / "flows.json").unlink()


FAULTS: list[tuple[str, Callable[[Path, Path], None]]] = [
    ("pathway_cells", a_small_flow),
    ("pathway_cells", a_figure_in_a_hidden_flow),
    ("pathway_cells", a_flow_twice),
    ("pathway_cells", an_identifier),
    ("pathway_true", another_flow),
    ("pathway_true", another_state_total),
    ("pathway_true", a_flow_less),
    ("pathway_true", a_state_of_another_meaning),
    ("pathway_true", a_pathway_that_the_vault_does_not_know),
    ("pathway_true", few_dead_between),
    ("pathway_intervals", a_flow_that_hides_another),
    ("care_cells", a_named_place_of_few),
    ("care_cells", a_rest_of_few),
    ("care_cells", both_levels),
    ("care_cells", an_establishment),
    ("care_true", another_care_flow),
    ("care_true", two_hospitals),
    ("care_true", one_hospital_for_nearly_all),
    ("care_areas", another_area),
    ("care_areas", an_area_less),
    ("flow_neighbours", nearly_an_indicator),
    ("indicator_files", no_evidence),
]


def test_what_was_prepared_passes(copied: tuple[Path, Path]) -> None:
    assert refused_by(request(*copied)) == set()


@pytest.mark.parametrize(("check", "fault"), FAULTS, ids=[f"{c}-{f.__name__}" for c, f in FAULTS])
def test_a_planted_fault_is_refused_by_its_check(
    copied: tuple[Path, Path], check: str, fault: Callable[[Path, Path], None]
) -> None:
    assert not fails(check, request(*copied))
    fault(*copied)
    assert fails(check, request(*copied))


def test_every_check_has_a_fault() -> None:
    assert {c for c, _ in FAULTS} - {"indicator_files"} | {"flows_before"} == set(gate.CHECKS)


def test_an_earlier_release_is_repeated_or_not_told_again(
    copied: tuple[Path, Path], tmp_path: Path
) -> None:
    earlier = tmp_path / "earlier"
    shutil.copytree(copied[0], earlier)
    asked = request(*copied, earlier=[str(earlier)])
    assert not fails("flows_before", asked)
    edit(earlier, "flows.csv", lambda rows: rows[0].update(people="411"))
    assert fails("flows_before", asked)
    edit(earlier, "flows.csv", lambda rows: [r.update(year="2019") for r in rows])
    assert not fails("flows_before", asked)
    edit(earlier, "pathways.csv", lambda rows: show(copied[1], small=False)(rows))
    assert fails("flows_before", asked)


def test_what_moved_since_an_earlier_release_is_left_out(prepared: tuple[Path, Path]) -> None:
    nothing = Release(PLACES)
    moved = [pathway_of(drawn(2, 507)), pathway_of(drawn(4, 400), "copd_stay")]
    again = flow_files.judge(nothing, moved, [[care_of(PEOPLE)]], [prepared[0]])
    assert again.omitted == {("pathways.csv", "stroke_stay", 2020): "told_before"}
    assert [told.pathway.name for told in again.pathways] == ["copd_stay"]
    assert [flows.year for flows, _ in again.care] == [2020]
    other = [[*PEOPLE[0][:5], 4], *PEOPLE[1:]]
    changed = flow_files.judge(nothing, [pathway_of(drawn(2, 500))], [[care_of(other)]],
                               [prepared[0]])  # fmt: skip
    assert changed.omitted == {("flows.csv", "", 2020): "told_before"}
    assert [told.pathway.name for told in changed.pathways] == ["stroke_stay"]


def test_nothing_to_tell_is_no_file(tmp_path: Path) -> None:
    judged = flow_files.judge(Release(PLACES), [pathway_of(drawn(2, 8))], [], [])
    assert judged.summary["omitted"][0]["reason"] == "too_few_people"
    flow_files.write(tmp_path, judged)
    assert not list(tmp_path.iterdir())


# --- as the atlas reads it ---------------------------------------------------------------------


def test_the_atlas_reads_what_was_released(prepared: tuple[Path, Path]) -> None:
    folder, _ = prepared
    (one,) = publication.pathways(folder / "pathways.csv")
    lines = lines_of(folder, "pathways.csv")
    assert [str(n) if n is not None else "" for *_, n in (*one["states"], *one["flows"])] == [
        *(line["people"] for line in lines if not line["to_month"]),
        *(line["people"] for line in lines if line["to_month"]),
    ]
    network = publication.network(folder / "flows.csv", folder / "areas.csv")
    assert network["2020"]["rows"]["22"] == {"all": 403, "rest": 43, "to": {"22": 300, "35": 60}}
    assert network["2020"]["areas"]["29"] == "35"


@pytest.mark.parametrize(
    ("name", "change", "kind"),
    [
        ("pathways.csv", lambda r: r.update(people="", status="shown"), Refused),
        ("pathways.csv", lambda r: r.update(people="12", status="suppressed"), Refused),
        ("pathways.csv", lambda r: r.update(people="-3"), OpenChronicError),
        ("pathways.csv", lambda r: r.update(month="janvier"), OpenChronicError),
        ("pathways.csv", lambda r: r.update(state="UNHEARD"), OpenChronicError),
        ("flows.csv", lambda r: r.update(people="", status="shown"), Refused),
        ("flows.csv", lambda r: r.update(level="commune"), OpenChronicError),
        ("flows.csv", lambda r: r.update(care="<b>"), OpenChronicError),
    ],
)
def test_the_atlas_refuses_what_contradicts_itself(
    prepared: tuple[Path, Path], tmp_path: Path, name: str, change: Any, kind: type[Exception]
) -> None:
    shutil.copytree(prepared[0], tmp_path / "release")
    edit(tmp_path / "release", name, lambda rows: change(rows[0]))
    with pytest.raises(kind, match=name):
        if name == "pathways.csv":
            publication.pathways(tmp_path / "release" / name)
        else:
            publication.network(tmp_path / "release" / name, None)
