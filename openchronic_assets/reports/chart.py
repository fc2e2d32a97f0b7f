"""Volumes by month as inline SVG: bars for this delivery, marks for the one before."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from openchronic_assets.reports.words import month, number

WIDTH, HEIGHT = 720, 150
_LEFT, _TOP, _BOTTOM = 62, 8, 22


def bars(now: Mapping[str, int], before: Mapping[str, int] | None = None) -> str:
    """Return a bar chart; each bar says its month and rows where the pointer rests on it."""
    dated = {key: rows for key, rows in now.items() if _is_month(key)}
    old = {key: rows for key, rows in (before or {}).items() if _is_month(key)}
    if not dated:
        return ""
    # Months of the delivery before are drawn where this one has some, or they would rule the axis.
    keys = _all_months(min(dated), max(dated))
    if len(keys) > 400:  # a stray of 1900 would flatten everything: only the months there are
        keys = sorted(dated)
    top = max([*(dated.get(key, 0) for key in keys), *(old.get(key, 0) for key in keys), 1])
    step = (WIDTH - _LEFT) / len(keys)
    room = HEIGHT - _TOP - _BOTTOM

    def height(rows: int) -> float:
        return max(room * rows / top, 1.0 if rows else 0.0)

    drawn = [
        f'<line x1="{_LEFT}" x2="{WIDTH}" y1="{_y(room)}" y2="{_y(room)}" class="axis"/>',
        f'<text x="{_LEFT - 6}" y="{_TOP + 9}" text-anchor="end">{number(top)}</text>',
        f'<text x="{_LEFT - 6}" y="{_y(room)}" text-anchor="end">0</text>',
    ]
    every = next(each for each in (1, 2, 3, 6, 12, 24, 60, 1000) if len(keys) / each <= 12)
    for place, key in enumerate(keys):
        x = _LEFT + place * step
        rows = dated.get(key, 0)
        said = f"{month(key)} : {number(rows)} lignes"
        if old:
            said += f", livraison précédente {number(old.get(key, 0))}"
        tall = height(rows)
        drawn.append(
            f'<rect x="{x + step * 0.12:.1f}" y="{_TOP + room - tall:.1f}" '
            f'width="{max(step * 0.76, 0.6):.1f}" height="{tall:.1f}" class="bar">'
            f"<title>{escape(said)}</title></rect>"
        )
        if key in old:
            y = _TOP + room - height(old[key])
            drawn.append(
                f'<line x1="{x:.1f}" x2="{x + step:.1f}" y1="{y:.1f}" y2="{y:.1f}" class="old"/>'
            )
        if place % every == 0 and x + step / 2 < WIDTH - 22:
            label = month(key) if every < 12 else key[:4]
            drawn.append(
                f'<text x="{x + step / 2:.1f}" y="{HEIGHT - 6}" text-anchor="middle">'
                f"{escape(label)}</text>"
            )
    said = f"Lignes par mois, de {month(keys[0])} à {month(keys[-1])}"
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(said)}">'
        f"{''.join(drawn)}</svg>"
    )


def _y(room: int) -> int:
    return _TOP + room


def _is_month(text: str) -> bool:
    return len(text) == 7 and text[4] == "-" and (text[:4] + text[5:]).isdigit()


def _all_months(first: str, last: str) -> list[str]:
    start = 12 * int(first[:4]) + int(first[5:]) - 1
    end = 12 * int(last[:4]) + int(last[5:]) - 1
    return [f"{each // 12:04d}-{each % 12 + 1:02d}" for each in range(start, end + 1)]
