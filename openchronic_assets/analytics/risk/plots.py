"""Plots of a risk model as inline SVG: calibration, decision, bars with intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from openchronic_assets.analytics.risk.metrics import Bin

SIZE, LEFT, BOTTOM, TOP, RIGHT = 320, 54, 40, 12, 12


def number(value: float, digits: int = 3) -> str:
    """Return a number as French writes it; an en dash for none."""
    if not math.isfinite(value):
        return "–"
    return f"{value:.{digits}f}".replace(".", ",").replace("-", "−")


def percent(value: float, digits: int = 1) -> str:
    """Return a share in percent."""
    return f"{number(100 * value, digits)} %" if math.isfinite(value) else "–"


class _Axes:
    """A frame with two linear axes."""

    def __init__(
        self,
        width: int,
        height: int,
        x: tuple[float, float],
        y: tuple[float, float],
        titles: tuple[str, str],
    ) -> None:
        self.width, self.height, self.x, self.y = width, height, x, y
        self.parts: list[str] = []
        for value in _ticks(*x):
            at = self.across(value)
            self.parts.append(
                f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{height - BOTTOM}" '
                'class="grid"/>'
                f'<text x="{at:.1f}" y="{height - BOTTOM + 14}" text-anchor="middle">'
                f"{_percent_tick(value)}</text>"
            )
        for value in _ticks(*y):
            at = self.up(value)
            self.parts.append(
                f'<line x1="{LEFT}" x2="{width - RIGHT}" y1="{at:.1f}" y2="{at:.1f}" class="grid"/>'
                f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">'
                f"{_percent_tick(value)}</text>"
            )
        self.parts.append(
            f'<text x="{(LEFT + width - RIGHT) / 2:.0f}" y="{height - 6}" text-anchor="middle" '
            f'class="title">{escape(titles[0])}</text>'
            f'<text transform="translate(12,{(TOP + height - BOTTOM) / 2:.0f}) rotate(-90)" '
            f'text-anchor="middle" class="title">{escape(titles[1])}</text>'
        )

    def across(self, value: float) -> float:
        low, high = self.x
        return LEFT + (value - low) / (high - low) * (self.width - LEFT - RIGHT)

    def up(self, value: float) -> float:
        low, high = self.y
        room = self.height - TOP - BOTTOM
        return TOP + room * (1 - (min(max(value, low), high) - low) / (high - low))

    def line(self, points: Sequence[tuple[float, float]], kind: str) -> None:
        joined = " ".join(f"{self.across(a):.1f},{self.up(b):.1f}" for a, b in points)
        self.parts.append(f'<polyline points="{joined}" class="{kind}"/>')

    def svg(self, said: str) -> str:
        return (
            f'<svg viewBox="0 0 {self.width} {self.height}" width="{self.width}" role="img" '
            f'aria-label="{escape(said)}">{"".join(self.parts)}</svg>'
        )


def _ticks(low: float, high: float) -> list[float]:
    rough = (high - low) / 4
    if rough <= 0:
        return [low]
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * each for each in (1, 2, 5, 10) if power * each >= rough)
    first = math.ceil(low / step - 1e-9)
    found, place = [], first
    while place * step <= high + 1e-9 * step:
        found.append(place * step)
        place += 1
    return found


def _percent_tick(value: float) -> str:
    shown = f"{100 * value:.2f}".rstrip("0").rstrip(".")
    return f"{shown.replace('.', ',').replace('-', '−')} %"


def calibration(bins: Sequence[Bin]) -> str:
    """Return observed against predicted risk, a point a group of like risk."""
    if not bins:
        return ""
    observed = [each.cases / each.count for each in bins]
    top = 1.1 * max([each.risk for each in bins] + observed)
    axes = _Axes(SIZE, SIZE, (0, top), (0, top), ("risque prédit", "fréquence observée"))
    axes.line([(0, 0), (top, top)], "ideal")
    axes.line([(b.risk, o) for b, o in zip(bins, observed, strict=True)], "model")
    for each, rate in zip(bins, observed, strict=True):
        # Wilson's interval, for the eye: rows of a person are taken as apart.
        low, high = _wilson(each.cases, each.count)
        x = axes.across(each.risk)
        said = f"prédit {percent(each.risk)}, observé {percent(rate)}"
        axes.parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{axes.up(low):.1f}" y2="{axes.up(high):.1f}" '
            f'class="bar"/><circle cx="{x:.1f}" cy="{axes.up(rate):.1f}" r="4" class="dot">'
            f"<title>{escape(said)}</title></circle>"
        )
    return axes.svg("Courbe de calibration : fréquence observée selon le risque prédit")


def _wilson(cases: int, count: int, z: float = 1.96) -> tuple[float, float]:
    rate = cases / count
    middle = (rate + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(rate * (1 - rate) / count + (z / (2 * count)) ** 2)
    return max(0.0, middle - half), min(1.0, middle + half)


def decision(points: Sequence[tuple[float, float, float]]) -> str:
    """Return the net benefit by threshold: the model, everybody, nobody."""
    if len(points) < 2:
        return ""
    low, high = points[0][0], points[-1][0]
    best = max(max(model, everybody) for _, model, everybody in points)
    floor = min(0.0, min(model for _, model, _ in points))
    top = 1.15 * max(best, 0.001)
    axes = _Axes(
        SIZE + 80, SIZE, (low, high), (min(floor, -0.15 * top), top),
        ("seuil de décision", "bénéfice net"),
    )  # fmt: skip
    axes.line([(low, 0), (high, 0)], "ideal")
    axes.line(
        [(t, everybody) for t, _, everybody in points if everybody > -0.15 * top], "everybody"
    )
    axes.line([(t, model) for t, model, _ in points], "model")
    return axes.svg("Courbe de décision : bénéfice net selon le seuil")


def bars(rows: Sequence[tuple[str, float]], width: int = 660) -> str:
    """Return horizontal bars of small shares, the largest first."""
    shown = [(label, value) for label, value in rows if value > 0]
    if not shown:
        return ""
    top, step, left = max(value for _, value in shown), 22, 330
    parts = []
    for place, (label, value) in enumerate(shown):
        y = place * step
        length = (width - left - 60) * value / top
        parts.append(
            f'<text x="{left - 8}" y="{y + 15}" text-anchor="end">{escape(label)}</text>'
            f'<rect x="{left}" y="{y + 4}" width="{length:.1f}" height="14" class="fill"/>'
            f'<text x="{left + length + 6:.1f}" y="{y + 15}">{number(value)}</text>'
        )
    height = step * len(shown) + 4
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" role="img" '
        f'aria-label="Perte d\'AUROC par famille de variables">{"".join(parts)}</svg>'
    )
