"""The variation of one indicator between the units of one level: all statistics, and why not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from openchronic_assets.analytics.variation import funnel, random_effects, spatial
from openchronic_assets.analytics.variation import statistics as s

Floats = NDArray[np.float64]
Row = dict[str, Any]

LEVELS = ("region", "department", "establishment", "doctor")
RELIABLE = 0.7
"""A unit's value is worth telling apart from the others' from this reliability on."""

STATISTICS = (
    "extremal_quotient", "extremal_quotient_5_95", "coefficient_of_variation",
    "weighted_coefficient_of_variation", "systematic_component", "systematic_component_low",
    "systematic_component_high", "systematic_component_5_95",
    "chi_square", "chi_square_p_value", "log_variance", "log_variance_low", "log_variance_high",
    "marshall_variance", "odds_variance", "intraclass_correlation", "median_odds_ratio",
    "reliable_units", "dispersion", "between_variance", "units_outside_95", "units_outside_998",
    "moran", "moran_p_value",
)  # fmt: skip

REASONS = {
    "fewer_than_2_units": "moins de deux unités peuvent être comparées",
    "fewer_than_3_units": "moins de trois unités peuvent être comparées",
    "fewer_than_2_units_of_10_events": "moins de deux unités ont dix cas ou plus",
    "lowest_is_zero": "la valeur la plus basse est nulle",
    "no_event": "aucun cas n'est observé",
    "no_case_mix": "un effectif attendu hors des bornes d'une proportion",
    "not_a_count": "l'indicateur n'est pas un compte de cas",
    "not_a_proportion": "l'indicateur n'est pas une proportion",
    "all_events": "toutes les unités ont tous les cas possibles",
    "same_everywhere": "toutes les unités ont le même rapport et le même effectif attendu",
    "unbounded": "la vraisemblance ne borne pas la variance",
    "no_neighbours": "trop peu d'unités voisines, ou une même valeur partout",
    "level_without_borders": "ce niveau n'a pas de voisinage",
    "nothing_expected": "aucun cas n'est attendu dans l'unité",
    "no_denominator": "personne n'est examiné dans l'unité",
}


@dataclass(frozen=True)
class Units:
    """The units of one level for one indicator, those without a figure already named.

    Attributes:
        indicator: its identifier.
        level: one of ``LEVELS``.
        kind: of the indicator: proportion, rate, mean, ratio, quantile.
        codes: of the units.
        observed: array (units,) of numerators.
        size: array (units,) of denominators.
        expected: array (units,) of what case mix explains; NaN where nothing is expected.
        value: array (units,): the indicator's own value; NaN where it has none.
        case_mix: what the expected events are adjusted for.
        people: array (units,): people behind the value.
    """

    indicator: str
    level: str
    kind: str
    codes: tuple[str, ...]
    observed: Floats
    size: Floats
    expected: Floats
    value: Floats
    case_mix: str
    people: Floats = field(default_factory=lambda: np.zeros(0))


@dataclass(frozen=True)
class Study:
    """What was found: one summary, one row a unit.

    Attributes:
        summary: ``indicator_id``, ``geo_level``, counts, and each of ``STATISTICS``, None where it
            cannot be said.
        reasons: why, by statistic: a key of ``REASONS``.
        left_out: units left out by reason.
        units: one row a unit; missing values are None.
    """

    summary: Row
    reasons: Mapping[str, str]
    left_out: Mapping[str, int]
    units: pd.DataFrame


def study(units: Units, neighbours: Iterable[tuple[str, str]] = (), *, seed: int = 0) -> Study:
    """Return the statistics of variation of an indicator.

    Ratios are observed over expected. A rate is compared as a Poisson count, a proportion as a
    binomial one too. A mean, ratio or quantile has quotients, coefficients and Moran's I alone.

    Args:
        units: the units.
        neighbours: pairs of unit codes; none for levels without borders.
        seed: of the permutations of Moran's I and of the bootstrap.
    """
    found = _Found(units)
    found.rates()
    if units.kind in ("proportion", "rate"):
        found.counts(seed)
        found.odds()
        found.funnel()
    else:
        for name in STATISTICS[4:-2]:
            found.not_said("not_a_count", name)
    found.space(list(neighbours), seed)
    return found.told()


class _Found:
    """Statistics being gathered."""

    def __init__(self, units: Units):
        self.all = units
        counts = units.kind in ("proportion", "rate")
        known = units.size > 0
        expected = np.nan_to_num(units.expected, nan=0.0)
        why = np.where(~known, "no_denominator", "").astype(object)
        if counts:
            why[known & (expected <= 0)] = "nothing_expected"
        else:
            why[known & ~np.isfinite(units.value)] = "no_denominator"
        self.why = why
        kept = why == ""
        self.kept = kept
        self.o, self.n, self.e = units.observed[kept], units.size[kept], expected[kept]
        self.codes = [code for code, one in zip(units.codes, kept.tolist(), strict=True) if one]
        # Standardised: the ratio times the level of all, so that quotients are those of ratios.
        self.rate = self.o / self.e if counts else units.value[kept]
        self.values: dict[str, float | int | None] = dict.fromkeys(STATISTICS)
        self.reasons: dict[str, str] = {}
        self.columns: dict[str, Any] = {}

    def say(self, name: str, value: float | int | None, reason: str) -> None:
        if value is None or not np.isfinite(value):
            self.not_said(reason, name)
        else:
            self.values[name] = value

    def not_said(self, reason: str, *names: str) -> None:
        for name in names:
            self.reasons[name] = reason

    def rates(self) -> None:
        few = len(self.rate) < 2
        enough = self.all.people[self.kept] if len(self.all.people) else self.o
        if self.all.kind in ("proportion", "rate"):
            enough = self.o
        big = self.rate[enough >= s.FEWEST_EVENTS]
        why = "fewer_than_2_units_of_10_events" if len(big) < 2 else "lowest_is_zero"
        # Ratios may be negative for a mean of amounts: a quotient of such says nothing.
        clean = np.maximum(self.rate, 0)
        for name, low, high in (
            ("extremal_quotient", 0, 100), ("extremal_quotient_5_95", 5, 95),
        ):  # fmt: skip
            self.say(name, s.extremal_quotient(clean, enough, low=low, high=high), why)
        why = "fewer_than_2_units" if few else "lowest_is_zero"
        self.say("coefficient_of_variation", s.coefficient_of_variation(clean), why)
        self.say(
            "weighted_coefficient_of_variation", s.coefficient_of_variation(clean, self.n), why
        )

    def counts(self, seed: int) -> None:
        few = "fewer_than_2_units"
        self.say("systematic_component", s.systematic_component(self.o, self.e), few)
        between = s.systematic_component_interval(self.o, self.e, seed=seed)
        why = "fewer_than_3_units" if len(self.o) < 3 else "same_everywhere"
        for name, bound in zip(("low", "high"), between or (None, None), strict=True):
            self.say(f"systematic_component_{name}", bound, why)
        self.say("systematic_component_5_95", s.systematic_component_5_95(self.o, self.e), few)
        test = s.heterogeneity(self.o, self.e)
        self.say("chi_square", test.chi_square if test else None, few)
        self.say("chi_square_p_value", test.p_value if test else None, few)
        shrunk = s.marshall(self.o, self.e)
        self.say("marshall_variance", shrunk.variance if shrunk else None, few)
        if shrunk:
            self.columns["shrunken_ratio"] = shrunk.shrunken
        names = ("log_variance", "log_variance_low", "log_variance_high", "reliable_units")
        fit = random_effects.poisson(self.o, self.e) if len(self.o) else None
        if fit is None:
            self.not_said("fewer_than_3_units" if len(self.o) < 3 else "no_event", *names)
            return
        self.say("log_variance", fit.variance, "unbounded")
        self.say("log_variance_low", fit.low, "unbounded")
        self.say("log_variance_high", fit.high, "unbounded")
        self.say("reliable_units", int((fit.reliability >= RELIABLE).sum()), "unbounded")
        self.columns["reliability"] = fit.reliability

    def odds(self) -> None:
        names = ("odds_variance", "intraclass_correlation", "median_odds_ratio")
        if self.all.kind != "proportion":
            self.not_said("not_a_proportion", *names)
            return
        if len(self.o) < 3:
            self.not_said("fewer_than_3_units", *names)
            return
        if (self.e >= self.n).any() or (self.o > self.n).any():
            self.not_said("no_case_mix", *names)
            return
        fit = random_effects.binomial(self.o, self.n, self.e)
        if fit is None:
            self.not_said("all_events" if self.o.sum() else "no_event", *names)
            return
        self.values["odds_variance"] = fit.variance
        self.values["intraclass_correlation"] = s.intraclass_correlation(fit.variance)
        self.values["median_odds_ratio"] = s.median_odds_ratio(fit.variance)

    def funnel(self) -> None:
        names = ("dispersion", "between_variance", "units_outside_95", "units_outside_998")
        if len(self.o) < 2:
            self.not_said("fewer_than_2_units", *names)
            return
        target = float(self.o.sum() / self.n.sum())
        if self.all.kind == "proportion" and self.all.case_mix == "none" and 0 < target < 1:
            found = funnel.of_proportions(self.o, self.n, target)
        else:
            found = funnel.of_ratios(self.o, self.e)
        self.values["dispersion"] = found.dispersion
        self.values["between_variance"] = found.between
        outside = found.status != "within"
        self.values["units_outside_95"] = int(outside.sum())
        self.values["units_outside_998"] = int((found.status == "outside_998").sum())
        self.columns |= {"z": found.z, "z_adjusted": found.z_adjusted, "status": found.status}

    def space(self, neighbours: list[tuple[str, str]], seed: int) -> None:
        if not neighbours:
            self.not_said("level_without_borders", "moran", "moran_p_value")
            return
        found = spatial.moran(self.codes, self.rate, neighbours, seed=seed)
        if found is None:
            self.not_said("no_neighbours", "moran", "moran_p_value")
            return
        self.values["moran"], self.values["moran_p_value"] = found.value, found.p_value

    def told(self) -> Study:
        units = self.all
        reason, count = np.unique(self.why[~self.kept], return_counts=True)
        left_out = dict(zip(reason.tolist(), count.tolist(), strict=True))
        total, among = float(self.o.sum()), float(self.n.sum())
        summary: Row = {
            "indicator_id": units.indicator, "geo_level": units.level, "kind": units.kind,
            "case_mix": units.case_mix, "units": len(self.codes),
            "units_left_out": int((~self.kept).sum()),
            "units_of_small_expected": int((self.e < 1).sum()), "observed": total, "size": among,
            **self.values,
        }  # fmt: skip
        table = pd.DataFrame(
            {
                "indicator_id": units.indicator, "geo_level": units.level, "unit": units.codes,
                "observed": units.observed, "size": units.size, "expected": units.expected,
                "value": units.value,
                "absence_reason": [each or None for each in self.why.tolist()],
            }
        )  # fmt: skip
        if units.kind in ("proportion", "rate"):
            self.columns["ratio"] = self.rate
        for name in ("ratio", "shrunken_ratio", "reliability", "z", "z_adjusted", "status"):
            column = np.full(len(table), None, object)
            if name in self.columns:
                column[self.kept] = self.columns[name].tolist()
            table[name] = column
        for name in ("expected", "value"):
            table[name] = [x if np.isfinite(x) else None for x in table[name]]
        return Study(summary, dict(self.reasons), left_out, table)
