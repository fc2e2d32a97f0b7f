"""The calibration report: figures as an analyst would count them, a page that stands alone."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import numpy as np
import pytest

from openchronic_assets.errors import UsageError
from openchronic_assets.synthetic import acceptance, generate, report
from openchronic_assets.synthetic.acceptance import Band, files
from openchronic_assets.synthetic.prevalence import france
from openchronic_assets.synthetic.truth import read

YEAR = 2019
PERSONS = 2500
# What chance may add to a band measured on so few people: three standard errors.
NOISE = {
    "any_ald": 1.8, "gp_visits": 0.3, "mco_stays": 0.05, "hospitalised": 2.4, "deaths": 1.0,
    "readmission_adults": 5.5, "readmission_65": 9.0, "emergency": 0.05, "out_of_pocket": 50,
    "ald_spend": 8.0,
}  # fmt: skip


@pytest.fixture(scope="module")
def extract(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("report") / "extract"
    everywhere = list(france().departments)
    generate(out, PERSONS, (YEAR, YEAR), 5, everywhere, "none", format="parquet")
    return out


@pytest.fixture(scope="module")
def found(extract: Path) -> report.Appraisal:
    return report.appraise(extract)


def test_rank_correlation_is_that_of_the_definition() -> None:
    same = np.array([1.0, 5, 2, 9])
    assert report.spearman(same, same**3) == pytest.approx(1)
    assert report.spearman(same, -same) == pytest.approx(-1)
    # Ties share their mean rank: ranks 1.5 1.5 3 against 1 2 3.
    assert report.spearman(np.array([1.0, 1, 2]), np.array([1.0, 2, 3])) == pytest.approx(
        np.sqrt(3) / 2
    )
    assert report.spearman(np.ones(4), same) == 0


@pytest.mark.parametrize(
    ("value", "holds"), [(4.0, True), (3.4, True), (4.7, False), (None, False)]
)
def test_a_band_holds_within_its_bounds(value: float | None, holds: bool) -> None:
    assert Band("x", "x", "", 3.4, 4.6, "", value).holds is holds


@pytest.mark.parametrize("name", [band.name for band in acceptance.BANDS])
def test_a_figure_is_in_its_band_but_for_chance(found: report.Appraisal, name: str) -> None:
    band = next(each for each in found.bands if each.name == name)
    assert band.value is not None
    assert band.low - NOISE[name] <= band.value <= band.high + NOISE[name]


@pytest.mark.slow
def test_every_band_and_rank_holds_on_a_large_sample(tmp_path: Path) -> None:
    everywhere = list(france().departments)
    generate(
        tmp_path / "e", 100_000, (YEAR, YEAR), 7, everywhere, "none", format="parquet", processes=2
    )
    found = report.appraise(tmp_path / "e")
    assert [band.name for band in found.bands if not band.holds] == []
    assert [ranks.label for ranks in found.ranks if not ranks.holds] == []


def test_people_with_an_ald_are_those_alive_and_exempted_on_31_december(
    extract: Path, found: report.Appraisal
) -> None:
    folder = acceptance.truth_of(extract)
    day = f"{YEAR}-12-31"
    alive = {
        row["index"]
        for row in read(folder, "persons")
        if str(row["birth_date"]) <= day
        and (row["death_date"] is None or str(row["death_date"]) > day)
    }
    ill: dict[int, set[int]] = {}
    for row in read(folder, "ald_episodes"):
        open_then = row["end_date"] is None or str(row["end_date"]) >= day
        if row["index"] in alive and str(row["start_date"]) <= day and open_then:
            ill.setdefault(row["ald_num"], set()).add(row["index"])
    assert found.tally.alive.sum() == len(alive)
    counted = found.tally.ill.sum(axis=(1, 2, 3))
    assert counted.tolist() == [len(ill.get(number, ())) for number in range(1, 33)]
    share = 100 * len(set().union(*ill.values())) / len(alive)
    bands = {band.name: band.value for band in found.bands}
    assert bands["any_ald"] == pytest.approx(share)


def test_gp_visits_and_out_of_pocket_are_counted_on_the_lines(
    extract: Path, found: report.Appraisal
) -> None:
    columns = "PRS_PAI_MNT, BSE_REM_MNT, CPL_REM_MNT, PRS_NAT_REF, PSE_SPE_COD, PRS_ACT_QTE"
    names = files(extract, "ER_PRS_F")
    visits = paid = 0.0
    for whole, base, more, nature, specialty, quantity, top in duckdb.sql(
        f"select {columns}, CPL_MAJ_TOP from read_parquet({names!r})"
    ).fetchall():
        paid += float(whole) - float(base) - float(more)
        if int(nature) in acceptance.GP_NATURES and int(specialty) in (1, 22):
            visits += np.sign(float(quantity)) * (int(top) < 2)
    bands = {band.name: band.value for band in found.bands}
    gp, euros = bands["gp_visits"], bands["out_of_pocket"]
    assert gp is not None and euros is not None
    assert paid / visits == pytest.approx(euros / gp)
    assert 0.9 * PERSONS < visits / gp < PERSONS


def test_the_page_stands_alone_and_says_every_verdict(
    found: report.Appraisal, tmp_path: Path
) -> None:
    target = tmp_path / "page.html"
    report.write(found, target)
    text = target.read_text(encoding="utf-8")
    assert not re.search(r"(src|href)=|@import|url\(|<script", text)
    assert text.count("<svg") > 10 and '<html lang="fr">' in text
    for band in acceptance.BANDS:
        assert band.label in text
    assert text.count("conforme</span>") + text.count("hors bornes</span>") >= 8
    assert list(tmp_path.iterdir()) == [target]


def test_the_summary_tells_what_the_page_shows(found: report.Appraisal) -> None:
    summary = found.summary
    assert set(summary) == {"generator", "bands", "residuals", "ald", "ranks"}
    assert len(summary["ald"]) == 32  # type: ignore[arg-type]


def test_an_extract_without_truth_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no truth beside it"):
        report.appraise(tmp_path)
    with pytest.raises(UsageError, match="not a folder"):
        report.write(None, tmp_path / "nowhere" / "page.html")  # type: ignore[arg-type]
