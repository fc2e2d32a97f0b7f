"""Kills of commands at random moments: what is seen after each, and what a re-run makes of it.

A chain is some kills of one stage, each but the first of the command that was to put right what
the kill before had left; then the command runs to its end, and all must be as if nobody had been
killed. The moments are drawn uniformly over the processor time that the stage takes undisturbed
(other loads of the machine change it least), from a generator whose seed is the benchmark's and the
kill's number, so that a kill can be done again.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass

from openchronic_assets.bench.faults.homes import Homes, Stage
from openchronic_assets.bench.faults.journal import Entry
from openchronic_assets.bench.faults.processes import descendants, kill_tree, named, send
from openchronic_assets.bench.faults.readers import ATTEMPTS, Seen, held, settled, torn
from openchronic_assets.errors import OpenChronicError
from openchronic_assets.settings import Home
from openchronic_assets.warehouse.builds import read_manifest
from openchronic_assets.warehouse.catalogue import connect, ensure_catalogue

SEED = 20261122
LONGEST = 4  # kills in a row
COLD = 0.1  # share of the commands that start with a fresh interpreter
ALONE = 0.15  # share of the kills that spare what the command started: a JVM, its workers, a gate
ASKED = 0.5  # share of the kills after which somebody queries through the product
PATIENCE = 900.0  # seconds for a command that must end

# Kills of commands by stage, for 170 of them. Most of a run of 200 people are Dagster's events, so
# that most kills of it would hit those: three quarters are of what is between them.
SHARES = {
    "first ingestion": 15, "ingestion": 25, "build": 10, "build alone": 30, "anonymisation": 9,
    "anonymisation alone": 26, "release": 35, "catalogue": 20,
}  # fmt: skip


@dataclass(frozen=True)
class Chain:
    """Some kills in a row of one stage, by their numbers."""

    stage: str
    numbers: tuple[int, ...]


def plan(kills: int, seed: int = SEED) -> list[Chain]:
    """Return the chains of a number of kills, every stage by its share, stages in turn."""
    left = _shared(kills)
    draw = random.Random(f"{seed}:plan")
    chains: list[Chain] = []
    number = 0
    while any(left.values()):
        for stage, count in left.items():
            if size := min(count, draw.randint(1, LONGEST)):
                chains.append(Chain(stage, tuple(range(number + 1, number + size + 1))))
                number += size
                left[stage] -= size
    return chains


def _shared(kills: int) -> dict[str, int]:
    """Return how many kills each stage gets: by the largest remainders."""
    total = sum(SHARES.values())
    exact = {stage: kills * share / total for stage, share in SHARES.items()}
    counts = {stage: int(value) for stage, value in exact.items()}
    rest = sorted(exact, key=lambda stage: counts[stage] - exact[stage])
    for stage in rest[: kills - sum(counts.values())]:
        counts[stage] += 1
    return counts


def run(homes: Homes, chain: Chain, seed: int = SEED) -> list[Entry]:
    """Do the kills of a chain and return what came of them."""
    stage = homes.stages[chain.stage]
    allowed = states(homes, stage)
    homes.restore(stage.start)
    entries: list[Entry] = []
    spared: list[int] = []
    for number in chain.numbers:
        draw = random.Random(f"{seed}:{number}")
        entry = Entry(number, seed, stage.name)
        spared += _kill(homes, stage, draw, entry)
        entry.wrong += torn(homes.at, allowed)
        entry.seen += told(homes.at)
        if draw.random() < ASKED:
            entry.wrong += _ask(homes)
        entries.append(entry)
    run_again(homes, stage, entries[-1], spared)
    return entries


def run_again(homes: Homes, stage: Stage, entry: Entry, spared: Sequence[int] = ()) -> None:
    """Run a stage's command to its end, and note in an entry what is not put right by it.

    Processes that outlived their command may write into its hidden folders meanwhile; they end
    before the home is looked at, and what they leave there goes with the next ingestion.
    """
    command = homes.begin(stage)
    code = command.wait(PATIENCE)
    entry.again = round(time.monotonic() - command.began, 2)
    if code is None:
        entry.wrong.append(f"run again it does not end; held: {list(held(homes.at))}")
        command.kill()
    else:
        for pid in named(spared, "java") + named(spared, "pyspark"):
            kill_tree(pid)
        wrong = ended(homes, stage, code)
        entry.wrong += [each for each in wrong if not (spared and ATTEMPTS in each)]


def states(homes: Homes, stage: Stage) -> list[Seen]:
    """Return what readers may see while a stage goes on and after it."""
    names = [stage.start, stage.end, *(["built"] if stage.name == "build" else [])]
    return [homes.seen(name, read=read) for name in names for read in (False, True)]


def ended(homes: Homes, stage: Stage, code: int) -> list[str]:
    """Say what is not as after a stage that nobody disturbed, where its command has ended."""
    # A release that was public already when its command was killed is refused a second time.
    public = stage.name == "release" and code == 3 and "already published" in homes.said()
    if code != 0 and not public:
        return [f"run again it ended with {code}: {homes.said()}"]
    ensure_catalogue(homes.at)
    return settled(homes.at, homes.seen(stage.end, read=True))


def _kill(homes: Homes, stage: Stage, draw: random.Random, entry: Entry) -> list[int]:
    """Start the stage's command and kill it at a moment, until one was killed before its end.

    Returns:
        The processes that it had started, where they were spared.
    """
    cold, alone = draw.random() < COLD, draw.random() < ALONE
    entry.of = round(homes.seconds(stage.name) + (homes.start if cold else 0.0), 2)
    entry.target = "command alone" if alone else "command"
    if cold:
        entry.target += ", fresh interpreter"
    for _ in range(20):
        entry.moment = round(draw.uniform(0, entry.of), 3)
        command = homes.begin(stage, cold=cold)
        code = command.worked(entry.moment, PATIENCE)
        if code is None and alone:
            family = descendants(command.pid)[1:]
            send(command.pid, signal.SIGKILL)
            command.wait(60)
            return family
        if code is None:
            command.kill()
            return []
        # A re-run after a kill has less to do and may end before: that is a whole end, looked at
        # like any other, and the next one is killed from the beginning.
        if wrong := ended(homes, stage, code):
            entry.wrong += wrong
            return []
        homes.restore(stage.start)
    raise OpenChronicError(f"kill {entry.number}: the stage {stage.name} always ended before")


def told(home: Home) -> list[str]:
    """Return in words what a kill left."""
    said = []
    manifest = read_manifest(home)
    said.append(f"build {manifest['build_id']}" if manifest else "no build")
    said.append(f"{len(list(home.deliveries.glob('*.json')))} deliveries")
    for zone in (home.candidate, home.release):
        names = [path.name for path in zone.iterdir()] if zone.is_dir() else []
        if names:
            said.append(f"{zone.name}: {', '.join('attempt' if n[0] == '.' else n for n in names)}")
    attempts = [*home.raw.glob(".attempt-*"), *home.vault.glob("releases/.attempt-*")]
    if attempts:
        said.append(f"{len(attempts)} attempts")
    return said


def _ask(homes: Homes) -> list[str]:
    """Query the home through the product, which brings its catalogue up to date."""
    if read_manifest(homes.at) is None:
        return []
    with connect(homes.at) as connection:
        row = connection.execute("select build_id from meta.build").fetchone()
    wanted = (read_manifest(homes.at) or {})["build_id"]
    return [] if row == (wanted,) else ["a query did not see the build of the pointer"]
