"""Pathways and care flows of a release as the atlas reads them: strictly, every number kept."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from openchronic_assets.errors import OpenChronicError, Refused

PATHWAY_COLUMNS = (
    "pathway", "label", "year", "month", "state", "to_month", "to_state", "people", "status",
)  # fmt: skip
FLOW_COLUMNS = ("year", "level", "residence", "care", "people", "status")
AREA_COLUMNS = ("year", "level", "code", "area")
ALL, REST = "all", "other"

_NAME = re.compile(r"[A-Za-z0-9_]{1,80}")
_MONTH = re.compile(r"-?\d{1,3}")
_YEAR = re.compile(r"\d{4}")
_WHOLE = re.compile(r"\d{1,12}")

Line = dict[str, str]


def pathways(path: Path) -> list[dict[str, Any]]:
    """Return each pathway and year: its states by month, its flows, people or None.

    Raises:
        Refused: a suppressed flow holds a number, or a shown one none.
        OpenChronicError: the file is not one of pathways.
    """
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for number, line in _lines(path, PATHWAY_COLUMNS):
        sound = (
            _NAME.fullmatch(line["pathway"])
            and _YEAR.fullmatch(line["year"])
            and _MONTH.fullmatch(line["month"])
            and _NAME.fullmatch(line["state"])
            and bool(line["to_month"]) == bool(line["to_state"])
            and (not line["to_month"] or _MONTH.fullmatch(line["to_month"]))
        )
        if not sound:
            raise _not_one(path, number)
        people = _people(path, number, line)
        one = found.setdefault(
            (line["pathway"], int(line["year"])),
            {
                "id": line["pathway"], "label": line["label"], "year": int(line["year"]),
                "states": [], "flows": [],
            },
        )  # fmt: skip
        if line["to_month"]:
            one["flows"].append(
                [int(line["month"]), line["state"], int(line["to_month"]), line["to_state"], people]
            )
        else:
            one["states"].append([int(line["month"]), line["state"], people])
    for one in found.values():
        states = [(month, state) for month, state, _ in one["states"]]
        ends = {(m, s) for m, s, *_ in one["flows"]} | {(m, s) for *_, m, s, _ in one["flows"]}
        pairs = [tuple(flow[:4]) for flow in one["flows"]]
        if len(set(states)) < len(states) or len(set(pairs)) < len(pairs) or ends - set(states):
            raise OpenChronicError(
                f"{path.name}: {one['id']}, {one['year']}: a flow of a state that is not there, "
                "or there twice; make the release again"
            )
    return [found[key] for key in sorted(found)]


def network(flows: Path, areas: Path | None) -> dict[str, Any]:
    """Return, by year, the level, for each residence all, rest and named places, and the areas.

    Raises:
        Refused: a suppressed row holds a number, or a shown one none.
        OpenChronicError: a file is not what it must be.
    """
    found: dict[str, dict[str, Any]] = {}
    for number, line in _lines(flows, FLOW_COLUMNS):
        if not (
            _YEAR.fullmatch(line["year"])
            and line["level"] in ("department", "region")
            and _NAME.fullmatch(line["residence"])
            and _NAME.fullmatch(line["care"])
        ):
            raise _not_one(flows, number)
        people = _people(flows, number, line)
        one = found.setdefault(line["year"], {"level": line["level"], "rows": {}, "areas": {}})
        row = one["rows"].setdefault(line["residence"], {"all": None, "rest": None, "to": {}})
        if one["level"] != line["level"] or line["care"] in row["to"]:
            raise _not_one(flows, number)
        if line["care"] == ALL:
            row["all"] = people
        elif line["care"] == REST:
            row["rest"] = people
        else:
            row["to"][line["care"]] = people
    for number, line in _lines(areas, AREA_COLUMNS) if areas else ():
        if line["year"] not in found or line["level"] != found[line["year"]]["level"]:
            raise _not_one(flows, number)
        found[line["year"]]["areas"][line["code"]] = line["area"]
    return dict(sorted(found.items()))


def _people(path: Path, number: int, line: Line) -> int | None:
    shown = line["status"] == "shown"
    if line["status"] not in ("shown", "suppressed"):
        raise _not_one(path, number)
    if bool(line["people"]) != shown:
        raise Refused(
            f"{path.name}, line {number}: a {line['status']} cell "
            f"{'holds no number' if shown else 'holds a number'}; nothing was built"
        )
    if shown and not _WHOLE.fullmatch(line["people"]):
        raise _not_one(path, number)
    return int(line["people"]) if shown else None


def _lines(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, Line]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.reader(file, strict=True)
            if tuple(next(rows, ())) != columns:
                raise OpenChronicError(
                    f"{path.name} has not the columns {', '.join(columns)}; make the release again"
                )
            for number, row in enumerate(rows, 2):
                if len(row) != len(columns):
                    raise _not_one(path, number)
                yield number, dict(zip(columns, row, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise OpenChronicError(f"{path.name} of the release cannot be read") from error


def _not_one(path: Path, number: int) -> OpenChronicError:
    return OpenChronicError(
        f"{path.name}, line {number}: not a row of a release; make the release again"
    )
