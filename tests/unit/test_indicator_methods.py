"""The statistics of indicators against published examples and a library."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from openchronic_assets.errors import UsageError
from openchronic_assets.indicators import methods

counts = st.integers(0, 5000)
strata = st.lists(
    st.tuples(st.integers(0, 200), st.integers(200, 50_000), st.integers(1, 7000)),
    min_size=1,
    max_size=20,
)


def test_wilson_gives_the_published_bounds_at_none_of_ten() -> None:
    bounds = methods.wilson(0, 10)
    assert float(bounds.low) == 0
    assert float(bounds.high) == pytest.approx(0.2775, abs=5e-5)


@given(counts, st.integers(1, 5000))
def test_wilson_is_that_of_scipy(x: int, more: int) -> None:
    n = x + more
    known = stats.binomtest(x, n).proportion_ci(method="wilson")
    bounds = methods.wilson(x, n)
    assert float(bounds.low) == pytest.approx(known.low, rel=1e-6, abs=1e-12)
    assert float(bounds.high) == pytest.approx(known.high, rel=1e-6)


def test_nobody_has_no_interval() -> None:
    assert math.isnan(float(methods.wilson(0, 0).low))


def test_byar_gives_the_published_bounds_at_ten() -> None:
    bounds = methods.byar(10)
    assert (round(float(bounds.low), 2), round(float(bounds.high), 2)) == (4.79, 18.39)
    assert float(methods.byar(0).low) == 0


@given(st.integers(10, 10_000))
def test_byar_is_near_the_exact_poisson_interval(count: int) -> None:
    bounds = methods.byar(count)
    assert float(bounds.low) == pytest.approx(stats.chi2.ppf(0.025, 2 * count) / 2, rel=5e-3)
    assert float(bounds.high) == pytest.approx(stats.chi2.ppf(0.975, 2 * count + 2) / 2, rel=5e-3)


@given(strata, st.floats(1e-4, 0.5))
def test_a_constant_rate_standardises_to_itself(
    cells: list[tuple[int, int, int]], rate: float
) -> None:
    population = [n for _, n, _ in cells]
    weights = [w for _, _, w in cells]
    events = [rate * n for n in population]
    assert methods.direct(events, population, weights).value == pytest.approx(rate, rel=1e-12)


@given(strata)
def test_intervals_hold_the_value_and_the_gamma_one_is_not_narrower_below(
    cells: list[tuple[int, int, int]],
) -> None:
    events, population, weights = (np.array(each) for each in zip(*cells, strict=True))
    dobson = methods.direct(events, population, weights)
    gamma = methods.fay_feuer(events, population, weights)
    assert gamma.low <= gamma.value <= gamma.high
    assert gamma.value == pytest.approx(dobson.value, rel=1e-12)
    if events.sum():
        assert dobson.low <= dobson.value <= dobson.high


def test_fay_feuer_of_one_stratum_is_the_exact_poisson_interval() -> None:
    found = methods.fay_feuer([7], [1000], [1])
    assert found.low == pytest.approx(stats.chi2.ppf(0.025, 14) / 2 / 1000, rel=1e-9)
    assert found.high == pytest.approx(stats.chi2.ppf(0.975, 16) / 2 / 1000, rel=1e-9)


def test_strata_without_people_are_left_out_and_bad_ones_refused() -> None:
    assert methods.direct([1, 0], [100, 0], [1, 1]).value == pytest.approx(0.01)
    for bad in (([1], [0], [1]), ([1, 2], [1], [1]), ([-1], [10], [1])):
        with pytest.raises(UsageError):
            methods.direct(*bad)
    with pytest.raises(UsageError, match="nothing is expected"):
        methods.indirect(3, 0)


def test_observed_as_expected_is_one() -> None:
    found = methods.indirect(25, 25)
    assert found.value == 1 and found.low < 1 < found.high


def test_a_mean_and_a_ratio_have_an_interval_from_two_hundred_units_on() -> None:
    values = np.arange(200.0)
    found = methods.mean(values)
    half = methods.Z * values.std(ddof=1) / math.sqrt(200)
    assert (found.low, found.high) == pytest.approx((99.5 - half, 99.5 + half))
    assert math.isnan(methods.mean(values[:199]).low)
    assert methods.ratio(values, np.full(200, 2.0)).value == pytest.approx(99.5 / 2)
    assert methods.ratio(values, np.ones(200)).variance == pytest.approx(found.variance)
    assert math.isnan(methods.ratio([1.0], [0.0]).value)


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=300), st.sampled_from([0.1, 0.5, 0.9]))
def test_a_quantile_is_that_of_the_inverse_distribution(values: list[int], of: float) -> None:
    found = methods.quantile(values, of)
    assert found.value == np.quantile(values, of, method="inverted_cdf")
    if not math.isnan(found.low):
        assert found.low <= found.value <= found.high
