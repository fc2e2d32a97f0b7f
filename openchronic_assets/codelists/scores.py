"""Comorbidity scores: conditions by code lists, each with its weights and what it gives way to."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from openchronic_assets.codelists.loader import load_list
from openchronic_assets.codelists.model import CodeListError, Criterion

POSITIONS = ("DP", "DP_RUM", "DR", "DA")


@dataclass(frozen=True)
class Condition:
    """A condition of a score.

    Attributes:
        name: identifier.
        codes: code list of stays and long-term conditions.
        weight_1987, weight_2011: points in the original score and in its revision.
        beaten_by: the condition that, when there, makes this one count for nothing.
        more: what also tells it in the French adaptation: drugs, acts, groups.
    """

    name: str
    codes: str
    weight_1987: int
    weight_2011: int
    beaten_by: str | None = None
    more: tuple[Criterion, ...] = ()

    @property
    def stays(self) -> Criterion:
        """The condition as diagnoses of stays of the year."""
        return Criterion("stay", self.codes, positions=POSITIONS, flag="V")

    @property
    def adapted(self) -> tuple[Criterion, ...]:
        """The condition as the French adaptation has it: stays, ALD, drugs and acts."""
        return (self.stays, Criterion("ald", self.codes), *self.more)


@cache
def charlson() -> tuple[Condition, ...]:
    """Return the seventeen conditions of Charlson's index, in its order."""
    path = Path(__file__).parent / "indices" / "charlson.yaml"
    found = []
    for entry in yaml.safe_load(path.read_text(encoding="utf-8"))["conditions"]:
        more = []
        for each in entry.pop("more", ()):
            pooled = tuple((p["source"], p["codes"]) for p in each.pop("pooled", ()))
            more.append(Criterion(pooled=pooled, **each))
        found.append(Condition(codes=entry.pop("stays"), more=tuple(more), **entry))
    names = {one.name for one in found}
    for one in found:
        load_list(one.codes)
        if one.beaten_by not in (None, *names):
            raise CodeListError(f"{path.name}: {one.name} gives way to no condition of the score")
    return tuple(found)
