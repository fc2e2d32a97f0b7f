"""Building the atlas: what is in the site is in the release, and nothing else is."""

from __future__ import annotations

import csv
import json
import re
import tarfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from openchronic_assets.bench.fake_release import places, seal, write_release
from openchronic_assets.errors import OpenChronicError, Refused, UsageError
from openchronic_assets.publication import outlines
from openchronic_assets.publication.atlas import ARCHIVE, build_atlas, bundled
from openchronic_assets.publication.make_sample import pack
from openchronic_assets.publication.release import find
from openchronic_assets.publication.site import MARK, _js, build
from openchronic_assets.settings import Home


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("release") / "2021-indicators-0a1b2c3d"
    return write_release(folder, indicators=2, years=(2020, 2021), people=400)


@pytest.fixture(scope="module")
def site(release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(release, tmp_path_factory.mktemp("atlas") / "site").folder


def document(path: Path) -> Any:
    """Return what a data file hands over, as plain JSON."""
    text = path.read_text(encoding="utf-8")
    found = re.fullmatch(r'OC\.take\("[a-z]+","[^"]+",(.*)\);\n', text, re.DOTALL)
    assert found
    return json.loads(found.group(1))


def cells_of(folder: Path) -> list[dict[str, str]]:
    return [
        {**row, "indicator": path.stem}
        for path in sorted((folder / "indicators").glob("*.csv"))
        for row in csv.DictReader(path.open(encoding="utf-8"))
    ]


def test_each_cell_of_the_site_is_that_of_the_release_and_each_of_the_release_is_there(
    release: Path, site: Path
) -> None:
    wanted = {}
    for row in cells_of(release):
        short = {"country": "", "region": "r", "department": "d"}[row["level"]] + row["code"]
        slice_ = ".".join(
            (row["condition"], row["denominator_type"], row["sex"], row["age_group"])
        ).replace("+", "p")
        numbers = tuple(
            float(row[n]) if row[n] else None for n in ("num", "den", "value", "low", "high")
        )
        wanted[row["indicator"], slice_, row["std"], short, int(row["year"])] = (
            {"shown": ".", "suppressed": "s"}[row["status"]],
            *numbers,
        )
    found = {}
    for path in (site / "data" / "cell").rglob("*.js"):
        held = document(path)
        for std, method in held["std"].items():
            spots = [(place, year) for place in held["places"] for year in held["years"]]
            for at, (place, year) in enumerate(spots):
                if method["status"][at] == "-":
                    continue
                numbers = tuple(
                    method[n][at] if n in method else None
                    for n in ("num", "den", "value", "low", "high")
                )
                found[path.parent.name, path.stem, std, place, year] = (
                    method["status"][at],
                    *numbers,
                )
    assert found == wanted
    assert any(cell[0] == "s" for cell in found.values())


def test_no_number_of_the_site_is_absent_from_the_release(release: Path, site: Path) -> None:
    said = {
        float(row[name])
        for row in cells_of(release)
        for name in ("num", "den", "value", "low", "high")
        if row[name]
    }
    for kind, first in (("place", 5), ("condition", 5)):
        for path in (site / "data" / kind).glob("*.js"):
            for row in document(path):
                assert all(x is None or x in said for x in row[first:]), path
                assert row[4] == "." or row[first:] == [None] * len(row[first:])


def test_nothing_of_the_folder_but_the_release_reaches_the_site(
    release: Path, tmp_path: Path
) -> None:
    planted = "PERSON_8f3a91c2"
    folder = write_release(tmp_path / "2021-indicators-00000003", indicators=1, years=(2021,))
    seal(folder, home="/data/" + planted, approvers=[planted])
    (folder / "indicators" / "patient.parquet").write_text(planted, encoding="utf-8")
    (folder / "patient.csv").write_text(planted, encoding="utf-8")
    (folder / ".hidden").write_text(planted, encoding="utf-8")
    built = build(folder, tmp_path / "site").folder
    for path in built.rglob("*"):
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            assert planted not in text and str(tmp_path) not in text, path


def test_the_page_has_no_inline_script_and_names_no_other_host(site: Path) -> None:
    page = (site / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"<script(?![^>]*src=)", page) and " on" not in re.sub(
        r">[^<]*<", "><", page
    )
    assert not re.search(r'(src|href)="(https?:)?//', page)
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy and "default-src 'none'" in policy.group(1)
    assert "unsafe" not in policy.group(1)
    for path in site.glob("*.js"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text)
        assert "fetch(" not in text and "XMLHttpRequest" not in text
    assert (
        sum(p.stat().st_size for p in site.rglob("*") if p.is_file())
        - sum(p.stat().st_size for p in (site / "data").rglob("*") if p.is_file())
        < 10_000_000
    )


def test_the_vendored_files_are_those_on_record(site: Path) -> None:
    import hashlib

    from openchronic_assets.publication import vendor

    folder = Path(str(vendor.__file__)).parent
    for each in json.loads((folder / "vendor.json").read_text(encoding="utf-8")):
        assert each["licence"] and each["version"]
        for file in each["files"]:
            if "to" in file:
                digest = hashlib.sha256((folder / file["to"]).read_bytes()).hexdigest()
                assert digest == file["sha256"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (",,,,,,suppressed,", ",,,,0.5,,suppressed,", "holds a number"),
        (",shown,", ",suppressed,", "holds a number"),
        (",shown,", ",seen,", "not a cell"),
        (",none,", ",other,", "not a cell"),
    ],
)
def test_a_release_that_contradicts_itself_builds_nothing(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    folder = write_release(
        tmp_path / "2021-indicators-00000004", indicators=1, years=(2021,), people=300
    )
    (path,) = (folder / "indicators").glob("*.csv")
    text = path.read_text(encoding="utf-8").replace(old, new, 1)
    assert text != path.read_text(encoding="utf-8")
    path.write_text(text, encoding="utf-8")
    seal(folder)
    with pytest.raises(OpenChronicError, match=words):
        build(folder, tmp_path / "site")
    assert not (tmp_path / "site").exists()
    assert [each.name for each in tmp_path.iterdir()] == [folder.name]


def test_a_file_that_is_not_the_one_sealed_is_refused(tmp_path: Path) -> None:
    folder = write_release(tmp_path / "2021-indicators-00000005", indicators=1, years=(2021,))
    (path,) = (folder / "indicators").glob("*.csv")
    path.write_text(path.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    with pytest.raises(Refused, match="publish it again"):
        build(folder, tmp_path / "site")
    path.unlink()
    with pytest.raises(Refused, match="not in the folder"):
        build(folder, tmp_path / "site")


def test_a_candidate_and_a_file_without_a_seal_are_refused(tmp_path: Path) -> None:
    folder = write_release(tmp_path / "2021-indicators-00000008", indicators=1, years=(2021,))
    seal(folder, state="candidate")
    with pytest.raises(Refused, match="publish it first"):
        build(folder, tmp_path / "site")
    seal(folder)
    (folder / "variation.csv").write_text("indicator\n", encoding="utf-8")
    with pytest.raises(Refused, match="not sealed"):
        build(folder, tmp_path / "site")


def test_what_a_release_announces_and_lacks_is_told(tmp_path: Path) -> None:
    folder = write_release(tmp_path / "2021-indicators-00000006", indicators=2, years=(2021,))
    declared = json.loads((folder / "indicators.json").read_text(encoding="utf-8"))
    declared[0]["years"] = [2019, 2021]
    (folder / "indicators" / f"{declared[1]['id']}.csv").unlink()
    (folder / "indicators.json").write_text(json.dumps(declared), encoding="utf-8")
    seal(folder)
    built = build(folder, tmp_path / "site")
    assert built.indicators == 1
    notes = document(tmp_path / "site" / "data" / "site.js")["notes"]
    assert any("2019" in note for note in notes)
    assert any("ses cellules n'y sont pas" in note for note in notes)


def test_a_folder_of_something_else_is_left_alone(release: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine"
    out.mkdir()
    (out / "thesis.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(UsageError, match="holds something else"):
        build(release, out)
    assert [each.name for each in out.iterdir()] == ["thesis.txt"]
    built = build(release, tmp_path / "new").folder
    (built / "stale.js").write_text("", encoding="utf-8")
    assert build(release, built).folder == built
    assert (built / MARK).is_file() and not (built / "stale.js").exists()


def test_the_same_release_gives_the_same_bytes(release: Path, site: Path, tmp_path: Path) -> None:
    again = build(release, tmp_path / "again").folder
    files = sorted(path.relative_to(site) for path in site.rglob("*") if path.is_file())
    assert files == sorted(p.relative_to(again) for p in again.rglob("*") if p.is_file())
    assert all((site / each).read_bytes() == (again / each).read_bytes() for each in files)


def test_hostile_labels_stay_text(tmp_path: Path) -> None:
    folder = write_release(tmp_path / "2021-indicators-00000007", indicators=1, years=(2021,))
    declared = json.loads((folder / "indicators.json").read_text(encoding="utf-8"))
    declared[0]["label"]["fr"] = "</script><img src=x onerror=alert(1)>\u2028"
    (folder / "indicators.json").write_text(json.dumps(declared), encoding="utf-8")
    seal(folder)
    built = build(folder, tmp_path / "site").folder
    text = (built / "data" / "site.js").read_text(encoding="utf-8")
    assert "</script" not in text and "\u2028" not in text
    assert (
        document(built / "data" / "site.js")["indicators"][0]["label"] == declared[0]["label"]["fr"]
    )
    declared[0]["id"] = "../../escape"
    (folder / "indicators.json").write_text(json.dumps(declared), encoding="utf-8")
    seal(folder)
    with pytest.raises(OpenChronicError, match="identifier"):
        build(folder, tmp_path / "other")


@given(st.recursive(st.text() | st.integers() | st.none(), lambda each: st.lists(each, max_size=4)))
def test_data_files_hold_their_document_and_nothing_that_ends_a_script(value: Any) -> None:
    text = _js(value)
    assert json.loads(text) == value
    assert not set(text) & set("<>\u2028\u2029")


def test_the_newest_release_of_indicators_is_shown(home: Home, tmp_path: Path) -> None:
    assert find(home.release) is None
    for year in ("2019", "2021", "2020"):
        write_release(home.release / f"{year}-indicators-00000000", 1, (int(year),), ("all",))
    (home.release / "2023-9ffe752d").mkdir()
    (home.release / "2023-9ffe752d" / "report.json").write_text("{}", encoding="utf-8")
    built = build_atlas(home)
    assert built.version == "2021-indicators-00000000" and built.folder == home.atlas
    with pytest.raises(UsageError, match="not a release of indicators"):
        build_atlas(home, home.release / "2023-9ffe752d")


def test_a_home_without_a_release_shows_the_one_that_ships(home: Home, tmp_path: Path) -> None:
    assert ARCHIVE.stat().st_size <= 5e6
    built = build_atlas(home)
    assert built.indicators >= 20 and built.suppressed > 0
    assert list(home.release.iterdir()) == [], "it is not a release of this home"
    folder = bundled(home)
    assert folder is not None and folder.name == built.version
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert report["purpose"] == "demonstration"
    assert all(each["generated"] for each in report["deliveries"])
    assert report["cells"]["hidden"] > 0 and report["rules"]["threshold"] == 11
    with (folder / "territories.csv").open(encoding="utf-8", newline="") as file:
        levels = [row["level"] for row in csv.DictReader(file)]
    assert levels.count("department") == 101
    prevalence = (folder / "indicators" / "ald_prevalence.csv").open(encoding="utf-8", newline="")
    with prevalence:
        shown = {
            row["code"]
            for row in csv.DictReader(prevalence)
            if (row["level"], row["condition"], row["status"]) == ("department", "ald", "shown")
        }
    assert len(shown) >= 90, "the first map is nearly full"
    # A release of the home takes its place; the same product unpacks nothing twice.
    before = (folder / "report.json").stat().st_mtime_ns
    assert bundled(home) == folder and (folder / "report.json").stat().st_mtime_ns == before


def test_a_release_is_packed_into_the_same_bytes(release: Path, tmp_path: Path) -> None:
    archives = [tmp_path / f"{n}.tar.xz" for n in (1, 2)]
    for archive in archives:
        pack(release, archive)
    assert archives[0].read_bytes() == archives[1].read_bytes()
    with tarfile.open(archives[0]) as packed:
        packed.extractall(tmp_path / "out", filter="data")
    mine = {path.relative_to(release): path for path in release.rglob("*") if path.is_file()}
    for name, path in mine.items():
        assert (tmp_path / "out" / release.name / name).read_bytes() == path.read_bytes()


def test_the_command_says_what_it_built(release: Path, tmp_path: Path) -> None:
    from openchronic_assets.cli import app

    told = CliRunner().invoke(
        app,
        ["atlas", "--release", str(release), "--out", str(tmp_path / "site"), "--json",
         "--home", str(tmp_path / "home")],
    )  # fmt: skip
    document_ = json.loads(told.stdout)
    assert document_["indicators"] == 2 and document_["suppressed"] > 0
    assert Path(document_["page"]).is_file()


# ---- outlines


def squares() -> dict[str, list[list[float]]]:
    """Return a square in degrees for each department, side by side."""
    rings = {}
    for number, code in enumerate(sorted(outlines.CODES)):
        x, y = -4 + (number % 11), 43 + number // 11 * 0.8
        rings[code] = [[x, y], [x + 1, y], [x + 1, y + 0.8], [x, y + 0.8], [x, y]]
    return rings


def geojson(rings: dict[str, list[list[float]]], name: str = "INSEE_DEP") -> dict[str, Any]:
    return {
        "type": "FeatureCollection",
        "features": [
            {"type": "Feature", "properties": {name: code},
             "geometry": {"type": "Polygon", "coordinates": [ring]}}
            for code, ring in rings.items()
        ],
    }  # fmt: skip


def test_the_outlines_that_ship_hold_the_101_departments_and_paris_twice() -> None:
    frame = outlines.shipped()
    panels = {panel["id"]: panel for panel in frame["panels"]}
    assert {code for panel in panels.values() for code in panel["shapes"]} == outlines.CODES
    assert set(panels["paris"]["shapes"]) == {"75", "92", "93", "94"}
    assert len(panels["main"]["shapes"]) == 96 and len(panels) == 7
    assert all(len(d) > 20 for panel in panels.values() for d in panel["shapes"].values())
    assert "CC BY 4.0" in frame["credit"]
    assert {code for _, code, _, _ in places() if len(code) > 1} >= outlines.CODES


def test_the_outlines_of_a_user_take_their_place(release: Path, tmp_path: Path) -> None:
    path = tmp_path / "ign.geojson"
    path.write_text(json.dumps(geojson(squares())), encoding="utf-8")
    build(release, tmp_path / "site", path, "IGN, Admin Express 2024")
    frame = document(tmp_path / "site" / "data" / "outlines.js")
    assert frame["credit"] == "IGN, Admin Express 2024"
    assert {code for panel in frame["panels"] for code in panel["shapes"]} == outlines.CODES
    main = frame["panels"][0]
    assert main["borders"]  # departments of two regions lie side by side
    assert all(0 <= value <= 720 for box in main["boxes"].values() for value in box)


def test_a_topojson_gives_the_frame_of_its_geojson(tmp_path: Path) -> None:
    rings = squares()
    plain, topo = tmp_path / "a.geojson", tmp_path / "b.json"
    plain.write_text(json.dumps(geojson(rings, "code")), encoding="utf-8")
    arcs, geometries = [], []
    for number, (code, ring) in enumerate(rings.items()):
        steps, (x, y) = [], (0.0, 0.0)
        for a, b in ring:
            steps.append([a - x, b - y])
            x, y = a, b
        arcs.append(steps)
        geometries.append({"type": "Polygon", "id": code, "arcs": [[number]]})
    document_ = {"type": "Topology", "transform": {"scale": [1, 1], "translate": [0, 0]},
                 "arcs": arcs, "objects": {"d": {"type": "GeometryCollection",
                                   "geometries": geometries}}}  # fmt: skip
    topo.write_text(json.dumps(document_), encoding="utf-8")
    assert outlines.read(plain, {}, "x") == outlines.read(topo, {}, "x")


def missing(rings: dict[str, Any]) -> Any:
    return geojson({code: ring for code, ring in rings.items() if code != "2A"})


def twice(rings: dict[str, Any]) -> Any:
    made = geojson(rings)
    made["features"].append(made["features"][0])
    return made


def projected(rings: dict[str, Any]) -> Any:
    return geojson({code: [[x * 1e5, y * 1e5] for x, y in ring] for code, ring in rings.items()})


def flat(rings: dict[str, Any]) -> Any:
    return geojson({**rings, "29": [[1, 45], [1, 45], [1, 45]]})


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (missing, "missing for 2A"),
        (twice, "is there twice"),
        (projected, "longitudes and latitudes"),
        (flat, "has no area"),
        (lambda rings: {"type": "FeatureCollection"}, "not a GeoJSON"),
        (lambda rings: [1, 2], "not a GeoJSON"),
    ],
)
def test_outlines_that_cannot_be_drawn_are_refused(tmp_path: Path, make: Any, words: str) -> None:
    path = tmp_path / "outlines.json"
    path.write_text(json.dumps(make(squares())), encoding="utf-8")
    with pytest.raises(UsageError, match=words):
        outlines.read(path, {})
