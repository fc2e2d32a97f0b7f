"""The analyses against what the generator planted: risks, effects of providers, places of care.

The extract is a small world of few, large providers. Its marts are made from its truth
(``marts_of_truth``), as a pipeline without fault would build them.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import duckdb
import marts_of_truth
import numpy as np
import pytest
from scipy.special import expit, logit  # type: ignore[import-untyped]
from sklearn.ensemble import HistGradientBoostingRegressor

from openchronic_assets import synthetic
from openchronic_assets.analytics.network import analysis
from openchronic_assets.analytics.risk import metrics, models, run
from openchronic_assets.analytics.risk.features import CATEGORICAL
from openchronic_assets.analytics.risk.study import outcome_of, standard
from openchronic_assets.analytics.variation import sources
from openchronic_assets.analytics.variation.study import Units, study

pytestmark = pytest.mark.long

PERSONS, SEED = 30_000, 8
YEARS = (2016, 2017, 2018, 2019)
WORLD, DEPARTMENTS = 40_000, ["23", "35", "62", "974"]  # nine doctors, four hospitals each
NEAR = 0.02
ROTATIONS = 5
Floats = Any


@pytest.fixture(scope="module")
def france(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    folder = tmp_path_factory.mktemp("france")
    synthetic.generate(
        folder / "extract", PERSONS, (YEARS[0], YEARS[-1]), SEED, DEPARTMENTS, "none",
        truth=folder / "truth", universe_persons=WORLD, format="parquet",
    )  # fmt: skip
    marts_of_truth.make(folder / "truth", folder / "marts.duckdb")
    with duckdb.connect(str(folder / "marts.duckdb"), read_only=True) as connection:
        yield connection


@dataclass
class Risks:
    """Every person tested once, by models of which they were no part."""

    y: Floats
    truth: Floats
    person: Floats
    risks: dict[str, Floats]

    def area(self, name: str) -> float:
        return metrics.auroc(self.y, self.risks[name])

    def missing(self, name: str) -> tuple[float, float, float]:
        """How much higher the AUROC of the planted risk is, with its interval."""
        return metrics.difference(self.y, self.truth, self.risks[name], self.person, 1, 200)


def held_out(
    of: run.Design, outcome: str, truth: Floats, rungs: tuple[str, ...], rows: Floats
) -> Risks:
    """Fit the rungs with the folds turned, so that all people come to be tested."""
    of = dataclasses.replace(of, matrix=of.matrix.of_outcome(outcome))
    y, fold = of.labels[outcome], of.fold.copy()
    found: dict[str, list[Floats]] = {rung: [] for rung in rungs}
    at: list[Floats] = []
    for turn in range(ROTATIONS):
        of.fold = (fold + 2 * turn) % run.FOLDS
        parts = run.split(of)
        known = ~np.isnan(y)
        train, held = (
            models.Part(of.matrix.values[each], y[each])
            for each in (parts.train & known, parts.validation & known)
        )
        test = np.flatnonzero(parts.test & known & rows & ~np.isnan(truth))
        at.append(test)
        for rung in rungs:
            names, seed = of.matrix.names, of.study.seed
            whole = models.Part(
                np.concatenate([train.values, held.values]), np.concatenate([train.y, held.y])
            )
            model = models.refit(models.fit(rung, names, train, held, seed), names, whole, seed)
            found[rung].append(model.risk(of.matrix.names, of.matrix.values[test]))
    of.fold = fold
    where = np.concatenate(at)
    assert len(where) == len(np.unique(where))
    return Risks(
        y[where],
        truth[where],
        np.unique(of.person[where], return_inverse=True)[1],
        {rung: np.concatenate(each) for rung, each in found.items()},
    )


def rows_held_out(of: run.Design, values: Floats, truth: Floats) -> Floats:
    """Return values of the rows in the order in which ``held_out`` tells them."""
    at, fold = [], of.fold.copy()
    for turn in range(ROTATIONS):
        of.fold = (fold + 2 * turn) % run.FOLDS
        at.append(np.flatnonzero(run.split(of).test & ~np.isnan(truth)))
    of.fold = fold
    return values[np.concatenate(at)]


def bounded(found: Risks) -> None:
    """No model is better than the planted risk, within the interval of the difference."""
    for name in found.risks:
        assert found.missing(name)[2] >= 0, name


@pytest.fixture(scope="module", autouse=True)
def a_small_forest() -> Iterator[None]:
    """Fifty trees, not five hundred: they need a minute less and rank people nearly alike."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "TREES", 50)
        yield


@pytest.fixture(scope="module")
def onset(france: duckdb.DuckDBPyConnection) -> run.Design:
    days = tuple(datetime.date(year, 1, 1) for year in YEARS[2:])
    return run.design(
        france, dataclasses.replace(standard("ald_onset"), landmarks=days), check=False
    )


def planted_onset(
    france: duckdb.DuckDBPyConnection, of: run.Design, number: int
) -> tuple[Floats, Floats]:
    """Return the planted risk of each row, and the rows of 1 January, for which it is planted."""
    known = {
        (person, year): risk
        for person, year, risk in france.execute(
            "select person_id, year, risk from truth_onset where ald_num = ?", [number]
        ).fetchall()
    }
    year = of.landmark.astype("datetime64[Y]").astype(int) + 1970
    keys = zip(of.person_id.tolist(), year.tolist(), strict=True)
    # Risks of a thousandth or less are not told one by one.
    truth = np.array([known.get(key, 0.0005) for key in keys])
    return truth, of.landmark == of.landmark.astype("datetime64[Y]")


def test_the_planted_risk_of_a_first_ald_bounds_the_ladder_and_the_best_is_near(
    france: duckdb.DuckDBPyConnection, onset: run.Design
) -> None:
    truth, january = planted_onset(france, onset, 0)
    found = held_out(onset, "any", truth, models.RUNGS, january)
    assert found.y.sum() > 200
    bounded(found)
    assert found.area("logistic") > found.area("age_sex")
    assert min(found.missing(rung)[0] for rung in models.RUNGS) <= NEAR


def test_the_planted_risk_of_diabetes_bounds_its_models(
    france: duckdb.DuckDBPyConnection, onset: run.Design
) -> None:
    truth, january = planted_onset(france, onset, 8)
    found = held_out(onset, outcome_of(8), truth, ("age_sex", "boosting"), january)
    assert found.y.sum() > 30
    bounded(found)
    assert min(found.area(rung) for rung in found.risks) > 0.6
    # A hundred cases teach little; who already has it where one lives tells more.
    assert found.area("boosting") > found.area("age_sex") + 0.01


def seen(of: run.Design, truth: Floats) -> Floats:
    """Return the planted risk as far as the features tell it.

    A regression of the planted risk itself on the features, of people by those of other folds: no
    chance of an outcome is in what it learns, and no model of these features can do better.
    """
    names = models.usable(of.matrix.names, of.matrix.values, least=0.005)
    columns = [of.matrix.names.index(name) for name in names]
    values, known = of.matrix.values[:, columns], ~np.isnan(truth)
    found = np.full(len(truth), np.nan)
    for fold in range(0, run.FOLDS, 2):
        own = of.fold // 2 == fold // 2
        learnt = HistGradientBoostingRegressor(
            max_iter=120, learning_rate=0.08, max_leaf_nodes=15, min_samples_leaf=30,
            l2_regularization=5, random_state=1,
            categorical_features=[name in CATEGORICAL for name in names],
        ).fit(values[known & ~own], truth[known & ~own])  # fmt: skip
        found[own] = learnt.predict(values[own])
    return found


def test_the_planted_risk_of_a_return_bounds_the_ladder_and_the_best_is_near_what_can_be_seen(
    france: duckdb.DuckDBPyConnection,
) -> None:
    of = run.design(france, standard("readmission"), check=False)
    truth = np.asarray(
        france.execute(
            "select readmission_risk from subject inner join main.readmission using (stay_id) "
            "order by subject.subject"
        ).fetchnumpy()["readmission_risk"]
    )
    rungs = ("age_sex", "logistic", "boosting")
    everybody = np.ones(len(truth), bool)
    found = held_out(of, "readmission_30d", truth, rungs, everybody)
    assert found.y.sum() > 100
    bounded(found)
    # Two parts of the planted risk are in no claim: how frail a person is, and whether a stay is
    # itself a return, after which another one is rare.
    best = metrics.auroc(found.y, found.truth)
    visible = metrics.auroc(found.y, rows_held_out(of, seen(of, truth), truth))
    assert visible < best
    assert visible - max(found.area(rung) for rung in rungs) <= NEAR
    # That a stay is itself a return is told as far as claims tell it.
    returns = of.matrix.column("is_return_same_diagnosis") > 0
    others = (of.matrix.column("is_return") > 0) & ~returns
    assert truth[returns].mean() < 0.7 * truth[others].mean()


def pooled(
    france: duckdb.DuckDBPyConnection, level: str, indicator: str
) -> tuple[Units, dict[str, float]]:
    """Return the units of all years together, and what was planted by unit."""
    parts = [sources.units(france, year, level, [indicator])[0] for year in YEARS]
    codes = sorted({code for part in parts for code in part.codes})

    def total(name: str) -> Floats:
        return np.array(
            [
                sum(
                    getattr(part, name)[part.codes.index(code)]
                    for part in parts
                    if code in part.codes
                )
                for code in codes
            ]
        )

    observed, size = total("observed"), total("size")
    return dataclasses.replace(
        parts[0], codes=tuple(codes), observed=observed, size=size, expected=total("expected"),
        value=observed / size, people=size,
    ), dict(france.execute("select provider, value from truth_effect where effect <> 'biology'"
    ).fetchall())  # fmt: skip


def test_effects_of_doctors_are_recovered_and_their_variance(
    france: duckdb.DuckDBPyConnection,
) -> None:
    units, planted = pooled(france, "doctor", "specialist_contact_rate")
    found = study(units)
    factor = np.array([planted[code] for code in units.codes])
    shrunken = found.units["shrunken_ratio"].to_numpy(float)
    large = units.size >= np.median(units.size)
    assert len(factor) == 36 and units.size.min() > 1000
    assert np.corrcoef(np.log(factor), np.log(shrunken))[0, 1] >= 0.9
    assert np.corrcoef(np.log(factor[large]), np.log(shrunken[large]))[0, 1] >= 0.95
    told = found.summary
    assert told["log_variance_low"] <= np.log(factor).var() <= told["log_variance_high"]
    spread = (factor / np.average(factor, weights=units.expected)).var()
    assert told["systematic_component_low"] <= spread <= told["systematic_component_high"]
    assert told["marshall_variance"] == pytest.approx(spread, rel=0.3)


def test_effects_of_hospitals_are_recovered_and_their_variance(
    france: duckdb.DuckDBPyConnection,
) -> None:
    units, planted = pooled(france, "establishment", "readmission_30d_rh30_like")
    found = study(units)
    # What a hospital does to the risks of its stays: the planted risk over that without its effect.
    stays = france.execute("select finess, readmission_risk as risk from main.readmission").df()
    without = expit(logit(stays["risk"].clip(1e-6)) - stays["finess"].map(planted))
    total = stays.assign(without=without).groupby("finess")[["risk", "without"]].sum()
    ratio = (total["risk"] / total["without"]).reindex(list(units.codes)).to_numpy(float)
    ratio /= np.average(ratio, weights=units.expected)
    shrunken = found.units["shrunken_ratio"].to_numpy(float)
    large = units.size >= np.median(units.size)
    assert len(ratio) == 16 and units.size[large].min() > 500
    assert np.corrcoef(ratio[large], shrunken[large])[0, 1] >= 0.9
    told = found.summary
    assert told["log_variance_low"] <= np.log(ratio).var() <= told["log_variance_high"]
    assert told["systematic_component_low"] <= ratio.var() <= told["systematic_component_high"]


def test_communities_are_the_places_of_care(france: duckdb.DuckDBPyConnection) -> None:
    from sklearn.metrics import adjusted_rand_score

    found = analysis.analyse(france, YEARS[-1], seeds=5)
    home = found.providers["department"]
    linked = (found.found.of >= 0) & home.notna().to_numpy()
    assert linked.sum() > 100
    assert adjusted_rand_score(home[linked], found.found.of[linked]) >= 0.8
    assert found.found.is_stable
