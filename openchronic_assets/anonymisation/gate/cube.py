"""Checks of a differentially private cube, against the budget ledger as read here."""

from __future__ import annotations

import csv
import hashlib
import itertools
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from openchronic_assets.anonymisation.gate.verdict import Finding

CAP = 0.5
DELTA = 1e-6


@dataclass(frozen=True)
class CubeRequest:
    """What a private cube is declared to be.

    Attributes:
        folder: where the file is.
        file: CSV file: the dimensions, then ``count``; ``*`` for margins.
        keys: dimension to its public list of values.
        ledger: the budget ledger, in the vault.
        release: the reservation that the cube stands on.
        population: whose data.
        rho: budget declared.
        delta: declared.
        epsilon: claimed, for this cube alone.
        cap: largest sum of rho of the population; never above 0.5.
    """

    folder: str
    file: str
    keys: dict[str, list[str]]
    ledger: str
    release: str
    population: str
    rho: float
    delta: float
    epsilon: float
    cap: float = CAP


class Evidence:
    """The file and the ledger, read once."""

    def __init__(self, request: CubeRequest) -> None:
        self.request = request
        self.path = Path(request.folder) / request.file

    @cached_property
    def lines(self) -> list[list[str]]:
        """Return the lines of the file."""
        with self.path.open(encoding="utf-8", newline="") as file:
            return list(csv.reader(file, strict=True))

    @cached_property
    def entries(self) -> list[dict[str, Any]]:
        """The ledger; raises when its chain is broken."""
        text = Path(self.request.ledger).read_bytes()
        if not text.endswith(b"\n"):
            raise ValueError("the ledger ends in the middle of an entry")
        previous, found = "0" * 64, []
        for number, line in enumerate(text.splitlines(), start=1):
            entry = json.loads(line)
            told = entry.pop("sha256")
            body = json.dumps(entry, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
            if (
                told != hashlib.sha256(body.encode()).hexdigest()
                or entry["previous"] != previous
                or entry["seq"] != number
            ):
                raise ValueError("the chain of the ledger is broken")
            previous = told
            found.append(entry)
        return found

    def mine(self, event: str) -> list[dict[str, Any]]:
        """Return the entries of this release."""
        return [
            e for e in self.entries if e["event"] == event and e["release"] == self.request.release
        ]


def _values(e: Evidence) -> Finding:
    """Every combination of the public lists once; margins are the sums of their cells."""
    names = list(e.request.keys)
    wrong = int(e.lines[0] != [*names, "count"])
    cells: dict[tuple[str, ...], int] = {}
    for line in e.lines[1:]:
        key = tuple(line[:-1])
        if key in cells or not line[-1].isdigit():
            wrong += 1
        else:
            cells[key] = int(line[-1])
    lists = [e.request.keys[name] for name in names]
    expected = set(itertools.product(*([*values, "*"] for values in lists)))
    wrong += len(expected ^ set(cells))
    if not wrong:
        for key, value in cells.items():
            if "*" in key:
                parts = itertools.product(
                    *(lists[d] if v == "*" else [v] for d, v in enumerate(key))
                )
                wrong += value != sum(cells[part] for part in parts)
    wrong += not names or any("*" in values or not values for values in lists)
    return Finding(wrong == 0, f"{len(cells)} cells, {wrong} wrong", 0, wrong)


def _reserved(e: Evidence) -> Finding:
    """One reservation as declared, one commit, of this very file."""
    reserved, committed = e.mine("reserved"), e.mine("committed")
    output = hashlib.sha256(e.path.read_bytes()).hexdigest()
    good = (
        len(reserved) == 1
        and len(committed) == 1
        and committed[0]["output_sha256"] == output
        and reserved[0]["rho"] == e.request.rho
        and reserved[0]["population"] == e.request.population
        and reserved[0]["delta"] == e.request.delta
    )
    return Finding(good, f"{len(reserved)} reservations, {len(committed)} commits", 1,
                   len(committed))  # fmt: skip


def _unit(e: Evidence) -> Finding:
    """The person is the unit, bounds are fixed whole numbers, the keys are public."""
    (entry,) = e.mine("reserved")
    bounds = entry["bounds"]
    good = (
        entry["unit"] == "person"
        and entry["keys"] == "public"
        and set(bounds) == {"cells_per_person", "rows_per_cell"}
        and all(type(value) is int and value >= 1 for value in bounds.values())
        and 0 < e.request.delta <= DELTA
    )
    return Finding(good, "unit, bounds, keys and delta of the reservation", 1, int(good))


def _budget(e: Evidence) -> Finding:
    amounts = [
        entry["rho"]
        for entry in e.entries
        if entry["event"] == "reserved" and entry["population"] == e.request.population
    ]
    spent = math.fsum(amounts)
    good = all(math.isfinite(a) and a > 0 for a in amounts) and spent <= min(CAP, e.request.cap) * (
        1 + 1e-12
    )
    return Finding(bool(amounts) and good, f"rho {spent:g} over {len(amounts)} releases",
                   min(CAP, e.request.cap), spent)  # fmt: skip


def _claim(e: Evidence) -> Finding:
    """The epsilon claimed is what rho gives: smallest bound over a fine grid of orders."""
    rho, delta = e.request.rho, e.request.delta
    best = math.inf
    for step in range(1, 40_001):
        alpha = 1 + math.exp(-8 + step * 5e-4)
        best = min(
            best,
            rho * alpha - math.log(alpha * delta) / (alpha - 1) + math.log1p(-1 / alpha),
        )
    good = best - 1e-4 <= e.request.epsilon <= rho + 2 * math.sqrt(rho * math.log(1 / delta)) + 1e-4
    return Finding(good, f"epsilon {e.request.epsilon:.4f} claimed", round(best, 6),
                   e.request.epsilon)  # fmt: skip


CHECKS: dict[str, Callable[[Evidence], Finding]] = {
    "cube_values": _values,
    "cube_reservation": _reserved,
    "cube_unit": _unit,
    "cube_budget": _budget,
    "cube_claim": _claim,
}
