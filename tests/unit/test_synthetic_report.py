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
from openchronic_assets.synthetic.truth import read

YEAR = 2019
PERSONS = 1500


@pytest.fixture(scope="module")
def extract(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("report") / "extract"
    generate(out, PERSONS, (YEAR, YEAR), 5, ["59", "973"], "none", format="parquet")
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
    names = files(extract, "ER_PRS_F")
    visits = paid = 0.0
    for row in duckdb.sql(f"select * from read_parquet({names!r})").df().to_dict("records"):
        paid += float(row["PRS_PAI_MNT"]) - float(row["BSE_REM_MNT"]) - float(row["CPL_REM_MNT"])
        if int(row["PRS_NAT_REF"]) in acceptance.GP_NATURES and int(row["PSE_SPE_COD"]) in (1, 22):
            visits += np.sign(float(row["PRS_ACT_QTE"])) * (int(row["CPL_MAJ_TOP"]) < 2)
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
