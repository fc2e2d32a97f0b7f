"""The form in which a benchmark says what it found."""

from __future__ import annotations

from typing import Any


def case(name: str, value: float, unit: str, bar: float | None = None) -> dict[str, Any]:
    """Return one figure; with a bar, it holds if it is not above it."""
    return {
        "case": name,
        "value": round(value, 3),
        "unit": unit,
        "bar": bar,
        "holds": bar is None or value <= bar,
    }


def result(name: str, cases: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the result of a benchmark: it holds if each of its cases does."""
    return {"name": name, "cases": cases, "holds": all(each["holds"] for each in cases)}
