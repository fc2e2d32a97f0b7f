"""From a published statistic back to the counts behind it.

A suppressed count is published all the same when a rate, an interval, a smoothed value or a
funnel limit is shown beside it: each of them is a formula of the counts, and formulas can be
solved. Every function returns the lowest and highest count that round to what is printed.

Sources: Wilson 1927; Byar's approximation (Breslow, Day 1987); gamma-Poisson smoothing (Clayton,
Kaldor 1987); funnel limits (Spiegelhalter 2005).
"""

from __future__ import annotations

import math

Range = tuple[float, float]

Z95 = 1.959963984540054

MOST_TRIED = 200_000
"""Numbers of people tried one by one; an interval that leaves more hides its counts."""


def half_unit(value: float, decimals: int | None) -> float:
    """Return half of the last printed digit: how far the exact figure can be."""
    return 0.5 * 10.0**-decimals if decimals is not None else 1e-9 * max(1.0, abs(value))


def rate(value: float, denominator: float, per: float, decimals: int | None) -> Range:
    """Return the numerators of a rate per ``per`` of a known denominator."""
    reach = half_unit(value, decimals)
    return ((value - reach) * denominator / per, (value + reach) * denominator / per)


def wilson(
    low: float, high: float, per: float = 1.0, z: float = Z95, decimals: int | None = None
) -> tuple[Range, Range]:
    """Return the events and the people behind a Wilson interval of a proportion."""
    reach = half_unit(high, decimals) / per
    counts, people = [], []
    for left, right in (
        (low / per + reach, high / per - reach),
        (low / per - reach, high / per + reach),
    ):
        # A bound printed as 0 or 1 is a bound all the same: rounding reaches no further.
        left, right = max(left, 0.0), min(right, 1.0)
        if left >= right:
            return (0.0, math.inf), (0.0, math.inf)
        root = _positive_root(left, right)
        centre = (right + left) / 2
        n = z**2 / root if root > 0 else math.inf
        p = centre * (1 + root) - root / 2
        people.append(n)
        counts.append(n * p if math.isfinite(n) else math.inf)
    return (min(counts), max(counts)), (min(people), max(people))


def proportion(
    low: float,
    high: float,
    per: float = 1.0,
    z: float = Z95,
    decimals: int | None = None,
    value: float | None = None,
    value_decimals: int | None = None,
) -> tuple[Range, Range, Range]:
    """Return the events, the people and the others behind a Wilson interval in whole numbers.

    Both ends hold, and the proportion where it is printed too: every number of people in reach is
    tried, and the whole numbers of events that print what is printed. An end printed as 0 or as
    all tells no less than another: near 1 the few are those who did *not* have the event. Where
    no whole numbers print the figures (another z, another rounding), or too many would have to be
    tried, the solution in real numbers stands.
    """
    events, people = wilson(low, high, per, z, decimals)
    others = wilson(per - high, per - low, per, z, decimals)[0]
    if not people[1] - people[0] <= MOST_TRIED:
        return events, people, others
    reach = half_unit(high, decimals) / per
    found: list[tuple[int, int]] = []
    for n in range(max(1, math.ceil(people[0] - 1e-6)), math.floor(people[1] + 1e-6) + 1):
        u = z**2 / n
        ends = [
            [n * (x + side * math.sqrt(u * x * (1 - x))) for x in _around(end / per, reach)]
            for end, side in ((low, 1), (high, -1))
        ]
        # An end at 0 or at 1 is also that of nobody, or of all.
        first = 0.0 if low / per <= reach else min(ends[0])
        last = float(n) if high / per >= 1 - reach else max(ends[1])
        first, last = max(first, min(ends[1])), min(last, max(ends[0]))
        if value is not None:
            far = half_unit(value, value_decimals)
            first = max(first, (value - far) * n / per)
            last = min(last, (value + far) * n / per)
        if math.ceil(first - 1e-6) <= math.floor(last + 1e-6):
            found += [(math.ceil(first - 1e-6), n), (math.floor(last + 1e-6), n)]
    if not found:
        return events, people, others
    counts, sizes, rest = [x for x, _ in found], [n for _, n in found], [n - x for x, n in found]
    return (min(counts), max(counts)), (min(sizes), max(sizes)), (min(rest), max(rest))


def _around(end: float, reach: float) -> list[float]:
    return [min(max(x, 0.0), 1.0) for x in (end - reach, end, end + reach)]


def _positive_root(left: float, right: float) -> float:
    """Return u = z2/n of a Wilson interval: each bound solves (p - x)^2 = u x (1 - x)."""
    # (p - left)^2 / (left (1 - left)) = (right - p)^2 / (right (1 - right)) = u
    first = math.sqrt(max(left * (1 - left), 0.0))
    second = math.sqrt(max(right * (1 - right), 0.0))
    if first + second <= 0:
        return 0.0
    p = (left * second + right * first) / (first + second)
    return ((right - p) / second) ** 2 if second > 0 else ((p - left) / first) ** 2


def poisson(
    low: float, high: float, z: float = Z95, decimals: int | None = None, per: float = 1.0
) -> Range:
    """Return the events behind an interval of a rate or ratio (Byar's approximation)."""
    reach = half_unit(high, decimals) / per if decimals is not None else 0.0
    found = []
    for left, right in ((low / per + reach, high / per - reach), (low / per - reach, high / per
                                                                   + reach)):  # fmt: skip
        if left <= 0:
            # The lower bound of no more than a few events touches zero.
            found.append(0.0)
            continue
        if right <= left:
            return (0.0, math.inf)
        ratio, lo, hi = right / left, 1e-6, 1e12
        for _ in range(200):
            middle = math.sqrt(lo * hi)
            if _byar(middle, z) > ratio:
                lo = middle
            else:
                hi = middle
        found.append(math.sqrt(lo * hi))
    return (min(found), max(found))


def _byar(events: float, z: float) -> float:
    low = events * (1 - 1 / (9 * events) - z / (3 * math.sqrt(events))) ** 3
    if events < 1.5 or low <= 0:
        return math.inf
    up = (events + 1) * (1 - 1 / (9 * (events + 1)) + z / (3 * math.sqrt(events + 1))) ** 3
    return up / low


def smoothed(
    value: float, expected: float, shape: float, rate_: float, decimals: int | None
) -> Range:
    """Return the events behind a gamma-Poisson smoothed ratio (events + a) / (expected + b)."""
    reach = half_unit(value, decimals)
    return (
        (value - reach) * (expected + rate_) - shape,
        (value + reach) * (expected + rate_) - shape,
    )


def funnel(limit: float, centre: float, z: float = Z95, decimals: int | None = None) -> Range:
    """Return the people behind a funnel limit: centre +/- z sqrt(centre (1 - centre) / n)."""
    reach = half_unit(limit, decimals)
    away = abs(limit - centre)
    spread = z**2 * centre * (1 - centre)
    far = spread / max(away - reach, 1e-12) ** 2
    return (spread / (away + reach) ** 2, far)
