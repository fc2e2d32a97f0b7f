"""Each figure by hand on a small table, by scikit-learn as a second opinion, by its invariants."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

from openchronic_assets.analytics.risk import evaluation, metrics

Y = np.array([0, 0, 1, 0, 1, 1], float)
P = np.array([0.1, 0.2, 0.2, 0.4, 0.6, 0.8])


def drawn(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    p = np.round(1 / (1 + np.exp(-rng.normal(-2, 1, rows))), 2).clip(0.01, 0.99)
    return (rng.random(rows) < p).astype(float), p


def test_auroc_by_hand() -> None:
    # Nine pairs of case and other: 0.2 beats 0.1, ties 0.2 (half), loses to 0.4; the rest win.
    assert metrics.auroc(Y, P) == pytest.approx((1 + 0.5 + 0 + 3 + 3) / 9)


def test_average_precision_by_hand() -> None:
    # Cases are found at ranks 1 and 2 (precision 1), then with the tie at rank 5 (3 of 5).
    assert metrics.auprc(Y, P) == pytest.approx((1 + 1 + 3 / 5) / 3)


def test_brier_by_hand() -> None:
    assert metrics.brier(Y, P) == pytest.approx((0.01 + 0.04 + 0.64 + 0.16 + 0.16 + 0.04) / 6)
    assert metrics.scaled_brier(Y, np.full(6, 0.5)) == pytest.approx(0)


def test_net_benefit_by_hand() -> None:
    # At 0.2 five are flagged, three of them cases; at 0.5 two, both cases.
    found = metrics.net_benefit(Y, P, np.array([0.2, 0.5]))
    assert found == pytest.approx([3 / 6 - 2 / 6 * 0.25, 2 / 6])
    assert metrics.treat_all(Y, np.array([0.2])) == pytest.approx([0.5 - 0.5 * 0.25])


def test_the_top_share_by_hand() -> None:
    found = metrics.top(Y, P, 0.5)
    assert (found.flagged, found.hits) == (3, 2)
    assert found.sensitivity == pytest.approx(2 / 3)
    assert found.predictive_value == pytest.approx(2 / 3)
    assert found.number_needed == pytest.approx(1.5)


def test_calibration_of_two_groups_by_hand() -> None:
    # Two groups of ten at 20 % and 80 % of risk, 3 and 7 cases: the line passes through both.
    p = np.repeat([0.2, 0.8], 10)
    y = np.array([1.0] * 3 + [0.0] * 7 + [1.0] * 7 + [0.0] * 3)
    intercept, slope = metrics.calibration(y, p)
    assert slope == pytest.approx(math.log(7 / 3) / math.log(4))
    assert intercept == pytest.approx(0, abs=1e-9)


def test_risks_twice_too_far_apart_have_half_a_slope() -> None:
    y, p = drawn(20_000, 4)
    far = 1 / (1 + np.exp(-2 * metrics.logit(p)))
    assert metrics.calibration(y, far)[1] == pytest.approx(metrics.calibration(y, p)[1] / 2)


@pytest.mark.parametrize("seed", range(5))
def test_scikit_learn_says_the_same(seed: int) -> None:
    y, p = drawn(2000, seed)
    assert metrics.auroc(y, p) == pytest.approx(roc_auc_score(y, p))
    assert metrics.auprc(y, p) == pytest.approx(average_precision_score(y, p))
    assert metrics.brier(y, p) == pytest.approx(brier_score_loss(y, p))
    assert metrics.log_loss(y, p) == pytest.approx(log_loss(y, p))
    line = LogisticRegression(C=np.inf, tol=1e-10, max_iter=2000)
    line.fit(metrics.logit(p)[:, None], y)
    intercept, slope = metrics.calibration(y, p)
    assert slope == pytest.approx(line.coef_[0, 0], abs=1e-4)
    assert intercept == pytest.approx(line.intercept_[0], abs=1e-4)


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(1, 9)), min_size=2, max_size=30))
@settings(max_examples=60, deadline=None)
def test_a_weight_of_two_is_the_row_twice(rows: list[tuple[int, int]]) -> None:
    y = np.array([y for y, _ in rows], float)
    p = np.array([p / 10 for _, p in rows])
    w = np.arange(len(rows)) % 3
    twice = np.repeat(np.arange(len(rows)), w)
    if not 0 < y[twice].sum() < len(twice):
        return
    for name in ("auroc", "auprc", "brier", "log_loss"):
        figure = getattr(metrics, name)
        assert figure(y, p, w.astype(float)) == pytest.approx(figure(y[twice], p[twice])), name


@pytest.mark.parametrize("y", [np.zeros(5), np.ones(5)])
def test_one_class_alone_has_no_discrimination_and_no_slope(y: np.ndarray) -> None:
    p = np.linspace(0.1, 0.9, 5)
    assert math.isnan(metrics.auroc(y, p))
    assert all(math.isnan(each) for each in metrics.calibration(y, p))


def test_the_same_risk_for_all_has_no_slope() -> None:
    assert all(math.isnan(each) for each in metrics.calibration(Y, np.full(6, 0.3)))


def test_risks_that_part_the_classes_wholly_have_no_slope() -> None:
    y = np.repeat([0.0, 1.0], 20)
    p = np.linspace(0.05, 0.95, 40)
    assert all(math.isnan(each) for each in metrics.calibration(y, p))


def test_people_are_drawn_with_all_their_rows() -> None:
    person = np.repeat(np.arange(50), 4)
    found = metrics.weights(person, 3, 0)
    assert found.sum() == 200
    assert (found.reshape(50, 4) == found.reshape(50, 4)[:, :1]).all()
    # With return: somebody twice, somebody not at all.
    assert found.max() > 1 and found.min() == 0


def test_rows_that_repeat_a_person_make_intervals_wider() -> None:
    y, p = drawn(300, 1)
    many, risks = np.tile(y, 8), np.tile(p, 8)
    apart = metrics.intervals(many, {"m": risks}, np.arange(2400), 1, 200)["m"]["auroc"]
    by_person = metrics.intervals(many, {"m": risks}, np.tile(np.arange(300), 8), 1, 200)["m"]
    assert by_person["auroc"][1] - by_person["auroc"][0] > 2 * (apart[1] - apart[0])


def test_the_same_seed_gives_the_same_intervals() -> None:
    y, p = drawn(400, 2)
    one, other = (metrics.intervals(y, {"m": p}, np.arange(400), 7, 50) for _ in range(2))
    assert one == other
    low, high = one["m"]["auroc"]
    assert low < metrics.auroc(y, p) < high


def test_bins_of_the_calibration_curve_hold_eleven_cases_and_others() -> None:
    y, p = drawn(3000, 6)
    bins = metrics.curve(y, p)
    assert sum(each.count for each in bins) == 3000
    assert sum(each.cases for each in bins) == y.sum()
    assert all(each.cases >= 11 and each.count - each.cases >= 11 for each in bins)
    assert [each.risk for each in bins] == sorted(each.risk for each in bins)


def test_small_groups_are_told_together_and_never_alone() -> None:
    rng = np.random.default_rng(5)
    names = np.repeat(["big", "middle", "small", "tiny"], [2000, 600, 60, 5])
    y = (rng.random(len(names)) < 0.2).astype(float)
    y[names == "small"] = np.arange(60) < 5
    p = rng.random(len(names))
    found = evaluation.groups(y, p, np.arange(len(y)), names, 1)
    assert sum(each.count for each in found) == len(y)
    assert all(each.cases >= 11 and each.count - each.cases >= 11 for each in found)
    # Five cases at most in the small ones: the smallest of the others joins them.
    assert {each.name for each in found} == {"big", evaluation.OTHERS}


def test_a_single_group_left_is_not_shown() -> None:
    names = np.repeat(["big", "small"], [500, 10])
    y = (np.arange(510) % 5 == 0).astype(float)
    assert evaluation.groups(y, y * 0.5 + 0.1, np.arange(510), names, 1) == []


def test_points_of_the_decision_curve_flag_enough() -> None:
    y, p = drawn(2000, 9)
    for threshold, benefit, _ in evaluation.decisions(y, p):
        flagged = p >= threshold
        hits = y[flagged].sum()
        assert hits >= 11 and flagged.sum() - hits >= 11
        odds = threshold / (1 - threshold)
        assert benefit == pytest.approx((hits - (flagged.sum() - hits) * odds) / 2000)
