"""How much the shown territories of a release differ: ``variation.csv``, made of shown cells only.

Of an indicator, all ages and both sexes, over the regions or departments that are shown. Whoever
has the release can compute it, so it tells nothing more. Expected events are those at the rate of
the shown territories together: no case mix is taken out (``openchronic variation`` does that, in
the secure space).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from openchronic_assets.analytics.variation.statistics import (
    coefficient_of_variation,
    extremal_quotient,
    marshall,
    systematic_component,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEWEST = 8
"""Fewest shown territories; below, or where fewer than two thirds of them are shown, nothing."""


def spread(
    kind: str, num: NDArray[np.float64], den: NDArray[np.float64], territories: int
) -> dict[str, float]:
    """Return statistics of variation between shown territories.

    Args:
        kind: ``proportion``, ``rate`` or ``mean``.
        num: events of each, or the sum of a mean.
        den: people or units of each.
        territories: how many there are, shown or not.

    Returns:
        ``units`` (territories shown); ``eq`` and ``eq_5_95``, over those of ten events or units;
        ``cvw``; of proportions and rates ``scv`` (times 100) and ``eb``, the variance between
        territories by Marshall's moments. What cannot be computed is left out.
    """
    if len(num) < FEWEST or len(num) < 2 * territories / 3:
        return {}
    rate = num / den
    events = den if kind == "mean" else num
    found: dict[str, Any] = {
        "units": float(len(num)),
        "eq": extremal_quotient(rate, events),
        "eq_5_95": extremal_quotient(rate, events, low=5, high=95),
        "cvw": coefficient_of_variation(rate, den),
    }
    if kind != "mean" and num.sum() > 0:
        expected = den * num.sum() / den.sum()
        between = marshall(num, expected)
        component = systematic_component(num, expected)
        found["scv"] = None if component is None else 100 * component
        found["eb"] = None if between is None else between.variance
    return {name: float(value) for name, value in found.items() if value is not None}
