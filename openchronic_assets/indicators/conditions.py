"""The conditions by which indicators are told: everybody, ALD, pathologies, drugs."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache

from openchronic_assets.codelists import loader as codelists
from openchronic_assets.indicators.model import CatalogueError, Indicator, Text
from openchronic_assets.warehouse.project import project_dir

CARTO_VERSION = "G6-like"
"""The version of the pathologies that conditions follow: one, so that a trend never mixes two."""


@dataclass(frozen=True)
class Condition:
    """People told apart: by ``ald_num``, or by ``top`` of the pathologies; else by neither."""

    name: str
    kind: str  # everybody, ald, pathology, drug or treatment
    label: Text
    ald_num: int | None = None
    top: str | None = None

    @property
    def carto_version(self) -> str | None:
        """The version that ``top`` belongs to."""
        return CARTO_VERSION if self.top else None


@cache
def conditions() -> dict[str, Condition]:
    """Return every condition by name."""
    found = [
        Condition("all", "everybody", Text("Ensemble", "Everybody")),
        Condition("ald", "ald", Text("Au moins une ALD", "At least one long-term condition"), 0),
        Condition("no_ald", "ald", Text("Sans ALD", "No long-term condition")),
    ]
    with (project_dir() / "seeds" / "ref_ald.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            number = int(row["ald_num"])
            if 1 <= number <= 32:
                fr, en = row["label_fr"], row["label_en"]
                label = Text(f"ALD {number} : {fr}", f"ALD {number}: {en}")
                found.append(Condition(f"ald_{number:02d}", "ald", label, number))
    for top in codelists.load_algorithms(CARTO_VERSION).values():
        if top.is_published:
            label = Text(top.label_fr, top.label_en)
            found.append(Condition(_of_top(top.name), "pathology", label, None, top.name))
    found += _of_seed("ref_drug_class", "drug_class", "drug")
    found += _of_seed("ref_innovation", "treatment", "treatment")
    return {one.name: one for one in found}


def _of_seed(seed: str, column: str, kind: str) -> list[Condition]:
    """Return what rows of a measure carry as their own condition, with the labels of its seed."""
    with (project_dir() / "seeds" / f"{seed}.csv").open(encoding="utf-8", newline="") as file:
        return [
            Condition(f"{kind}_{row[column]}", kind, Text(row["label_fr"], row["label_en"]))
            for row in csv.DictReader(file)
        ]


def _of_top(top: str) -> str:
    name = top.lower()
    return name if name.startswith("top_") else f"top_{name}"


def of(one: Indicator) -> tuple[str, ...]:
    """Return the names of the conditions by which an indicator is told, ``own`` left out.

    Raises:
        CatalogueError: it names a condition that there is not.
    """
    known = conditions()
    found: list[str] = []
    for each in one.conditions:
        if each == "ald":
            found += ["ald", "no_ald"]
        elif each == "ald_numbers":
            found += [name for name, c in known.items() if c.kind == "ald" and c.ald_num]
        elif each == "pathologies":
            found += [name for name, c in known.items() if c.kind == "pathology"]
        elif each in known:
            found.append(each)
        elif each != "own":
            raise CatalogueError(f"{one.family}.yaml: {one.id}: there is no condition {each}")
    return tuple(dict.fromkeys(found))
