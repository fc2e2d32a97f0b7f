"""Variation between units: answers by hand, brute force, planted variances found again."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats  # type: ignore[import-untyped]

from openchronic_assets.analytics.variation import funnel, random_effects, spatial
from openchronic_assets.analytics.variation import statistics as s
from openchronic_assets.errors import UsageError


def test_quotients_and_coefficients_are_those_by_hand() -> None:
    rate, events = [2.0, 4.0, 6.0, 100.0], [10, 20, 30, 9]
    assert s.extremal_quotient(rate, events) == 3  # the last one has nine events
    assert s.extremal_quotient(rate, events, low=50, high=100) == 1.5
    assert s.extremal_quotient([0.0, 1.0], [10, 10]) is None
    assert s.extremal_quotient([1.0], [10]) is None
    assert s.coefficient_of_variation([1.0, 3.0]) == pytest.approx(math.sqrt(2) / 2)
    # Mean (1 x 1 + 3 x 3) / 4 = 2.5; deviation sqrt((2.25 + 3 x 0.25) / 4).
    assert s.coefficient_of_variation([1.0, 3.0], [1, 3]) == pytest.approx(math.sqrt(0.75) / 2.5)
    assert s.coefficient_of_variation([0.0, 0.0]) is None
    assert s.coefficient_of_variation([1.0]) is None


def test_systematic_component_is_negative_where_all_is_as_expected() -> None:
    expected = np.array([5.0, 10, 20])
    found = s.systematic_component(expected, expected)
    assert found == pytest.approx(-(1 / 5 + 1 / 10 + 1 / 20) / 3)
    assert s.systematic_component([15, 5], [10, 10]) == pytest.approx(0.25 - 0.1)
    # The 5th and 95th percentiles of 21 ratios leave one out at each end.
    ratio = np.arange(90, 111)
    inner = s.systematic_component(ratio[1:-1], np.full(19, 100.0))
    assert s.systematic_component_5_95(ratio, np.full(21, 100.0)) == pytest.approx(inner)
    assert s.systematic_component([1], [1]) is None
    with pytest.raises(UsageError, match="without expected"):
        s.systematic_component([1, 2], [0, 1])
    with pytest.raises(UsageError, match="must have numbers"):
        s.systematic_component([1, math.nan], [1, 1])


def test_heterogeneity_is_the_chi_square() -> None:
    found = s.heterogeneity([15, 5, 10], [10, 10, 10])
    assert found is not None
    assert (found.chi_square, found.freedom) == (5, 2)
    assert found.p_value == pytest.approx(math.exp(-2.5))


def test_shrinking_pulls_small_units_to_the_mean() -> None:
    found = s.marshall([30, 3, 60], [20, 2, 80])
    assert found is not None
    m = 93 / 102
    spread = (20 * (1.5 - m) ** 2 + 2 * (1.5 - m) ** 2 + 80 * (0.75 - m) ** 2) / 102
    between = spread - m * 3 / 102
    assert (found.mean, found.variance) == pytest.approx((m, between))
    assert found.shrunken[0] == pytest.approx(m + between / (between + m / 20) * (1.5 - m))
    assert abs(found.shrunken[1] - m) < abs(found.shrunken[0] - m)
    flat = s.marshall([10, 11], [10, 10])
    assert flat is not None and flat.variance == 0
    assert flat.shrunken.tolist() == [1.05, 1.05]


def test_odds_ratio_and_correlation_of_a_variance() -> None:
    assert s.median_odds_ratio(0) == 1
    assert s.median_odds_ratio(1) == pytest.approx(math.exp(math.sqrt(2) * 0.67449), rel=1e-5)
    assert s.intraclass_correlation(math.pi**2 / 3) == pytest.approx(0.5)


@pytest.mark.parametrize("family", ["poisson", "binomial"])
def test_the_likelihood_is_that_of_brute_force(family: str) -> None:
    o, n = np.array([3, 16, 40, 7]), np.array([20.0, 22, 55, 30])
    e = np.array([8.0, 6, 30, 14])
    found = random_effects.poisson(o, e) if family == "poisson" else random_effects.binomial(o, n)
    assert found is not None

    def by_brute_force(level: float, variance: float) -> float:
        total = 0.0
        for place in range(len(o)):

            def density(u: float, place: int = place) -> float:
                if family == "poisson":
                    law = stats.poisson.pmf(o[place], e[place] * math.exp(level + u))
                else:
                    law = stats.binom.pmf(o[place], n[place], 1 / (1 + math.exp(-level - u)))
                return float(law * stats.norm.pdf(u, 0, math.sqrt(variance)))

            total += math.log(integrate.quad(density, -6, 6, limit=400)[0])
        return total

    own = by_brute_force(found.level, found.variance)
    assert found.log_likelihood == pytest.approx(own, abs=1e-4)
    for level, factor in ((0.05, 1.0), (-0.05, 1.0), (0.0, 1.3), (0.0, 0.7)):
        assert by_brute_force(found.level + level, found.variance * factor) < own


def test_no_variance_beyond_chance_is_none() -> None:
    found = random_effects.poisson([10, 20, 40], [10, 20, 40])
    assert found is not None
    assert (found.variance, found.low) == (0, 0) and found.high > 0
    assert found.effect.tolist() == [0, 0, 0] and found.reliability.tolist() == [0, 0, 0]
    assert random_effects.poisson([1, 2], [1, 2]) is None
    assert random_effects.poisson([0, 0, 0], [1, 2, 3]) is None
    assert random_effects.binomial([5, 6, 7], [5, 6, 7]) is None
    with pytest.raises(UsageError, match="above 0"):
        random_effects.poisson([1, 2, 3], [0, 1, 1])
    with pytest.raises(UsageError, match="no more events than trials"):
        random_effects.binomial([3, 1, 1], [2, 2, 2])


def test_planted_variances_are_in_their_intervals() -> None:
    rng = np.random.default_rng(1)
    runs, covered, mean = 40, 0, 0.0
    scv: list[float] = []
    inside = 0
    for _ in range(runs):
        e = rng.lognormal(4, 1, 101)
        u = rng.normal(-(0.3**2) / 2, 0.3, 101)  # ratios of mean 1
        o = rng.poisson(e * np.exp(u))
        found = random_effects.poisson(o, e)
        assert found is not None
        covered += found.low <= 0.09 <= found.high
        mean += found.variance / runs
        component = s.systematic_component(o, e)
        assert component is not None
        scv.append(component)
        between = s.systematic_component_interval(o, e, replicates=200)
        assert between is not None and between[0] < component < between[1]
        inside += between[0] <= math.exp(0.09) - 1 <= between[1]
    assert covered >= 35  # 95 % of 40, less three standard deviations
    assert inside >= 30  # skewed terms: the interval holds some nine times in ten
    assert mean == pytest.approx(0.09, rel=0.1)
    # The variance of exp(u) is exp(s^2) - 1.
    error = np.std(scv) / math.sqrt(runs)
    assert abs(np.mean(scv) - (math.exp(0.09) - 1)) < 3 * error


def test_a_systematic_component_without_spread_has_no_interval() -> None:
    assert s.systematic_component_interval([5, 9], [4, 8]) is None
    assert s.systematic_component_interval([5, 5, 5], [4, 4, 4]) is None
    expected = np.linspace(5, 40, 20)
    observed = np.random.default_rng(3).poisson(expected * 1.2)
    one, other, again = (
        s.systematic_component_interval(observed, expected, seed=seed) for seed in (1, 2, 1)
    )
    assert one is not None and one == again and one != other


def test_case_mix_that_is_expected_is_no_variance() -> None:
    rng = np.random.default_rng(2)
    n, p = rng.integers(200, 2000, 60), rng.uniform(0.05, 0.3, 60)
    o = rng.binomial(n, p)
    blind, told = random_effects.binomial(o, n), random_effects.binomial(o, n, n * p)
    assert blind is not None and told is not None
    assert blind.low > 0.1 and told.high < 0.02
    assert told.reliability.max() < 0.8 < blind.reliability.min()


def test_funnel_limits_are_interpolated_between_counts() -> None:
    narrow, wide = funnel.poisson_limits(1.0, [10.0])
    for limit, level in ((narrow, 0.95), (wide, 0.998)):
        for bound, p in ((limit.low, (1 - level) / 2), (limit.high, (1 + level) / 2)):
            r = next(k for k in range(100) if stats.poisson.cdf(k, 10) >= p)
            expected = r - (stats.poisson.cdf(r, 10) - p) / stats.poisson.pmf(r, 10)
            assert bound[0] == pytest.approx(expected / 10)
    assert wide.low[0] < narrow.low[0] < 1 < narrow.high[0] < wide.high[0]
    low = funnel.binomial_limits(0.01, [5])[0].low[0]
    assert low == 0


def test_overdispersion_is_that_by_hand() -> None:
    z = np.array([-4.0, -2, 0, 2, 4] * 4)
    expected = np.full(20, 100.0)
    found = funnel.of_ratios(100 * (1 + z / 10), expected)
    assert found.z == pytest.approx(z)
    kept = np.clip(z, -4, 4)  # a tenth of twenty at each end has the same value
    phi = float((kept**2).mean())
    assert found.dispersion == pytest.approx(phi) and found.is_overdispersed
    tau2 = (20 * phi - 19) / (2000 - 100)  # weights are all 100
    assert found.between == pytest.approx(tau2)
    assert found.z_adjusted == pytest.approx(z / 10 / math.sqrt(0.01 + tau2))
    assert set(found.status.tolist()) == {"within"}
    assert funnel.winsorised([0.0, 1, 2, 3, 100], 0.25).tolist() == [1, 1, 2, 3, 3]


def test_a_unit_far_out_is_told_and_chance_is_not() -> None:
    observed = np.array([100, 98, 103, 95, 104, 99, 101, 100, 97, 140])
    found = funnel.of_ratios(observed, np.full(10, 100.0))
    assert not found.is_overdispersed
    assert found.status.tolist() == ["within"] * 9 + ["outside_998"]
    share = funnel.of_proportions([50, 50, 70], [100, 100, 100], 0.5)
    assert share.status.tolist()[:2] == ["within"] * 2
    with pytest.raises(UsageError):
        funnel.of_ratios([1], [0])
    with pytest.raises(UsageError):
        funnel.of_proportions([1], [2], 1.0)


def test_moran_on_a_line_is_that_by_hand() -> None:
    codes = [f"{n:02d}" for n in range(10)]
    line = list(zip(codes, codes[1:], strict=False))
    x = np.arange(10.0) - 4.5
    top = sum(x[i] * np.mean([x[j] for j in (i - 1, i + 1) if 0 <= j < 10]) for i in range(10))
    found = spatial.moran([*codes, "island"], [*x, 50.0], line)
    assert found is not None
    assert found.value == pytest.approx(top / (x @ x))
    assert found.expected == pytest.approx(-1 / 9)
    assert (found.units, found.islands) == (10, ("island",))
    assert found.p_value < 0.01
    turns = spatial.moran(codes, [1.0, -1.0] * 5, line)
    assert turns is not None and turns.value == pytest.approx(-1) and turns.p_value > 0.9
    again = spatial.moran([*codes, "island"], [*x, 50.0], [pair[::-1] for pair in line])
    assert again == found


def test_moran_needs_units_and_differences() -> None:
    codes = [f"{n:02d}" for n in range(10)]
    line = list(zip(codes, codes[1:], strict=False))
    assert spatial.moran(codes, [1.0] * 10, line) is None
    assert spatial.moran(codes, range(10), line[:3]) is None
    assert spatial.moran([], [], []) is None
    with pytest.raises(UsageError, match="told twice"):
        spatial.moran(["a", "a"], [1, 2], [])


def test_borders_of_departments_are_a_map() -> None:
    pairs = spatial.departments()
    assert all(one < other for one, other in pairs)
    known = {f"{n:02d}" for n in range(1, 96) if n != 20} | {"2A", "2B"}
    near: dict[str, set[str]] = {code: set() for code in known}
    for one, other in pairs:
        near[one].add(other)
        near[other].add(one)
    assert near["75"] == {"92", "93", "94"} and near["29"] == {"22", "56"}
    assert near["2A"] == {"2B"} and near["77"] == {"02", "10", "45", "51", "60", "89", "91",
                                                   "93", "94", "95"}  # fmt: skip
    assert min(map(len, near.values())) == 1 and max(map(len, near.values())) <= 10
    seen, todo = {"75"}, ["75"]
    while todo:
        fresh = near[todo.pop()] - seen
        seen |= fresh
        todo += fresh
    assert seen == known - {"2A", "2B"}  # the mainland holds together
    assert spatial.regions({"75": "11", "92": "11", "28": "24", "78": "11"}, pairs) == {
        ("24", "11")
    }


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 60), st.floats(0.5, 60)), min_size=3, max_size=30),
    st.floats(0.5, 3),
)
def test_shrunken_ratios_lie_between_their_own_and_the_mean(
    units: list[tuple[int, float]], scale: float
) -> None:
    o, e = np.array([u[0] for u in units]), np.array([u[1] for u in units]) * scale
    found = s.marshall(o, e)
    assert found is not None
    ratio = o / e
    low, high = np.minimum(ratio, found.mean), np.maximum(ratio, found.mean)
    assert (found.shrunken >= low - 1e-9).all() and (found.shrunken <= high + 1e-9).all()
