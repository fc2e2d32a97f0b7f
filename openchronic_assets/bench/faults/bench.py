"""The benchmark of faults: how many, and how many of them did harm."""

from __future__ import annotations

import contextlib
import itertools
import statistics
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openchronic_assets import progress
from openchronic_assets.bench.cases import case, result
from openchronic_assets.bench.faults import daemon, journal, kills, situations
from openchronic_assets.bench.faults.homes import Homes
from openchronic_assets.bench.faults.journal import Entry
from openchronic_assets.errors import UsageError


@dataclass(frozen=True)
class Size:
    """Kills of commands, kills through the daemon, and months of flux for the permutation."""

    commands: int
    services: int
    months: int


SIZES = {"small": Size(10, 0, 12), "medium": Size(34, 6, 36), "full": Size(170, 30, 144)}


def bench_faults(
    size: str = "small", out: Path | None = None, replay: int | None = None
) -> dict[str, Any]:
    """Disturb the main job in every way that is known, and count what was not put right.

    Each case has the bar 0: faults after which a reader saw something torn, a re-run did not give
    the bytes of the undisturbed home, rows or euros did not balance, or a lock stayed held.

    Args:
        size: ``small`` (10 kills), ``medium`` (40) or ``full`` (200).
        out: folder of the prepared homes and of ``faults.jsonl``; a second call into it goes on
            after the last fault on record, and calls at the same time share the faults, each in
            homes of its own. A temporary one when not given.
        replay: the number of one kill, done again with the kills of its chain; nothing else is
            done, and the journal stays as it is.

    Raises:
        UsageError: no such size, or no such kill.
        OpenChronicError: a stage failed without any disturbance.
    """
    if size not in SIZES:
        raise UsageError(f"no size {size!r}; there are: {', '.join(SIZES)}")
    chosen = SIZES[size]
    with _folder(out) as folder, _own(folder) as homes:
        chains = kills.plan(chosen.commands)
        if replay is not None:
            chains = [chain for chain in chains if replay in chain.numbers]
            if not chains:
                raise UsageError(f"kill {replay} is not one of a command: 1-{chosen.commands}")
            homes.prepare()
            return told([each for chain in chains for each in kills.run(homes, chain)])
        kill_commands(homes, chosen.commands)
        situations.run_all(homes, chosen.months)
        daemon.run_all(homes, chosen.commands, chosen.services)
        return told(journal.read(folder))


def kill_commands(homes: Homes, count: int) -> None:
    """Do the kills of commands that the journal does not hold."""
    for chain in kills.plan(count):
        with journal.claimed(homes.records, f"kill-{chain.numbers[0]}") as mine:
            known = {entry.number for entry in journal.read(homes.records)}
            progress.report("kills", len(known.intersection(range(1, count + 1))), count)
            if mine and not known.issuperset(chain.numbers):
                homes.prepare()
                journal.write(homes.records, kills.run(homes, chain))


def told(entries: list[Entry]) -> dict[str, Any]:
    """Return the result of some faults: by stage, how many were done and how many did harm."""
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(f"{entry.stage}, {entry.target.partition(',')[0]}", []).append(entry)
    cases = []
    for name, group in groups.items():
        cases.append(case(name, len(group), "faults"))
        cases.append(case(name, sum(not each.holds for each in group), "not put right", 0))
        again = [each.again for each in group if each.again is not None]
        if again:
            cases.append(case(f"{name}, run again", statistics.median(again), "s, median"))
    for entry in entries:
        for wrong in entry.wrong:
            cases.append(
                case(f"{entry.number} ({entry.stage}, {entry.moment} s of {entry.of}, seed "
                     f"{entry.seed}): {wrong}", 1, "wrong", 0)
            )  # fmt: skip
    return result("faults", cases)


@contextlib.contextmanager
def _own(folder: Path) -> Iterator[Homes]:
    """Give homes that no other process works in: in the folder, or beside it in ``2`` and so on."""
    for number in itertools.count(1):
        with journal.claimed(folder, f"homes-{number}") as mine:
            if mine:
                yield Homes(folder / str(number) if number > 1 else folder, records=folder)
                return


@contextlib.contextmanager
def _folder(out: Path | None) -> Iterator[Path]:
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        yield out.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="openchronic-faults-") as name:
        yield Path(name)
