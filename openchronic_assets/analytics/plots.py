"""Plots of the analyses as inline SVG: curves, points, bars, stacked shares, flows.

A plot is a string to be put in a page; it needs no script and no network. Colours tell categories
apart for people who see colours differently too; what a plot says is also in its ``aria-label``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 720, 340
COLOURS = (
    "#0b5c8a", "#d9822b", "#2f8f6b", "#a23b72", "#6c7a89", "#e0b73c", "#5b8fd6", "#8a5a44",
    "#3d3d3d", "#b8c4ce", "#7c5cc4",
)  # fmt: skip
_LEFT, _RIGHT, _TOP, _BOTTOM = 66, 14, 14, 44

Point = tuple[float, float]


def number(value: float, digits: int = 3) -> str:
    """Return a number as French text, with so many significant digits."""
    if value == 0:
        return "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{min(decimals, 8)}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text.replace(",", " ").replace(".", ",").replace("-", "−")


class Plot:
    """A plane with two axes on which points, curves and areas are drawn.

    Args:
        title: what the plot says, for those who cannot see it.
        x: lowest and highest value of the horizontal axis.
        y: of the vertical axis.
        x_label: words under the horizontal axis.
        y_label: words above the vertical axis.
        log_x: a logarithmic horizontal axis; ``x`` is then above 0.
        names: words for the steps 0 to 1, 1 to 2… of the horizontal axis, in place of numbers.
    """

    def __init__(
        self,
        title: str,
        x: Point,
        y: Point,
        x_label: str = "",
        y_label: str = "",
        *,
        log_x: bool = False,
        names: Sequence[str] = (),
    ):
        self.names = names
        self.title, self.x_label, self.y_label, self.log_x = title, x_label, y_label, log_x
        self.x, self.y = _span(x), _span(y)
        self.drawn: list[str] = []
        self.named: list[tuple[str, str]] = []

    def place(self, x: float, y: float) -> Point:
        """Return where a point is drawn."""
        low, high, at = *self.x, x
        if self.log_x:
            low, high, at = (math.log(max(each, 1e-12)) for each in (low, high, x))
        across = min(max((at - low) / (high - low), -0.02), 1.02)
        up = min(max((y - self.y[0]) / (self.y[1] - self.y[0]), -0.02), 1.02)
        return (
            _LEFT + across * (WIDTH - _LEFT - _RIGHT),
            HEIGHT - _BOTTOM - up * (HEIGHT - _TOP - _BOTTOM),
        )

    def points(
        self, points: Sequence[Point], colour: str, name: str = "", said: Sequence[str] = ()
    ) -> None:
        """Draw points; each says its words where the pointer rests on it."""
        for place, point in enumerate(points):
            x, y = self.place(*point)
            words = f"<title>{escape(said[place])}</title>" if said else ""
            self.drawn.append(
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}" fill-opacity="0.75">'
                f"{words}</circle>"
            )
        self._name(name, colour)

    def line(
        self, points: Sequence[Point], colour: str, name: str = "", *, dashed: bool = False
    ) -> None:
        """Draw a curve through points."""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (self.place(*each) for each in points))
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        self.drawn.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.6"{dash}/>'
        )
        self._name(name, colour)

    def bar(self, low: Point, high: Point, colour: str, said: str = "") -> None:
        """Draw a rectangle between two corners."""
        (left, bottom), (right, top) = self.place(*low), self.place(*high)
        words = f"<title>{escape(said)}</title>" if said else ""
        self.drawn.append(
            f'<rect x="{left:.1f}" y="{top:.1f}" width="{max(right - left, 0.6):.1f}" '
            f'height="{max(bottom - top, 0):.1f}" fill="{colour}">{words}</rect>'
        )

    def svg(self) -> str:
        """Return the plot."""
        right, bottom = WIDTH - _RIGHT, HEIGHT - _BOTTOM
        axes = [
            f'<line x1="{_LEFT}" x2="{right}" y1="{bottom}" y2="{bottom}" class="axis"/>',
            f'<line x1="{_LEFT}" x2="{_LEFT}" y1="{_TOP}" y2="{bottom}" class="axis"/>',
        ]
        every = max(1, math.ceil(len(self.names) / 12))
        marks = [(at + 0.5, name) for at, name in enumerate(self.names) if at % every == 0]
        if not self.names:
            marks = [(at, number(at)) for at in _ticks(*self.x, log=self.log_x)]
        for at, words in marks:
            x, _ = self.place(at, self.y[0])
            axes.append(
                f'<text x="{x:.1f}" y="{bottom + 15}" text-anchor="middle">{escape(words)}</text>'
            )
        for at in _ticks(*self.y):
            _, y = self.place(self.x[0], at)
            axes.append(
                f'<line x1="{_LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>'
                f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{number(at)}</text>'
            )
        axes.append(
            f'<text x="{(right + _LEFT) / 2:.0f}" y="{HEIGHT - 8}" text-anchor="middle" '
            f'class="label">{escape(self.x_label)}</text>'
            f'<text x="{_LEFT + 6}" y="{_TOP + 2}" class="label">{escape(self.y_label)}</text>'
        )
        return (
            f'<figure><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
            f'aria-label="{escape(self.title)}">{"".join(axes)}{"".join(self.drawn)}</svg>'
            f"{legend(self.named)}</figure>"
        )

    def _name(self, name: str, colour: str) -> None:
        if name:
            self.named.append((name, colour))


def legend(named: Sequence[tuple[str, str]]) -> str:
    """Return names with their colours."""
    if not named:
        return ""
    words = "".join(
        f'<span><i style="background:{colour}"></i>{escape(name)}</span>' for name, colour in named
    )
    return f'<figcaption class="legend">{words}</figcaption>'


def bars(title: str, values: Mapping[str, float], unit: str = "") -> str:
    """Return horizontal bars, one a name, in the order given."""
    top = max([*values.values(), 1e-12])
    height = 24 * len(values) + 12
    drawn = []
    for place, (name, value) in enumerate(values.items()):
        y = 8 + 24 * place
        long = 400 * max(value, 0) / top
        drawn.append(
            f'<text x="232" y="{y + 14}" text-anchor="end">{escape(name)}</text>'
            f'<rect x="240" y="{y}" width="{long:.1f}" height="18" fill="{COLOURS[0]}"/>'
            f'<text x="{246 + long:.1f}" y="{y + 14}">{number(value)}{escape(unit)}</text>'
        )
    return (
        f'<figure><svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}">'
        f"{''.join(drawn)}</svg></figure>"
    )


def stacked(
    title: str,
    columns: Sequence[str],
    series: Mapping[str, Sequence[float]],
    colours: Mapping[str, str],
) -> str:
    """Return columns of shares that make 100 %, one column a name, the colour of each series."""
    plot = Plot(title, (0, len(columns)), (0, 100), "", "%", names=columns)
    total = [sum(each[place] for each in series.values()) for place in range(len(columns))]
    base = [0.0] * len(columns)
    for name, values in series.items():
        colour = colours[name]
        for place, value in enumerate(values):
            share = 100 * value / total[place] if total[place] else 0.0
            if share:
                said = f"{columns[place]} : {name}, {number(share)} %"
                low = (place + 0.04, base[place])
                plot.bar(low, (place + 0.96, base[place] + share), colour, said)
            base[place] += share
        plot.named.append((name, colour))
    return plot.svg()


def flow(title: str, nodes: Mapping[str, float], links: Sequence[tuple[str, str, float, str]],
         slow: frozenset[tuple[str, str]] = frozenset()) -> str:  # fmt: skip
    """Return a map of what follows what: nodes on a circle, an arrow a link, as wide as it is used.

    Args:
        title: what the map says.
        nodes: names with how many people each has.
        links: from, to, people, words under the pointer.
        slow: links drawn as bottlenecks.
    """
    wide, high, radius = 720, 560, 205
    middle = (wide / 2, high / 2)
    at = {
        name: (
            middle[0] + 1.3 * radius * math.sin(2 * math.pi * place / len(nodes)),
            middle[1] - radius * math.cos(2 * math.pi * place / len(nodes)),
        )
        for place, name in enumerate(nodes)
    }
    top = max([people for *_, people, _ in links], default=1)
    drawn = []
    for start, end, people, words in sorted(links, key=lambda link: link[2]):
        colour = COLOURS[1] if (start, end) in slow else COLOURS[0]
        width = 0.8 + 7 * people / top
        (x1, y1), (x2, y2) = at[start], at[end]
        if start == end:
            out = math.atan2(y1 - middle[1], x1 - middle[0])
            path = (
                f"M{x1:.0f},{y1:.0f} C{x1 + 90 * math.cos(out - 0.5):.0f},"
                f"{y1 + 90 * math.sin(out - 0.5):.0f} {x1 + 90 * math.cos(out + 0.5):.0f},"
                f"{y1 + 90 * math.sin(out + 0.5):.0f} {x1:.0f},{y1:.0f}"
            )
        else:
            # Bent to one side, so that both ways can be told apart; stops before the node.
            long = math.hypot(x2 - x1, y2 - y1)
            ux, uy = (x2 - x1) / long, (y2 - y1) / long
            bx, by = (x1 + x2) / 2 - 26 * uy, (y1 + y2) / 2 + 26 * ux
            x2, y2 = x2 - 30 * ux, y2 - 30 * uy
            path = f"M{x1:.0f},{y1:.0f} Q{bx:.0f},{by:.0f} {x2:.0f},{y2:.0f}"
        mark = "slow" if (start, end) in slow else "plain"
        drawn.append(
            f'<path d="{path}" fill="none" stroke="{colour}" stroke-opacity="0.55" '
            f'stroke-width="{width:.1f}" marker-end="url(#{mark})">'
            f"<title>{escape(words)}</title></path>"
        )
    for name, (x, y) in at.items():
        drawn.append(
            f'<circle cx="{x:.0f}" cy="{y:.0f}" r="26" fill="#fff" stroke="#1b2733"/>'
            f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="middle" class="label">{escape(name)}'
            f'</text><text x="{x:.0f}" y="{y + 13:.0f}" text-anchor="middle">'
            f"{number(nodes[name])}</text>"
        )
    marks = "".join(
        f'<marker id="{name}" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="9" '
        f'markerHeight="9" markerUnits="userSpaceOnUse" orient="auto">'
        f'<path d="M0,0 L8,4 L0,8 Z" fill="{colour}"/></marker>'
        for name, colour in (("plain", COLOURS[0]), ("slow", COLOURS[1]))
    )
    return (
        f'<figure><svg viewBox="0 0 {wide} {high}" role="img" aria-label="{escape(title)}">'
        f"<defs>{marks}</defs>{''.join(drawn)}</svg></figure>"
    )


def _span(bounds: Point) -> Point:
    low, high = bounds
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def _ticks(low: float, high: float, *, log: bool = False) -> list[float]:
    if log:
        first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
        marks = [m * 10.0**e for e in range(first, last + 1) for m in (1, 2, 5)]
        kept = [mark for mark in marks if low <= mark <= high]
        return kept[:: max(1, math.ceil(len(kept) / 9))]
    raw = (high - low) / 6
    size = 10 ** math.floor(math.log10(raw))
    step = next(m * size for m in (1, 2, 2.5, 5, 10) if m * size >= raw)
    first = math.ceil(low / step - 1e-9)
    return [place * step for place in range(first, math.floor(high / step + 1e-9) + 1)]
