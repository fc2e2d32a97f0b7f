"""The atlas as a person meets it: in Debian's Chromium, with no network but this machine."""

from __future__ import annotations

import csv
import io
import json
import random
import re
import zipfile
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from openchronic_assets.bench.fake_release import seal, write_release
from openchronic_assets.publication.site import build

pytestmark = pytest.mark.browser

Opened = Callable[..., Any]
Cells = dict[tuple[str, ...], dict[str, str]]
FIRST = ("prevalence_0", "ald_08")  # the indicator that opens, and its condition
# Departments whose middle is their own.
COMPACT = ("23", "48", "09", "46", "32", "12", "15", "19", "03", "21", "36", "71", "18", "45", "51")


def french(value: float | Decimal, places: int) -> str:
    """Write a number as the French do, by hand: the oracle of what the page shows."""
    text = f"{value:,.{places}f}".replace(",", "\u202f").replace(".", ",")
    return text


def shown(text: str, scale: float, unit: str) -> str:
    value = float(text) * scale
    size = abs(value)
    places = 0 if size >= 100 or size == 0 else 1 if size >= 10 else 2 if size >= 0.1 else 3
    rounded = Decimal(repr(value)).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    return french(rounded, places) + f"\u202f{unit}"


def go(page: Any, hash_: str) -> None:
    before = page.locator("main").get_attribute("data-shown")
    page.evaluate("h => { location.hash = h; }", hash_)
    page.wait_for_function("n => document.querySelector('main').dataset.shown !== n", arg=before)


def table_of(page: Any) -> dict[str, list[str]]:
    """Return the table: the label of a territory → its cells."""
    rows = page.eval_on_selector_all(
        "#lecture tbody tr", "rows => rows.map(r => [...r.children].map(c => c.textContent))"
    )
    return {row[0]: row[1:] for row in rows}


def test_the_first_view_is_a_map_of_101_departments_with_its_state(
    opened: Opened, address: str
) -> None:
    page = opened(address)
    coloured = page.eval_on_selector_all(
        "path[data-code]",
        "ps => new Set(ps.filter(p => p.getAttribute('fill')).map(p => p.dataset.code)).size",
    )
    assert coloured == 101
    assert page.locator("h1").inner_text() == "Prévalence, chiffre inventé n° 1 : Diabète (ALD 8)"
    assert "Données provisoires" in page.locator(".state").inner_text()
    assert "31 décembre 2022" in page.locator(".state").inner_text()


def test_choices_change_the_figures_and_the_address(
    opened: Opened, address: str, cells: Cells
) -> None:
    page = opened(address + "#/carte?t=d29&o=tableau")
    page.get_by_role("button", name="2019", exact=True).click()
    page.select_option("#sexe", "2")
    page.wait_for_function(
        "() => location.hash.includes('s=2') && location.hash.includes('y=2019')"
    )
    page.wait_for_function("() => document.querySelector('.sub').textContent.includes('Femmes')")
    row = cells[(*FIRST, "2019", "d29", "2", "all", "none")]
    assert page.locator(".chosen .big").inner_text() == shown(row["value"], 100, "%")
    page.fill("#chercher", "PRÉMIER récours")
    assert page.locator("#indicateur option").count() == 2  # the one found and the one shown
    page.press("#chercher", "Enter")
    page.wait_for_function("() => location.hash.includes('primary_care_4')")


def test_resting_on_a_department_says_its_figure_and_a_suppressed_one_says_why(
    opened: Opened, address: str, cells: Cells
) -> None:
    page = opened(address + "#/carte?a=00-19&s=1")
    hidden = next(
        code
        for code in COMPACT
        if cells[(*FIRST, "2021", f"d{code}", "1", "00-19", "none")]["status"] == "suppressed"
    )
    path = page.locator(f'[data-panel="main"] path[data-code="{hidden}"]')
    assert path.get_attribute("fill") == "url(#hachures)"
    path.hover()
    assert "trop peu de personnes" in page.locator("#bulle").inner_text()
    assert not re.search(r"\d", page.locator("#bulle span").first.inner_text())
    go(page, "#/carte")
    page.locator('[data-panel="main"] path[data-code="29"]').hover()
    row = cells[(*FIRST, "2021", "d29", "all", "all", "none")]
    assert shown(row["value"], 100, "%") in page.locator("#bulle").inner_text()


def test_the_keyboard_alone_chooses_on_the_map_and_among_the_readings(
    opened: Opened, address: str
) -> None:
    page = opened(address)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "aller"
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.hasAttribute('data-code')"):
            break
    start = page.evaluate("document.activeElement.dataset.code")
    page.keyboard.press("ArrowUp")
    code = page.evaluate("document.activeElement.dataset.code")
    assert code and code != start
    page.keyboard.press("Enter")
    page.wait_for_function("c => location.hash.includes('t=d' + c)", arg=code)
    page.focus("#onglet-rang")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector('#onglet-evolution[aria-selected="true"]')


def test_a_region_leads_to_its_departments_and_a_territory_to_its_comparison(
    opened: Opened, address: str
) -> None:
    page = opened(address + "#/carte?l=region")
    page.locator('[data-panel="main"] path[data-code="29"]').click()
    page.get_by_role("link", name="Voir ses départements").click()
    page.wait_for_function("() => location.hash.includes('z=r53')")
    page.wait_for_selector("svg.map.near")
    page.get_by_role("tab", name="Tableau").click()
    page.wait_for_selector("#lecture table")
    assert set(table_of(page)) == {"Côtes-d'Armor", "Finistère", "Ille-et-Vilaine", "Morbihan"}
    page.locator("#lecture").get_by_role("link", name="Finistère").click()
    page.wait_for_selector(".territory")
    page.get_by_role("link", name="Comparer", exact=True).last.click()
    page.wait_for_selector("#comparaison")
    assert page.locator("h1").inner_text() == "Finistère et Bretagne"
    page.select_option("#second", "d35")
    page.wait_for_function("() => document.querySelector('h1').textContent.includes('Ille')")


def test_a_link_shows_the_same_view_to_somebody_else(opened: Opened, address: str) -> None:
    page = opened(address + "#/carte?o=tableau")
    page.select_option("#age", "65-74")
    page.wait_for_function("() => location.hash.includes('a=65-74')")
    page.get_by_role("button", name="Écart à la France").click()
    page.wait_for_function("() => location.hash.includes('e=ecart')")
    other = opened(page.url)
    assert table_of(other) == table_of(page)
    fills = "ps => ps.map(p => p.getAttribute('fill'))"
    assert other.eval_on_selector_all("path[data-code]", fills) == page.eval_on_selector_all(
        "path[data-code]", fills
    )


def test_downloads_hold_the_numbers_of_the_release(
    opened: Opened, address: str, cells: Cells, tmp_path: Path
) -> None:
    page = opened(address + "#/carte?a=20-39&s=2")
    files = {}
    for name in ("csv", "xlsx", "svg", "png"):
        with page.expect_download() as waiting:
            page.click(f"#{name}")
        files[name] = tmp_path / waiting.value.suggested_filename
        waiting.value.save_as(files[name])
    wanted = {
        (key[2], key[3]): row
        for key, row in cells.items()
        if (*key[:2], *key[4:]) == (*FIRST, "2", "20-39", "none")
    }
    assert any(row["status"] == "suppressed" for row in wanted.values())
    raw = files["csv"].read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(raw.decode("utf-8-sig")), delimiter=";"))
    short = {"country": "", "region": "r", "department": "d"}
    told = {(row["annee"], short[row["niveau"]] + row["code"]): row for row in rows}
    assert set(told) == set(wanted) and len(rows) == len(told)
    names = {"numerateur": "num", "denominateur": "den", "valeur": "value",
             "borne_basse": "low", "borne_haute": "high"}  # fmt: skip
    for key, row in told.items():
        assert "." not in "".join(row[name] for name in names)
        for name, ours in names.items():
            text = row[name].replace(",", ".")
            assert (float(text) if text else None) == (
                float(wanted[key][ours]) if wanted[key][ours] else None
            )
        assert (row["statut"] == "masqué") == (wanted[key]["status"] == "suppressed")
    with zipfile.ZipFile(files["xlsx"]) as archive:
        sheet = ElementTree.fromstring(archive.read("xl/worksheets/sheet1.xml"))
        for name in archive.namelist():
            ElementTree.fromstring(archive.read(name))
    space = {"m": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}
    lines = sheet.findall(".//m:row", space)
    head = ["".join(cell.itertext()) for cell in lines[0]]
    at = head.index("valeur")
    values = [cells_[at].findtext("m:v", None, space) for cells_ in map(list, lines[1:])]
    assert sorted(float(v) for v in values if v) == sorted(
        float(row["value"]) for row in wanted.values() if row["value"]
    )
    drawing = ElementTree.fromstring(files["svg"].read_bytes())
    assert len(drawing.findall(".//{http://www.w3.org/2000/svg}path[@data-code]")) == 105
    assert "hachures" in files["svg"].read_text(encoding="utf-8")
    assert files["png"].read_bytes().startswith(b"\x89PNG") and files["png"].stat().st_size > 20_000


def test_the_sheet_of_a_territory_is_one_printed_page_with_the_state_of_its_data(
    opened: Opened, served: Callable[[Path], str], tmp_path: Path
) -> None:
    folder = write_release(tmp_path / "2021-indicators-00000009", 40, (2021,), ("all",))
    declared = json.loads((folder / "indicators.json").read_text(encoding="utf-8"))
    for number, each in enumerate(declared):
        each["label"]["fr"] = f"Un indicateur au libellé vraiment très long, numéro {number}"
        each["unit"] = "pour 100 000 habitants"
        each["family"] = each["family_label"]["fr"] = f"Famille {number % 20}"
        each["conditions"][0]["label_fr"] = "Insuffisance cardiaque grave, troubles du rythme"
    (folder / "indicators.json").write_text(json.dumps(declared), encoding="utf-8")
    seal(folder)
    page = opened(served(build(folder, tmp_path / "site").folder) + "#/territoire?t=d35")
    printed = page.pdf(format="A4")
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 1
    page.emulate_media(media="print")
    text = page.locator("body").inner_text()
    assert "Ille-et-Vilaine" in text and "Données provisoires" in text
    assert "31 décembre 2022" in text and "Imprimer" not in text
    # No figure runs into its neighbour.
    page.set_viewport_size({"width": 703, "height": 1032})
    assert page.eval_on_selector_all(
        ".sheet td", "cells => cells.every(c => c.scrollWidth <= c.clientWidth + 1)"
    )


ABSENT = [
    ("#/carte?i=gone", "n’est pas dans cette publication"),
    ("#/carte?y=1999", "Années présentes"),
    ("#/carte?t=d99", "Ce territoire n’est pas"),
    ("#/carte?a=40-41", "Ce choix n’est pas publié"),
    ("#/carte?c=ald_77", "Cette maladie n’est pas publiée"),
    ("#/carte?l=canton", "Ce découpage n’est pas publié"),
    ("#/carte?i=<img src=x onerror=alert(1)>", "n’est pas dans cette publication"),
    ("#/territoire?t=d29&y=1999", "Années présentes"),
    ("#/maladie?c=<b>", "Cette maladie n’est pas"),
    ("#/nowhere", "Cette page n’existe pas"),
    ("#/variations", "ne contient pas"),
    ("#/parcours", "ne contient pas"),
    ("#/reseau", "ne contient pas"),
]


def test_what_the_release_does_not_hold_is_explained(opened: Opened, address: str) -> None:
    page = opened(address)
    for hash_, words in ABSENT:
        go(page, hash_)
        assert words in page.locator("main [role=alert]").inner_text(), hash_
        assert page.locator("main a").count() > 0 and page.locator("main img").count() == 0


def test_an_empty_release_and_strange_departments_are_explained(
    opened: Opened, served: Callable[[Path], str], tmp_path: Path
) -> None:
    empty = write_release(tmp_path / "2021-indicators-00000000", indicators=0)
    page = opened(served(build(empty, tmp_path / "empty").folder))
    assert "aucun indicateur" in page.locator("main").inner_text()
    for hash_ in ("#/territoire", "#/comparer", "#/maladie", "#/indicateurs", "#/a-propos"):
        go(page, hash_)
        assert len(page.locator("main").inner_text()) > 40
    strange = write_release(tmp_path / "2021-indicators-00000001", indicators=1, years=(2021,))
    (cells,) = (strange / "indicators").glob("*.csv")
    text = cells.read_text(encoding="utf-8").replace(",department,29,", ",department,299,")
    cells.write_text(text, encoding="utf-8")
    seal(strange)
    page = opened(served(build(strange, tmp_path / "strange").folder) + "#/carte?o=tableau")
    assert "299" in table_of(page)
    assert page.locator('path[data-code="29"]').first.get_attribute("fill") == "#f4f6f7"
    go(page, "#/a-propos")
    assert "299" in page.locator("#manques").inner_text()


def test_the_views_equal_the_release(opened: Opened, address: str, cells: Cells) -> None:
    """Walk over drawn views, each read as a person reads it: in the table."""
    page = opened(address + "#/carte?o=tableau")
    labels = json.loads(page.evaluate("JSON.stringify(OC.get('site','site').territories)"))
    name = {
        {"region": "r", "department": "d"}.get(p["level"], "") + p["code"]: p["label"]
        for p in labels
    }
    units = json.loads(page.evaluate("JSON.stringify(OC.get('site','site').indicators)"))
    of = {each["id"]: each for each in units}
    views = sorted({(*key[:3], *key[4:]) for key in cells})
    for i, c, y, s, a, m in random.Random(4).sample(views, 24):
        level = random.Random(i + y + s).choice(["region", "department"])
        go(
            page,
            f"#/carte?i={i}&c={c}&y={y}&s={s}&a={a.replace('+', '%2B')}&m={m}&l={level}&o=tableau",
        )
        seen = table_of(page)
        mine = {
            key[3]: row for key, row in cells.items()
            if (*key[:3], *key[4:]) == (i, c, y, s, a, m) and row["level"] == level
        }  # fmt: skip
        assert set(seen) == {name[key] for key in mine}
        for key, row in mine.items():
            first = seen[name[key]][0]
            if row["status"] == "suppressed":
                assert seen[name[key]] == ["masqué : trop peu de personnes"]
            else:
                assert first == shown(row["value"], of[i]["scale"], of[i]["unit"]), (i, key)
                if row["num"]:
                    assert seen[name[key]][2] == french(float(row["num"]), 0)


@pytest.mark.long
@pytest.mark.parametrize("width", [360, 1366])
def test_nothing_overflows_and_the_rules_of_access_hold(
    opened: Opened, address: str, axe: Callable[[Any], list[str]], width: int
) -> None:
    page = opened(address, width=width)
    hashes = ["#/carte?t=d29&a=00-19&s=1", "#/carte?o=tableau", "#/carte?o=definition",
              "#/carte?o=entonnoir", "#/territoire?t=d29", "#/comparer", "#/maladie",
              "#/indicateurs", "#/a-propos", "#/carte?y=1999"]  # fmt: skip
    for hash_ in hashes:
        go(page, hash_)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth + 1"), hash_
        assert axe(page) == [], hash_


def test_the_site_opens_from_the_disk_too(opened: Opened, site: Path) -> None:
    page = opened((site / "index.html").as_uri() + "#/territoire?t=r53")
    assert page.locator("h1").inner_text() == "Bretagne"
    page.click("text=Carte")
    page.wait_for_selector("svg.map")


def test_all_figures_of_a_territory_are_there_once_they_are_asked_for(
    opened: Opened, address: str, cells: Cells
) -> None:
    page = opened(address + "#/territoire?t=d35&y=2021")
    asked = page.locator("details summary")
    mine = {key[:2] for key in cells if key[2:4] == ("2021", "d35") and key[4:6] == ("all", "all")}
    assert asked.inner_text() == f"Tous les chiffres ({len(mine)})"
    assert page.locator("details table").count() == 0
    for _ in range(3):  # opened, closed and opened again
        asked.click()
    page.wait_for_selector("details table")
    assert page.locator("details table").count() == 1
    assert page.locator("details table tbody tr:not(.family)").count() == len(mine)


def test_variations_open_where_the_release_has_them(
    opened: Opened, served: Callable[[Path], str], tmp_path: Path
) -> None:
    folder = write_release(tmp_path / "2021-indicators-00000002", indicators=1, years=(2021,))
    (folder / "variation.csv").write_text(
        "indicator,condition,year,level,statistic,value,low,high\n"
        "prevalence_0,ald_08,2021,department,scv,7.31,5.5,9.9\n",
        encoding="utf-8",
    )
    seal(folder)
    page = opened(served(build(folder, tmp_path / "site").folder) + "#/variations")
    assert "7,31" in page.locator("table").inner_text()
