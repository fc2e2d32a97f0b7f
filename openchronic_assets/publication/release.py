"""A release of indicators as the atlas reads it: checked, and every number kept as it is written.

The files are ``report.json``, ``indicators.json``, ``territories.csv`` and ``indicators/<id>.csv``;
``variation.csv``, ``pathways.csv``, ``flows.csv`` and ``areas.csv`` where the release has them
(``flows.py``). What cannot be shown soundly is refused; what is only incomplete is told, and the
site explains it.
"""

from __future__ import annotations

import csv
import functools
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from openchronic_assets.errors import OpenChronicError, Refused, UsageError

LEVELS = ("country", "region", "department")
NUMBERS = ("num", "den", "value", "low", "high")
STATUSES = ("shown", "suppressed", "absent")
STANDARDS = ("none", "direct", "indirect")
OPTIONAL = ("variation.csv", "pathways.csv", "flows.csv", "areas.csv")

_COLUMNS = (
    "condition", "year", "level", "code", "sex", "age_group", "denominator_type", "std", "status",
    "num", "den", "value", "low", "high",
)  # fmt: skip
_NAME = re.compile(r"[A-Za-z0-9_]{1,80}")
_CODE = re.compile(r"[A-Za-z0-9_+<>. -]{1,40}")
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][-+]?\d+)?")
_YEAR = re.compile(r"\d{4}")


class Cell(NamedTuple):
    """One row of ``indicators/<id>.csv``; the numbers are its text, or None."""

    condition: str
    year: int
    level: str
    code: str
    sex: str
    age_group: str
    denominator_type: str
    std: str
    status: str
    reason: str
    num: str | None
    den: str | None
    value: str | None
    low: str | None
    high: str | None


@dataclass(frozen=True)
class Release:
    """A folder of released indicators.

    ``notes`` are French sentences on what is missing, for the page.
    """

    folder: Path
    report: dict[str, Any]
    indicators: list[dict[str, Any]]
    territories: list[dict[str, str]]
    notes: list[str] = field(default_factory=list)

    @property
    def version(self) -> str:
        """The version that the release gives itself."""
        return str(self.report.get("version") or self.folder.name)

    def cells(self, indicator: str) -> Iterator[Cell]:
        """Yield the cells of an indicator.

        Raises:
            Refused: a suppressed or absent cell holds a number, a shown one holds none.
            OpenChronicError: the file is not one of cells.
        """
        path = self.folder / "indicators" / f"{indicator}.csv"
        rows = _rows(path)
        head = next(rows, (1, []))[1]
        if missing := sorted(set(_COLUMNS) - set(head)):
            raise OpenChronicError(
                f"indicators/{path.name} has no column {', '.join(missing)}; make the release again"
            )
        # Places of what a cell is made of; a file of an older release has no reasons.
        at = [head.index(name) if name in head else -1 for name in Cell._fields]
        for line, row in rows:
            try:
                yield _cell([row[each] if each >= 0 else "" for each in at])
            except _Withheld as error:
                raise Refused(f"indicators/{path.name}, line {line}: {error}") from None
            except (IndexError, ValueError) as error:
                raise OpenChronicError(
                    f"indicators/{path.name}, line {line}: not a cell of a release ({error}); "
                    "make the release again"
                ) from None

    def optional(self, name: str) -> Path | None:
        """Return one of ``OPTIONAL`` where the release has it."""
        path = self.folder / name
        return path if path.is_file() else None


# Few codes, millions of rows: each is looked at once.
_year, _name, _code = (functools.lru_cache(pattern.fullmatch) for pattern in (_YEAR, _NAME, _CODE))


class _Withheld(ValueError):
    """A number where the status says that there is none, or none where it says so."""


def find(root: Path) -> Path | None:
    """Return the newest release of indicators in the folder of releases, if there is one."""
    found = [
        path.parent
        for path in root.glob("*/indicators.json")
        if not path.parent.name.startswith(".") and (path.parent / "report.json").is_file()
    ]
    return max(found, key=lambda path: (path.name[:4], _moment(path), path.name), default=None)


def _moment(folder: Path) -> float:
    return (folder / "report.json").stat().st_mtime


def read(folder: Path) -> Release:
    """Read what a release says of itself; its cells are read later, one indicator at a time.

    Raises:
        UsageError: the folder is not a release of indicators.
        Refused: a file is not the one that the report seals.
        OpenChronicError: a file cannot be read.
    """
    if not (folder / "report.json").is_file() or not (folder / "indicators.json").is_file():
        raise UsageError(
            f"{folder} is not a release of indicators: it has no report.json and indicators.json; "
            "give --release a folder of release/ whose name holds 'indicators'"
        )
    report = _json(folder / "report.json", dict)
    _check_seals(folder, report)
    declared = _json(folder / "indicators.json", list)
    notes: list[str] = []
    indicators = [
        each for each in declared if _known(each, notes) and _has_file(folder, each, notes)
    ]
    if not declared:
        notes.append("La publication ne déclare aucun indicateur.")
    return Release(folder, report, indicators, _territories(folder), notes)


def _check_seals(folder: Path, report: dict[str, Any]) -> None:
    """Refuse what is not published, and a file that is not the one that was."""
    if report.get("state") != "release":
        raise Refused(
            f"{folder.name} is not a published release: publish it first (openchronic release "
            "publish), the atlas shows nothing else"
        )
    seals = {
        str(each["file"]): each["sha256"]
        for each in report.get("outputs") or []
        if isinstance(each, dict) and isinstance(each.get("sha256"), str) and "file" in each
    }
    for name, seal in sorted(seals.items()):
        path = (folder / name).resolve()
        if folder.resolve() not in path.parents or not path.is_file():
            raise Refused(f"{folder.name}: {name} is in the report and not in the folder")
        if hashlib.sha256(path.read_bytes()).hexdigest() != seal:
            raise Refused(
                f"{folder.name}: {name} is not the file that the report seals; publish it again"
            )
    read_ = ["indicators.json", "territories.csv", *OPTIONAL]
    read_ += [f"indicators/{path.name}" for path in (folder / "indicators").glob("*.csv")]
    for name in read_:
        if name not in seals and (folder / name).is_file():
            raise Refused(f"{folder.name}: {name} is not sealed by the report; publish it again")


def _known(each: Any, notes: list[str]) -> bool:
    if not isinstance(each, dict) or not _NAME.fullmatch(str(each.get("id", ""))):
        raise OpenChronicError(
            "indicators.json holds an indicator without an identifier of letters, figures and _"
        )
    each.setdefault("label", {})
    each["years"] = sorted({int(year) for year in each.get("years") or []})
    if not each["years"]:
        notes.append(f"L'indicateur {_label(each)} n'a aucune année dans cette publication.")
    return True


def _has_file(folder: Path, each: dict[str, Any], notes: list[str]) -> bool:
    if (folder / "indicators" / f"{each['id']}.csv").is_file():
        return True
    notes.append(
        f"L'indicateur {_label(each)} est annoncé par la publication, mais ses cellules n'y sont "
        "pas : il n'est pas montré."
    )
    return False


def _label(each: dict[str, Any]) -> str:
    label = each.get("label")
    said = label.get("fr") if isinstance(label, dict) else label
    return f"« {said} »" if said else f"« {each['id']} »"


def _territories(folder: Path) -> list[dict[str, str]]:
    path = folder / "territories.csv"
    if not path.is_file():
        return []
    found = []
    rows = _rows(path)
    head = next(rows, (1, []))[1]
    for line, values in rows:
        row = dict(zip(head, values, strict=False))
        level, code = row.get("level") or "", row.get("code") or ""
        if not _NAME.fullmatch(code) or level not in LEVELS:
            raise OpenChronicError(f"territories.csv, line {line}: not a level and a code")
        found.append(
            {
                "level": level,
                "code": code,
                "label": row.get("label") or code,
                "parent": row.get("parent") or "",
            }
        )
    return found


def _cell(row: list[str]) -> Cell:
    condition, year, level, code, sex, age_group, denominator_type, std, status, reason = row[:10]
    if level not in LEVELS or status not in STATUSES or std not in STANDARDS:
        raise ValueError("level, status or std")
    if not _year(year) or not _name(code):
        raise ValueError("year or code")
    if not (_code(condition) and _code(sex) and _code(age_group) and _code(denominator_type)):
        raise ValueError("condition, sex, age_group or denominator_type")
    numbers = row[10:]
    for text in numbers:
        if text and not _NUMBER.fullmatch(text):
            raise ValueError("a number")
    if status != "shown" and any(numbers):
        raise _Withheld(f"a {status} cell holds a number; nothing was built")
    if status == "shown" and not numbers[2]:
        raise _Withheld("a shown cell holds no value; nothing was built")
    num, den, value, low, high = (text or None for text in numbers)
    return Cell(
        condition, int(year), level, code, sex, age_group, denominator_type, std, status, reason,
        num, den, value, low, high,
    )  # fmt: skip


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the lines of a file of values with their number; the first is the heading."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from enumerate(csv.reader(file), 1)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise OpenChronicError(f"{path.name} of the release cannot be read") from error


def _json(path: Path, kind: type) -> Any:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise OpenChronicError(f"{path.name} of the release cannot be read") from error
    if not isinstance(document, kind):
        raise OpenChronicError(f"{path.name} of the release is not what it must be")
    return document
