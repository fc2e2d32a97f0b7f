"""The privacy budget ledger: what each noisy release has spent, and what is left.

Append-only JSON lines chained by hash, as the audit journal. A release *reserves* its budget
before it looks at the data and *commits* after it has drawn its noise: a crash in between keeps
the reservation, because noise may have been seen. All reading, deciding and writing happens under
one file lock, so that two releases cannot both pass a cap that holds one.

Budget is counted in rho of zero-concentrated differential privacy (Bun, Steinke 2016), which adds
up over releases of the same people; patients stay over the years, so the cap is for a population,
whatever the version of its data.
"""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openchronic_assets.anonymisation import journal
from openchronic_assets.errors import OpenChronicError, Refused, UsageError

CAP = 0.5
"""Largest sum of rho for one population; epsilon 5.22 at delta 1e-6."""


@dataclass(frozen=True)
class Ledger:
    """A ledger file and the cap that it holds.

    Attributes:
        path: JSON lines; its lock stands beside it.
        cap: largest sum of rho, reserved and committed, for one population.
    """

    path: Path
    cap: float = CAP

    def __post_init__(self) -> None:
        if not (math.isfinite(self.cap) and self.cap > 0):
            raise UsageError("the cap of a budget is a positive number")

    def entries(self) -> list[dict[str, Any]]:
        """Return every entry after checking the chain.

        Raises:
            OpenChronicError: an entry was changed, removed or reordered.
        """
        return journal.read(self.path)

    def spent(self, population: str) -> float:
        """Return the sum of rho reserved or committed for a population."""
        return _spent(self.entries(), population)

    def reserve(self, release: str, population: str, rho: float, facts: Mapping[str, Any]) -> None:
        """Set budget aside for a release, before its data are read.

        Args:
            release: its identifier.
            population: whose data it uses; the cap is for all releases of one population.
            rho: what it will spend.
            facts: what is written with it: unit, mechanism, bounds, keys, query and input hashes.

        Raises:
            Refused: the cap would be passed, or the release has reserved before (serve its output
                again; noise is never drawn twice for one reservation).
            UsageError: ``rho`` is not a positive number.
        """
        if isinstance(rho, bool) or not (math.isfinite(rho) and rho > 0):
            raise UsageError("rho is a positive number")
        with self._locked():
            entries = self.entries()
            if any(entry.get("release") == release for entry in entries):
                raise Refused(
                    f"release {release} has reserved its budget before; serve its output again, "
                    "or give a new release an identifier of its own"
                )
            left = self.cap - _spent(entries, population)
            if rho > left + 1e-12:
                raise Refused(
                    f"release {release} needs rho {rho:g} and {max(left, 0.0):g} of {self.cap:g} "
                    f"is left for population {population}; nothing was drawn"
                )
            journal.append(
                self.path,
                "reserved",
                **{**facts, "release": release, "population": population, "rho": float(rho)},
            )

    def commit(self, release: str, output_sha256: str) -> None:
        """Record that a release was drawn; its budget stays spent.

        Raises:
            Refused: the release reserved nothing, or is committed already.
        """
        with self._locked():
            states = [e["event"] for e in self.entries() if e.get("release") == release]
            if states != ["reserved"]:
                raise Refused(
                    f"release {release} "
                    + ("is committed already" if states else "has reserved nothing")
                )
            journal.append(self.path, "committed", release=release, output_sha256=output_sha256)

    def release(self, release: str) -> dict[str, Any] | None:
        """Return the reservation of a release with ``output_sha256`` once committed, or None."""
        found: dict[str, Any] | None = None
        for entry in self.entries():
            if entry.get("release") == release:
                if entry["event"] == "reserved":
                    found = dict(entry)
                elif found is not None:
                    found["output_sha256"] = entry["output_sha256"]
        return found

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = self.path.with_suffix(".lock")
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _spent(entries: list[dict[str, Any]], population: str) -> float:
    try:
        amounts = [
            float(entry["rho"])
            for entry in entries
            if entry["event"] == "reserved" and entry["population"] == population
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise OpenChronicError("the budget ledger has an entry that cannot be read") from error
    if any(not math.isfinite(amount) or amount <= 0 for amount in amounts):
        raise OpenChronicError("the budget ledger has an entry that spends nothing or NaN")
    return math.fsum(amounts)


def epsilon_simple(rho: float, delta: float) -> float:
    """Return epsilon of (epsilon, delta) from rho by the simple bound (Bun, Steinke 2016)."""
    _check(rho, delta)
    return rho + 2 * math.sqrt(rho * math.log(1 / delta))


def epsilon(rho: float, delta: float) -> float:
    """Return epsilon from rho by the tight bound (Canonne, Kamath, Steinke 2020, corollary 13).

    Minimises over alpha > 1: rho alpha + ln(1/(alpha delta)) / (alpha - 1) + ln(1 - 1/alpha).
    """
    _check(rho, delta)
    if rho == 0:
        return 0.0

    def at(log_alpha: float) -> float:
        alpha = 1 + math.exp(log_alpha)
        return rho * alpha - math.log(alpha * delta) / (alpha - 1) + math.log1p(-1 / alpha)

    low, high = -20.0, 40.0
    golden = (math.sqrt(5) - 1) / 2
    for _ in range(200):
        left, right = high - golden * (high - low), low + golden * (high - low)
        if at(left) < at(right):
            high = right
        else:
            low = left
    return max(0.0, at((low + high) / 2))


def _check(rho: float, delta: float) -> None:
    if not (math.isfinite(rho) and rho >= 0 and 0 < delta < 1):
        raise UsageError("rho is at least 0 and delta strictly between 0 and 1")
