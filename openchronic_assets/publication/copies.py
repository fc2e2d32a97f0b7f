"""Counts of people who are copied, each copy in other departments: what the sample is made from.

Copy n lives n departments further in the list; what is counted of it is what is counted of the
people themselves, there. So copies are made of counts: those of a department are the sum of those
of the departments before it.

Hospitals go along. A copy of somebody who is cared for at home goes to the hospital of the same
rank in the department where the copy lives. Who is cared for elsewhere goes near: half of them to
the nearest department, a third to the second, the others to the third (``SHARES``); the generator
sends them anywhere. It is the sample's own geography, and no other base has it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from openchronic_assets.anonymisation.indicator_tables import Counted
from openchronic_assets.anonymisation.pathway_tables import Pathway
from openchronic_assets.indicators.released_flows import Cared
from openchronic_assets.publication import outlines

SHARES = (0, 0, 0, 1, 1, 2)
"""Which of the nearest departments, by sixths."""

_SUMS = ("num", "den", "num_people", "rest_people", "den_people", "squares")


def copied_table(counted: Counted, copies: int) -> Counted:
    """Return the counts of an indicator over all copies."""
    changed = {
        name: sum(_moved(getattr(counted, name), copies, 0))
        for name in _SUMS
        if getattr(counted, name) is not None
    }
    if counted.largest is not None:
        changed["largest"] = np.maximum.reduce(_moved(counted.largest, copies, 0))
    return dataclasses.replace(counted, **changed)


def copied_pathway(pathway: Pathway, copies: int) -> Pathway:
    """Return the counts of a pathway over all copies."""
    return dataclasses.replace(
        pathway, flows=pathway.flows * copies, places=sum(_moved(pathway.places, copies, 2))
    )


def _moved(values: npt.NDArray[Any], copies: int, axis: int) -> list[Any]:
    return [np.roll(values, copy, axis=axis) for copy in range(copies)]


def copied_care(departments: Sequence[str], copies: int) -> Callable[[list[Cared]], list[Cared]]:
    """Return what makes the people cared for in a year those of all copies.

    Args:
        departments: codes, in the order of the counts.
        copies: how many, the people themselves included.
    """
    count, near = len(departments), nearest(departments)

    def moved(rows: list[Cared]) -> list[Cared]:
        hospitals = [
            sorted({finess for _, care, finess, _ in rows if care == place})
            for place in range(count)
        ]
        found: list[Cared] = []
        for home, care, finess, people in rows:
            for copy in range(copies):
                there = (home + copy) % count
                to = there if care == home else near[there][SHARES[care % len(SHARES)]]
                if care == count or not hospitals[to]:
                    found.append((there, count, finess, people))
                    continue
                own = hospitals[care].index(finess)
                found.append((there, to, hospitals[to][own % len(hospitals[to])], people))
        return found

    return moved


def nearest(departments: Sequence[str]) -> list[list[int]]:
    """Return the places of the three nearest departments of each, by the outlines that ship.

    Departments overseas are near each other.
    """
    boxes = {
        code: box
        for panel in outlines.shipped()["panels"] if panel["id"] != "paris"
        for code, box in panel["boxes"].items()
    }  # fmt: skip
    middle = [
        ((boxes[code][0] + boxes[code][2]) / 2, (boxes[code][1] + boxes[code][3]) / 2)
        for code in departments
    ]

    def apart(one: int, other: int) -> float:
        return float(np.hypot(*np.subtract(middle[one], middle[other])))

    return [
        sorted(
            (other for other, their in enumerate(departments)
             if other != own and (their in outlines.OVERSEAS) == (code in outlines.OVERSEAS)),
            key=lambda other: (apart(own, other), other),
        )[: max(SHARES) + 1]
        for own, code in enumerate(departments)
    ]  # fmt: skip
