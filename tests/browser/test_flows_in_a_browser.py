"""Pathways and care flows of the atlas, as a person meets them: what is drawn is the release."""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from openchronic_assets.anonymisation import flow_files
from openchronic_assets.anonymisation.care_flows import CareFlows
from openchronic_assets.anonymisation.indicator_tables import Release, Territories
from openchronic_assets.anonymisation.pathway_tables import POINTS, STATES, Pathway
from openchronic_assets.bench.fake_release import places, seal, write_release
from openchronic_assets.publication.site import build

pytestmark = pytest.mark.browser

Opened = Callable[..., Any]
Lines = list[dict[str, str]]


def drawn_pathway(name: str, label: str, year: int, people: int, seed: int) -> Pathway:
    """Draw people by a chain of states; who dies stays dead."""
    rng = np.random.default_rng(seed)
    dead, alive = STATES.index("DEAD"), len(STATES) - 1
    often = np.where(np.isin(np.arange(alive), (0, 4, 6, 7, 9)), 0.6, 1e-6)
    chain = rng.dirichlet(often, size=alive) * 0.6 + np.eye(alive) * 0.4
    states = [rng.choice(alive, people, p=rng.dirichlet(often * 4))]
    for step in range(len(POINTS) - 1):
        now = np.array([alive if x == dead else rng.choice(alive, p=chain[x]) for x in states[-1]])
        dies = (states[-1] != dead) & (rng.random(people) < (0.05 if step else 0))
        states.append(np.where(dies | (states[-1] == dead), dead, now))
    flows = np.zeros((len(POINTS) - 1, len(STATES), len(STATES)), dtype=np.int64)
    spots = np.zeros((len(POINTS), len(STATES), 1), dtype=np.int64)
    for point, here in enumerate(states):
        spots[point, :, 0] = np.bincount(here, minlength=len(STATES))
        if point:
            pairs = states[point - 1] * len(STATES) + here
            flows[point - 1] = np.bincount(pairs, minlength=len(STATES) ** 2).reshape(
                -1, len(STATES)
            )
    return Pathway(name, label, year, flows, spots)


@pytest.fixture(scope="session")
def flowing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release whose pathways and care flows were protected by the code that releases."""
    folder = tmp_path_factory.mktemp("flows") / "2021-indicators-00000f10"
    write_release(folder, indicators=1, years=(2020, 2021), ages=("all",))
    rng = np.random.default_rng(6)
    departments = tuple((c, label, up) for level, c, label, up in places() if level == "department")
    regions = {c: label for level, c, label, _ in places() if level == "region"}
    sizes = rng.lognormal(7.5, 0.8, len(departments))
    care = []
    for year in (2020, 2021):
        near = np.array([[a[2] == b[2] for b in departments] for a in departments])
        mean = sizes[:, None] * (near * sizes[None] / 4e4 + sizes[None] / 4e6)
        people = rng.poisson(mean + np.diag(sizes))
        people[4] = 0
        people[4, 4] = 7
        counts = np.column_stack([people, np.full(len(people), 3)])
        hospitals = np.where(np.arange(len(people)) % 17 == 9, 2, 5)
        codes = tuple(code for code, _, _ in departments)
        care.append([CareFlows(year, "department", codes, counts, counts // 2, hospitals)])
    pathways = [
        drawn_pathway("stroke_stay", "Premier séjour pour AVC", 2020, 900, 3),
        drawn_pathway("ald_8", "Premier début d'ALD 8 (diabète) <b>", 2020, 400, 5),
    ]
    judged = flow_files.judge(Release(Territories(departments, regions)), pathways, care, [])
    assert len(judged.pathways) == len(judged.care) == 2
    flow_files.write(folder, judged)
    seal(folder)
    return folder


@pytest.fixture(scope="session")
def flowing_address(
    flowing: Path, tmp_path_factory: pytest.TempPathFactory, served: Callable[[Path], str]
) -> str:
    return served(build(flowing, tmp_path_factory.mktemp("atlas") / "flows").folder)


def lines_of(folder: Path, name: str) -> Lines:
    return list(csv.DictReader((folder / name).open(encoding="utf-8", newline="")))


def go(page: Any, hash_: str) -> None:
    before = page.locator("main").get_attribute("data-shown")
    page.evaluate("h => { location.hash = h; }", hash_)
    page.wait_for_function("n => document.querySelector('main').dataset.shown !== n", arg=before)


def figures(page: Any, css: str) -> list[list[str]]:
    rows: list[list[str]] = page.eval_on_selector_all(
        f"{css} tbody tr", "rows => rows.map(r => [...r.children].map(c => c.textContent))"
    )
    return rows


def number(text: str) -> int | None:
    return None if text == "masqué" else int(text.replace("\u202f", "").replace("\u00a0", ""))


def test_pathways_show_the_release_and_no_trace_of_a_hidden_flow(
    opened: Opened, flowing: Path, flowing_address: str
) -> None:
    page = opened(flowing_address + "#/parcours")
    for name in ("ald_8", "stroke_stay"):
        go(page, f"#/parcours?i={name}&y=2020")
        mine = [row for row in lines_of(flowing, "pathways.csv") if row["pathway"] == name]
        assert page.locator("h1").inner_text() == mine[0]["label"]
        by_month: dict[str, Lines] = defaultdict(list)
        for row in mine:
            if row["to_month"]:
                by_month[row["month"]].append(row)
        assert any(row["status"] == "suppressed" for row in mine)
        for month, rows in by_month.items():
            seen = figures(page, f"table.passages[data-month='{month}']")
            assert [number(row[2]) for row in seen] == [
                int(row["people"]) if row["people"] else None for row in rows
            ]
        drawn = page.locator("svg.sankey path.flow").count()
        assert drawn == sum(r["status"] == "shown" and bool(r["to_month"]) for r in mine)
        states = [int(row["people"]) for row in mine if not row["to_month"]]
        cells = [number(cell) for row in figures(page, "#etats") for cell in row[1:] if cell]
        assert sorted(n for n in cells if n) == sorted(states)
        # As much of each state is hatched as the shown flows leave.
        assert page.locator("svg.sankey rect.masked-flow").count() > 0
    page.select_option("#parcours", "ald_8")
    page.wait_for_function("() => location.hash.includes('i=ald_8')")
    page.locator("svg.sankey path.flow").first.dispatch_event("pointermove", {"clientX": 9})
    assert "personnes" in page.locator("#bulle").inner_text()


def test_care_flows_show_the_release_by_place_and_by_area(
    opened: Opened, flowing: Path, flowing_address: str
) -> None:
    page = opened(flowing_address + "#/reseau?y=2021")
    rows = [row for row in lines_of(flowing, "flows.csv") if row["year"] == "2021"]
    names = {code: label for level, code, label, _ in places() if level == "department"}
    away = sorted(
        (int(r["people"]) for r in rows
         if r["care"] not in ("all", "other", r["residence"])), reverse=True
    )  # fmt: skip
    assert [number(row[2]) for row in figures(page, "#echanges")] == away[:25]
    areas = {r["code"]: r["area"] for r in lines_of(flowing, "areas.csv") if r["year"] == "2021"}
    told = page.locator("#zones").inner_text()
    assert all(names[code] in told for code, area in areas.items() if code != area)
    hidden = page.locator('[data-panel="main"] path[data-code="05"]')
    assert hidden.get_attribute("fill") == "url(#hachures)"
    for code in ("75", "59", "33"):
        go(page, f"#/reseau?y=2021&t=d{code}")
        mine = {r["care"]: int(r["people"]) for r in rows if r["residence"] == code}
        seen = {row[0]: number(row[1]) for row in figures(page, "#vers")}
        assert seen.pop("Autres lieux, ensemble") == mine["other"]
        assert seen == {names[c]: n for c, n in mine.items() if c not in ("all", "other")}
        into = {
            names[r["residence"]]: int(r["people"])
            for r in rows if r["care"] == code and r["residence"] != code
        }  # fmt: skip
        assert {row[0]: number(row[1]) for row in figures(page, "#de")} == into
        lines = page.locator("svg.map line.care-flow").count()
        assert lines == len(into) + len(set(mine) - {"all", "other", code})
    go(page, "#/reseau?y=2021&t=d05")
    assert "Masqué" in page.locator(".reading .masked").inner_text()
    page.locator('[data-panel="main"] path[data-code="36"]').click()
    page.wait_for_function("() => location.hash.includes('t=d36')")


def test_flows_are_downloaded_as_they_are_released(
    opened: Opened, flowing: Path, flowing_address: str, tmp_path: Path
) -> None:
    page = opened(flowing_address + "#/parcours?i=stroke_stay")
    files = {}
    for view, names in (("#/parcours?i=stroke_stay", ("csv", "xlsx", "svg", "png")),
                        ("#/reseau?y=2020", ("csv", "png"))):  # fmt: skip
        go(page, view + "&t=") if view not in page.url else None
        for name in names:
            with page.expect_download() as waiting:
                page.click(f"#{name}")
            files[view[:6], name] = tmp_path / waiting.value.suggested_filename
            waiting.value.save_as(files[view[:6], name])
    rows = list(csv.DictReader(io.StringIO(files["#/parc", "csv"].read_text("utf-8-sig")),
                               delimiter=";"))  # fmt: skip
    mine = [r for r in lines_of(flowing, "pathways.csv") if r["pathway"] == "stroke_stay"]
    assert [r["personnes"] for r in rows] == [r["people"] for r in mine]
    assert [r["statut"] == "masqué" for r in rows] == [r["status"] == "suppressed" for r in mine]
    assert files["#/parc", "xlsx"].read_bytes().startswith(b"PK")
    assert "masques" in files["#/parc", "svg"].read_text(encoding="utf-8")
    text = files["#/rese", "csv"].read_text("utf-8-sig")
    care = [r for r in lines_of(flowing, "flows.csv") if r["year"] == "2020"]
    told = [r["personnes"] for r in csv.DictReader(io.StringIO(text), delimiter=";")]
    assert sorted(told) == sorted(r["people"] for r in care)
    for view in ("#/parc", "#/rese"):
        assert files[view, "png"].stat().st_size > 20_000


def test_an_old_link_to_flows_is_explained(opened: Opened, flowing_address: str) -> None:
    page = opened(flowing_address)
    for hash_, words in [
        ("#/parcours?i=gone", "n’est pas dans cette publication"),
        ("#/parcours?i=ald_8&y=1999", "Années présentes"),
        ("#/reseau?y=1999", "Années présentes"),
        ("#/reseau?t=r53", "par département"),
        ("#/reseau?t=<b>", "n’est pas dans cette vue"),
    ]:
        go(page, hash_)
        assert words in page.locator("main [role=alert]").inner_text(), hash_


@pytest.mark.long
@pytest.mark.parametrize("width", [360, 1366])
def test_flows_do_not_overflow_and_keep_the_rules_of_access(
    opened: Opened, flowing_address: str, axe: Callable[[Any], list[str]], width: int
) -> None:
    page = opened(flowing_address, width=width)
    for hash_ in ("#/parcours", "#/parcours?i=stroke_stay", "#/reseau", "#/reseau?t=d75&y=2021"):
        go(page, hash_)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth + 1"), hash_
        assert axe(page) == [], hash_


def test_the_site_holds_no_number_of_flows_that_the_release_lacks(
    flowing: Path, tmp_path: Path
) -> None:
    folder = build(flowing, tmp_path / "site").folder

    def document(path: Path) -> Any:
        body = path.read_text(encoding="utf-8")
        return json.loads(body.split(",", 2)[2].removesuffix(");\n"))

    numbers: list[int] = []
    for path in (folder / "data" / "pathway").glob("*.js"):
        one = document(path)
        numbers += [n for *_, n in (*one["states"], *one["flows"]) if n is not None]
    expected = [int(r["people"]) for r in lines_of(flowing, "pathways.csv") if r["people"]]
    assert sorted(numbers) == sorted(expected)
    numbers = []
    for path in (folder / "data" / "network").glob("*.js"):
        for row in document(path)["rows"].values():
            numbers += [n for n in (row["all"], row["rest"], *row["to"].values()) if n is not None]
    expected = [int(r["people"]) for r in lines_of(flowing, "flows.csv") if r["people"]]
    assert sorted(numbers) == sorted(expected)
