"""The files of pathways and of care flows in a release of indicators, and their evidence."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from openchronic_assets.anonymisation.care_flows import (
    ALL,
    REST,
    CareFlows,
    Row,
    areas,
    judge_flows,
)
from openchronic_assets.anonymisation.pathway_tables import (
    POINTS,
    STATES,
    Pathway,
    Told,
    judge_pathway,
)
from openchronic_assets.errors import OpenChronicError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from openchronic_assets.anonymisation.indicator_tables import Release

PATHWAYS, FLOWS, AREAS = "pathways.csv", "flows.csv", "areas.csv"
FILES = (PATHWAYS, FLOWS, AREAS)
PATHWAY_COLUMNS = (
    "pathway", "label", "year", "month", "state", "to_month", "to_state", "people", "status",
)  # fmt: skip
FLOW_COLUMNS = ("year", "level", "residence", "care", "people", "status")
AREA_COLUMNS = ("year", "level", "code", "area")

Line = tuple[str, ...]


@dataclass
class Judged:
    """What is told of pathways and care, year by year.

    Attributes:
        pathways: what leaves, by name and year.
        care: for each year its level, rows and true counts.
        omitted: (file, name, year) to why it does not leave.
    """

    pathways: list[Told] = field(default_factory=list)
    care: list[tuple[CareFlows, list[Row]]] = field(default_factory=list)
    omitted: dict[tuple[str, str, int], str] = field(default_factory=dict)

    @property
    def summary(self) -> dict[str, Any]:
        """What the report says of them."""
        return {
            "pathways": [
                {"pathway": t.pathway.name, "year": t.pathway.year, "shown": round(t.share, 4)}
                for t in self.pathways
            ],
            "care": [
                {
                    "year": each.year,
                    "level": each.level,
                    "shown": round(
                        sum(sum(row.named.values()) for row in rows)
                        / max(1, int(each.people.sum())),
                        4,
                    ),
                }
                for each, rows in self.care
            ],
            "omitted": [
                {"file": file, "name": name, "year": year, "reason": reason}
                for (file, name, year), reason in sorted(self.omitted.items())
            ],
        }


def judge(
    release: Release,
    pathways: Sequence[Pathway],
    care: Sequence[Sequence[CareFlows]],
    earlier: Iterable[Path],
) -> Judged:
    """Say what leaves, beside the indicators and the releases that are there.

    What an earlier release tells of a pathway or of a year is told again in the same words or not
    at all: between two versions, differences would be small groups.

    Raises:
        OpenChronicError: an earlier release cannot be read.
    """
    before = _earlier(earlier)
    found = Judged()
    for pathway in pathways:
        told = judge_pathway(pathway, beside(release, pathway.year)["department"])
        at = (PATHWAYS, pathway.name, pathway.year)
        if isinstance(told, str):
            found.omitted[at] = told
        elif any(lines != set(pathway_lines(told)) for lines in before.get(at, [])):
            found.omitted[at] = "told_before"
        else:
            found.pathways.append(told)
    for levels in care:
        year = levels[0].year
        level, rows = judge_flows(levels, beside(release, year))
        at = (FLOWS, "", year)
        if not level:
            found.omitted[at] = "no_place_can_be_named"
        elif any(lines != set(flow_lines(year, level, rows)) for lines in before.get(at, [])):
            found.omitted[at] = "told_before"
        else:
            found.care.append((next(each for each in levels if each.level == level), rows))
    return found


def beside(release: Release, year: int) -> dict[str, list[NDArray[np.int64]]]:
    """Return people by place of the indicators of a year: what pathways and care are held against.

    Only tables of which something is told, and not sums of amounts.
    """
    departments: dict[bytes, NDArray[np.int64]] = {}
    for each in release.judged:
        if each.counted.year != year or not each.shown.any():
            continue
        tables = [each.counted.den]
        if each.counted.kind != "mean":
            tables.append(each.counted.num)
        for table in tables:
            by_place = table.sum(axis=(1, 2))
            departments[by_place.tobytes()] = by_place
    above = [region for _, _, region in release.territories.departments]
    regions = sorted(set(above))
    inside = np.array([[int(mine == each) for mine in above] for each in regions], dtype=np.int64)
    return {
        "department": list(departments.values()),
        "region": [inside @ each for each in departments.values()],
    }


def write(folder: Path, judged: Judged) -> None:
    """Write the files of what leaves; none of nothing."""
    if judged.pathways:
        lines = [line for told in judged.pathways for line in pathway_lines(told)]
        _write(folder / PATHWAYS, PATHWAY_COLUMNS, lines)
    if judged.care:
        flows = [
            line for each, rows in judged.care for line in flow_lines(each.year, each.level, rows)
        ]
        _write(folder / FLOWS, FLOW_COLUMNS, flows)
        _write(
            folder / AREAS,
            AREA_COLUMNS,
            [
                (str(each.year), each.level, code, area)
                for each, rows in judged.care
                for code, area in areas(rows).items()
            ],
        )


def pathway_lines(told: Told) -> list[Line]:
    """Return the rows of a pathway: its states at each month, then its flows from each to each."""
    head = (told.pathway.name, told.pathway.label, str(told.pathway.year))
    lines: list[Line] = []
    for point, month in enumerate(POINTS):
        lines += [
            (*head, str(month), node[0], "", "", str(told.total(point, node)), "shown")
            for node in told.nodes[point]
        ]
    dead = STATES.index("DEAD")
    for step in range(len(POINTS) - 1):
        for a, before in enumerate(told.nodes[step]):
            for b, after in enumerate(told.nodes[step + 1]):
                if before[1] == (dead,) and dead not in after[1]:
                    continue  # the dead stay dead: no such flow exists
                shown = bool(told.shown[step][a, b])
                lines.append(
                    (
                        *head, str(POINTS[step]), before[0], str(POINTS[step + 1]), after[0],
                        str(int(told.flows[step][a, b])) if shown else "",
                        "shown" if shown else "suppressed",
                    )
                )  # fmt: skip
    return lines


def flow_lines(year: int, level: str, rows: Iterable[Row]) -> list[Line]:
    """Return the rows of a year: of each residence all, the named places, and the others."""
    lines: list[Line] = []
    for row in rows:
        head = (str(year), level, row.residence)
        if row.people is None:
            lines.append((*head, ALL, "", "suppressed"))
            continue
        lines.append((*head, ALL, str(row.people), "shown"))
        lines += [(*head, care, str(people), "shown") for care, people in row.named.items()]
        lines.append((*head, REST, str(row.rest), "shown"))
    return lines


def _write(path: Path, head: Sequence[str], lines: Iterable[Line]) -> None:
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(head)
        writer.writerows(lines)


def _earlier(folders: Iterable[Path]) -> Mapping[tuple[str, str, int], list[set[Line]]]:
    """Return what each earlier release tells, by file, name and year."""
    found: dict[tuple[str, str, int], list[set[Line]]] = defaultdict(list)
    for folder in folders:
        mine: dict[tuple[str, str, int], set[Line]] = defaultdict(set)
        try:
            for name in (PATHWAYS, FLOWS):
                if not (folder / name).is_file():
                    continue
                with (folder / name).open(encoding="utf-8", newline="") as file:
                    for line in list(csv.reader(file, strict=True))[1:]:
                        key = (line[0], int(line[2])) if name == PATHWAYS else ("", int(line[0]))
                        mine[name, *key].add(tuple(line))
        except (OSError, ValueError, IndexError, csv.Error) as error:
            raise OpenChronicError(
                f"release {folder.name} cannot be read ({type(error).__name__}); restore it: no "
                "pathway or care flow can leave without being held against it"
            ) from error
        for at, lines in mine.items():
            found[at].append(lines)
    return found


# --- what the gate needs to judge the files: kept in the vault ----------------------------------


def write_evidence(folder: Path, judged: Judged) -> None:
    """Write the true counts and what the told states hold, for the gate."""
    body = {
        "pathways": [
            {
                "pathway": told.pathway.name,
                "year": told.pathway.year,
                "points": list(POINTS),
                "states": list(STATES),
                "nodes": [
                    {code: [STATES[s] for s in of] for code, of in nodes} for nodes in told.nodes
                ],
                "flows": told.pathway.flows.tolist(),
                "places": told.pathway.places.tolist(),
            }
            for told in judged.pathways
        ],
        "care": [
            {
                "year": each.year,
                "level": each.level,
                "places": list(each.places),
                "people": each.people.tolist(),
                "largest": each.largest.tolist(),
                "hospitals": each.hospitals.tolist(),
            }
            for each, _ in judged.care
        ],
    }
    (folder / "flows.json").write_text(json.dumps(body), encoding="utf-8")
