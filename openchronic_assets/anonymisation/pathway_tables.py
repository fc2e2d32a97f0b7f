"""What leaves of pathways: how many people pass from a state to another around an index event.

The cases of a pathway and year are in one state at each of a few months. Two months in a row are a
table of flows; the states at a month are the margins of the two tables it stands between, and are
all told: what can be concluded of a hidden flow is then concluded inside its own table, and any
flows that agree with the margins are the pathways of as many people. States of fewer than 11 people
are told together (``OTHER``), coarser kinds of states where the flows between fine ones cannot be
protected. A flow of fewer than 11, none included, is not told; others are hidden until the
attacker's interval of each forbidden one is 11 wide (``suppression``).

Who is dead stays dead: these flows are known whatever is printed, and stand in no table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from openchronic_assets.anonymisation.suppression import protect
from openchronic_assets.anonymisation.tables import (
    THRESHOLD,
    Dimension,
    HierarchicalTable,
    unsafe_cells,
)
from openchronic_assets.errors import OpenChronicError, Refused

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Counts = NDArray[np.int64]
    Mask = NDArray[np.bool_]

STATES = ("MCO", "PSY", "SSR", "HAD", "ED", "SPE", "GP", "NURSE", "PHARM", "NONE", "DEAD")
POINTS = (-6, -1, 1, 6, 12)
"""Months from the index event at which a state is told."""

DEAD, OTHER = "DEAD", "OTHER"
_EVERY: dict[str, tuple[str, ...]] = {state: (state,) for state in STATES}
_HOSPITAL = ("MCO", "PSY", "SSR", "HAD")
GROUPINGS: tuple[dict[str, tuple[str, ...]], ...] = (
    _EVERY,
    {
        "HOSPITAL": _HOSPITAL, "ED": ("ED",), "DOCTOR": ("SPE", "GP"),
        "NURSE": ("NURSE",), "PHARM": ("PHARM",), "NONE": ("NONE",), DEAD: (DEAD,),
    },
    {
        "HOSPITAL_ED": (*_HOSPITAL, "ED"), "CITY": ("SPE", "GP", "NURSE", "PHARM"),
        "NONE": ("NONE",), DEAD: (DEAD,),
    },
    {
        "HOSPITAL_ED": (*_HOSPITAL, "ED"), "HOME": ("SPE", "GP", "NURSE", "PHARM", "NONE"),
        DEAD: (DEAD,),
    },
)  # fmt: skip
"""States told together, the finest kinds first."""

ENOUGH = 0.75
"""Share of people in shown flows from which no coarser kinds of states are tried."""

Node = tuple[str, tuple[int, ...]]
"""A state as it is told, and the positions in ``STATES`` of those that it holds."""


@dataclass(frozen=True)
class Pathway:
    """The true counts of a pathway: cases whose index event is in a year.

    Attributes:
        name: its code.
        label: its French name.
        year: of the index events.
        flows: (step, state, state): people by their states at two points in a row.
        places: (point, state, department): the same people by where they live.
    """

    name: str
    label: str
    year: int
    flows: Counts
    places: Counts

    def __post_init__(self) -> None:
        where = f"pathway {self.name}, {self.year}"
        if self.flows.shape != (len(POINTS) - 1, len(STATES), len(STATES)):
            raise OpenChronicError(f"{where}: the flows are not between {len(POINTS)} points")
        states = self.places.sum(axis=2)
        leaving, arriving = self.flows.sum(axis=2), self.flows.sum(axis=1)
        if (
            self.flows.min(initial=0) < 0
            or (leaving != states[:-1]).any()
            or (arriving != states[1:]).any()
        ):
            raise OpenChronicError(f"{where}: the flows are not those of the same people")
        dead = STATES.index(DEAD)
        if self.flows[:, dead].sum() != self.flows[:, dead, dead].sum():
            raise OpenChronicError(f"{where}: somebody dead is in another state later")

    @property
    def key(self) -> tuple[str, int]:
        """What names it."""
        return self.name, self.year

    @property
    def people(self) -> int:
        """How many cases."""
        return int(self.flows[0].sum())


@dataclass(frozen=True)
class Told:
    """What is told of a pathway.

    Attributes:
        pathway: the true counts.
        nodes: at each point, the states as they are told.
        flows: for each step, people from each node to each node.
        shown: for each step, which of them are told.
    """

    pathway: Pathway
    nodes: tuple[tuple[Node, ...], ...]
    flows: tuple[Counts, ...]
    shown: tuple[Mask, ...]

    @property
    def share(self) -> float:
        """The share of people in shown flows, over the steps."""
        seen = sum(int(f[s].sum()) for f, s in zip(self.flows, self.shown, strict=True))
        return seen / max(1, self.pathway.people * len(self.flows))

    def total(self, point: int, node: Node) -> int:
        """People in a node at a point."""
        return int(self.pathway.places[point, list(node[1])].sum())


def judge_pathway(pathway: Pathway, others: Sequence[Counts]) -> Told | str:
    """Say what leaves of a pathway, or why nothing does.

    Args:
        pathway: the true counts.
        others: people by department of the tables that are told beside it.
    """
    if pathway.people < THRESHOLD:
        return "too_few_people"

    def close(people: Counts) -> bool:
        return near(people, others)

    if close(pathway.places[0].sum(axis=0)):
        return "near_an_indicator"
    best: Told | None = None
    for grouping in GROUPINGS:
        nodes = _nodes(pathway, grouping, close)
        if nodes is None:
            continue
        try:
            told = _protected(pathway, nodes)
        except Refused:
            continue
        if best is None or told.share > best.share:
            best = told
        if told.share >= ENOUGH:
            break
    return best if best is not None and best.share > 0 else "cannot_be_protected"


def near(people: Counts, others: Sequence[Counts]) -> bool:
    """Tell whether a group is all but a few people of another that is told, or they of it.

    As for indicators: a table that is nowhere more than another is taken as a part of it.
    """
    for other in others:
        for part, whole in ((people, other), (other, people)):
            left = int(whole.sum() - part.sum())
            if 0 < left < THRESHOLD and part.any() and (part <= whole).all():
                return True
    return False


def _nodes(
    pathway: Pathway, grouping: dict[str, tuple[str, ...]], close: Callable[[Counts], bool]
) -> tuple[tuple[Node, ...], ...] | None:
    """Return the nodes of each point: kinds of states, those that may not be told put together."""
    found = []
    dead_before = 0
    for point in range(len(POINTS)):
        by_place = pathway.places[point]
        kinds = [
            (code, tuple(STATES.index(state) for state in states))
            for code, states in grouping.items()
        ]
        there = [(code, of) for code, of in kinds if by_place[list(of)].any()]
        dead = int(by_place[STATES.index(DEAD)].sum())
        together: list[Node] = []
        for code, of in there:
            people = by_place[list(of)].sum(axis=0)
            # Those who died since the last point that tells the dead are a group as well.
            few = code == DEAD and 0 < dead - dead_before < THRESHOLD
            if people.sum() < THRESHOLD or few or close(people):
                together.append((code, of))
        kept = sorted(
            (node for node in there if node not in together),
            key=lambda node: -int(by_place[list(node[1])].sum()),
        )
        while together and kept:
            states = [s for _, of in together for s in of]
            mixed = by_place[states].sum(axis=0)
            known = dead_before if STATES.index(DEAD) in states else 0
            if mixed.sum() - known >= THRESHOLD and not close(mixed):
                break
            together.append(kept.pop())
        if len(kept) < 1 or len(kept) + bool(together) < 2:
            return None
        names = {code for code, _ in kept}
        dead_before = dead if DEAD in names else dead_before
        nodes = [node for node in there if node[0] in names]
        if together:
            nodes.append((OTHER, tuple(sorted(s for _, of in together for s in of))))
        found.append(tuple(nodes))
    return tuple(found)


def _protected(pathway: Pathway, nodes: tuple[tuple[Node, ...], ...]) -> Told:
    """Hide the flows that may not be told, and others beside them.

    Raises:
        Refused: some cannot be protected.
    """
    flows, shown = [], []
    dead = STATES.index(DEAD)
    for step, counts in enumerate(pathway.flows):
        before, after = nodes[step], nodes[step + 1]
        table = np.array(
            [[counts[np.ix_(list(a), list(b))].sum() for _, b in after] for _, a in before],
            dtype=np.int64,
        )
        told = np.zeros(table.shape, dtype=bool)
        gone = [of == (dead,) for _, of in before]
        # All who are dead go where the dead are: nothing is told by it.
        for row in np.flatnonzero(gone):
            told[row] = [dead in of for _, of in after]
        alive = np.flatnonzero(~np.array(gone))
        told[alive] = _shown(table[alive])
        flows.append(table)
        shown.append(told)
    return Told(pathway, nodes, tuple(flows), tuple(shown))


def _shown(flows: Counts) -> Mask:
    """Mark the flows of one table that may be told beside all of its margins."""
    axes = tuple(
        Dimension.flat(name, [str(n) for n in range(size)])
        for name, size in zip(("from", "to"), flows.shape, strict=True)
    )
    table = HierarchicalTable.of_leaves(axes, flows)
    unsafe = unsafe_cells(table)
    margins = np.ones(unsafe.shape, dtype=bool)
    margins[1:, 1:] = False
    # A margin is known from the states: of one that tells too much nothing can be done here.
    done = protect(
        table,
        unsafe,
        fixed=margins,
        free=~margins & (table.counts == 0),
        complementary=False,
    )
    hidden = done.hidden[1:, 1:] | (flows < THRESHOLD)
    return np.asarray(~hidden)
