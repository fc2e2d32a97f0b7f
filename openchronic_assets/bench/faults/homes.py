"""Homes to disturb: made once, copied before each kill, compared with one that nobody disturbed.

Two deliveries of the same people, the second newer and without some of the rows of the first. The
homes are the places between the stages of the main job for the second delivery, while the first
one's build is what readers see:

======== ===================================================== =======================
home      holds                                                stage that starts there
======== ===================================================== =======================
first     nothing; the first delivery has landed               ingestion of a new home
landed    the first build; the second delivery has landed      ingestion
ingested  … and is in the lake                                 build
built     … and its build is published                         anonymisation
prepared  … and its candidate waits                            release
pointed   as prepared, with the catalogue of the first build   catalogue
======== ===================================================== =======================
"""

from __future__ import annotations

import gzip
import json
import math
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openchronic_assets import __version__, progress
from openchronic_assets.anonymisation.release import vault_key
from openchronic_assets.bench.faults.processes import (
    CLOCK_VARIABLE,
    ENTRY,
    Command,
    environment,
)
from openchronic_assets.bench.faults.readers import Seen, look
from openchronic_assets.bench.part_of_project import write_part
from openchronic_assets.errors import OpenChronicError
from openchronic_assets.ingestion.lines import sha256_of
from openchronic_assets.settings import Home
from openchronic_assets.warehouse.catalogue import ensure_catalogue
from openchronic_assets.warehouse.project import PARSED_VARIABLE, PROJECT_VARIABLE

PERSONS = 200
YEARS = "2019-2019"
DEPARTMENTS = "23,62"
SEED = 10
FIRST, SECOND = "first", "second"
APPROVERS = ("--approver", "demo-approver-1", "--approver", "demo-approver-2")
# With all that they are made from: what writes, resumes and publishes them is the same for all.
MODELS = ("person", "patient", "care_event", "hospital_stay", "indicator_prevalence")
SECRET = "the secret of a benchmark, which hides nobody"
KEPT = 0.9  # share of the lines of a file that the second delivery brings again


@dataclass(frozen=True)
class Stage:
    """A command to kill: where it starts, and what it changes when it has ended."""

    name: str
    start: str  # name of a home
    end: str
    arguments: Callable[[Home], list[str]]
    entry: str = ENTRY


def _version(home: Home) -> str:
    """Return the name of the candidate of patients, or of the release that it became."""
    found = [
        path.name
        for zone in (home.candidate, home.release)
        for path in zone.iterdir()
        if path.is_dir() and not path.name.startswith(".")
    ]
    return max(found, default="none")


STAGES = {
    stage.name: stage
    for stage in (
        Stage("first ingestion", "first", "first ingested",
              lambda home: ["ingest", str(home.landing / FIRST)]),
        Stage("ingestion", "landed", "ingested",
              lambda home: ["ingest", str(home.landing / SECOND)]),
        Stage("build", "ingested", "prepared", lambda home: ["run", "--years", YEARS]),
        Stage("anonymisation", "built", "prepared", lambda home: ["run", "--years", YEARS]),
        Stage("release", "prepared", "released",
              lambda home: ["release", "publish", _version(home), *APPROVERS]),
        Stage("catalogue", "pointed", "prepared",
              lambda home: ["sql", "select count(*) from patient"]),
    )
}  # fmt: skip


# The same without Dagster, whose events take most of the time of a run of 200 people.
ALONE = {
    "build": Stage("build alone", "ingested", "built", lambda home: [str(home.root)],
                   f"{__name__}:build_alone"),
    "anonymisation": Stage("anonymisation alone", "built", "prepared",
                           lambda home: [str(home.root)], f"{__name__}:anonymise_alone"),
}  # fmt: skip
STAGES |= {stage.name: stage for stage in ALONE.values()}


class Homes:
    """The homes of a benchmark, in one folder: ``at`` is the one that is worked in."""

    def __init__(
        self,
        folder: Path,
        persons: int = PERSONS,
        *,
        alone: bool = False,
        records: Path | None = None,
    ):
        """Use a folder; what an earlier call of the same version prepared there is used again.

        Args:
            folder: of the homes; no other process may use it.
            persons: people in the deliveries.
            alone: builds and candidates are made without Dagster.
            records: folder of the journal, which processes may share; ``folder`` by default.
        """
        self.stages = STAGES | (ALONE if alone else {})
        self.folder = folder
        self.records = records or folder
        self.persons = persons
        self.at = Home(folder / "home")
        self.kept = folder / "homes"
        self.log = folder / "command.log"
        self.environment = environment(
            OPENCHRONIC_HOME=folder / "warm",
            OPENCHRONIC_SECRET=SECRET,
            OPENCHRONIC_SPARK_MASTER="local[2]",
            **{
                PARSED_VARIABLE: folder / "parsed",
                PROJECT_VARIABLE: folder / "models" / "dbt_project",
            },
        )
        self._path = folder / "homes.json"
        self._facts: dict[str, Any] = {}

    # --- commands -------------------------------------------------------------------------------

    def command(
        self,
        arguments: Sequence[str],
        *,
        cold: bool = False,
        log: Path | None = None,
        clock: float = 0.0,
        entry: str = ENTRY,
    ) -> Command:
        """Start a command on the home that is worked in; its clock may be some seconds off."""
        more = {CLOCK_VARIABLE: str(clock)} if clock else {}
        return Command(
            [*arguments, "--home", str(self.at.root)], {**self.environment, **more},
            log or self.log, cold=cold, entry=entry,
        )  # fmt: skip

    def begin(
        self, stage: Stage, *, cold: bool = False, log: Path | None = None, clock: float = 0.0
    ) -> Command:
        """Start the command of a stage."""
        return self.command(
            stage.arguments(self.at), cold=cold, log=log, clock=clock, entry=stage.entry
        )

    def done(self, arguments: Sequence[str], *, cold: bool = False, entry: str = ENTRY) -> float:
        """Run a command to its end and return the processor seconds of it and all it started.

        Raises:
            OpenChronicError: it failed.
        """
        command = self.command(arguments, cold=cold, entry=entry)
        code = command.worked(math.inf, 1800)
        if code != 0:
            command.kill()
            raise OpenChronicError(f"openchronic {arguments[0]} ended with {code}: {self.said()}")
        return command.work

    def said(self, log: Path | None = None) -> str:
        """Return the last line that a command printed; the people are invented."""
        lines = (log or self.log).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1][-400:] if lines else "nothing"

    # --- homes ----------------------------------------------------------------------------------

    def restore(self, name: str) -> Home:
        """Put a kept home in the place that is worked in.

        Always the same place, since a catalogue names its files by absolute path. What is never
        changed after it was written, Parquet and deliveries, is linked, all else is copied.
        """
        remove(self.at.root)
        shutil.copytree(self.kept / name, self.at.root, symlinks=True, copy_function=_link)
        return self.at

    def keep(self, name: str) -> None:
        """Keep a copy of the home that is worked in, and what is seen in it."""
        remove(self.kept / name)
        shutil.copytree(self.at.root, self.kept / name, symlinks=True, copy_function=_link)
        # Events of the runs that prepared it: settings are what a home needs.
        for path in (self.kept / name / "dagster").glob("*"):
            if path.name != "dagster.yaml":
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        self.restore(name)
        self._facts["seen"][name] = look(self.at).to_json()
        ensure_catalogue(self.at)
        self._facts["read"][name] = look(self.at).to_json()
        self.restore(name)

    def seen(self, name: str, *, read: bool = False) -> Seen:
        """Return what is in a kept home that nobody disturbed; ``read``: once it was queried."""
        return Seen.from_json(self._facts["read" if read else "seen"][name])

    def seconds(self, stage: str) -> float:
        """Return the processor seconds that a stage takes undisturbed."""
        return float(self._facts["seconds"][stage])

    @property
    def start(self) -> float:
        """Processor seconds until a cold command has imported what it needs."""
        return float(self._facts["start"])

    def unharmed(self) -> bool:
        """Say whether the kept homes still hold what they held: nothing wrote through a link."""
        for name in self._facts["seen"]:
            self.restore(name)
            if look(self.at) != self.seen(name):
                return False
        return True

    def prepare(self) -> None:
        """Make the homes, or find them made.

        Raises:
            OpenChronicError: a command failed without any disturbance.
        """
        wanted = {"version": __version__, "persons": self.persons, "seed": SEED}
        if self._path.is_file():
            found = json.loads(self._path.read_text(encoding="utf-8"))
            if found["of"] == wanted and found["at"] == str(self.at.root):
                self._facts = found
                return
        remove(self.kept)
        remove(self.folder / "models")
        (self.folder / "models").mkdir(parents=True)
        write_part(Path(self.environment[PROJECT_VARIABLE]), MODELS)
        self._facts = {"of": wanted, "at": str(self.at.root), "seconds": {}, "seen": {}, "read": {}}
        steps = (
            self._first, self._landed, self._ingested, self._built, self._prepared, self._pointed,
            self._released,
        )  # fmt: skip
        for number, step in enumerate(steps):
            progress.report("prepare homes", number, len(steps))
            step()
        progress.report("prepare homes", len(steps), len(steps))
        self._path.write_text(json.dumps(self._facts, indent=1), encoding="utf-8")

    def _time(self, stage: Stage) -> None:
        took = self.done(stage.arguments(self.at), entry=stage.entry)
        self._facts["seconds"][stage.name] = round(took, 2)

    def _first(self) -> None:
        remove(self.at.root)
        self.at.create()
        vault_key(self.at)  # decides the order of a release's rows
        first = self.at.landing / FIRST
        self._facts["start"] = self.done(
            ["synth", "--out", str(first), "--persons", str(self.persons), "--years", YEARS,
             "--departments", DEPARTMENTS, "--seed", str(SEED), "--processes", "1"],
            cold=True,
        )  # fmt: skip
        remove(first.with_name(f"{FIRST}.truth"))
        self.keep("first")
        self._time(STAGES["first ingestion"])
        self.keep("first ingested")

    def _landed(self) -> None:
        self._time(ALONE["build"])
        deliver_again(self.at.landing / FIRST, self.at.landing / SECOND)
        self.keep("landed")

    def _ingested(self) -> None:
        self._time(STAGES["ingestion"])
        self.keep("ingested")

    def _built(self) -> None:
        self._time(ALONE["build"])
        self.keep("built")

    def _prepared(self) -> None:
        self._time(ALONE["anonymisation"])
        if self.stages["build"].entry == ENTRY:
            self.restore("built")
            self._time(STAGES["anonymisation"])
            # Both halves of a run, measured one after the other.
            seconds = self._facts["seconds"]
            seconds["build"] = seconds["build alone"] + seconds["anonymisation"]
        self.keep("prepared")

    def _pointed(self) -> None:
        shutil.copy2(self.kept / "landed" / "lake" / "catalogue.duckdb", self.at.catalogue)
        self.keep("pointed")
        self._time(STAGES["catalogue"])

    def _released(self) -> None:
        self.restore("prepared")
        self._time(STAGES["release"])
        self.keep("released")


def build_alone() -> None:
    """Build the models of the home that the command line names, and publish them."""
    from openchronic_assets.warehouse.run import build

    build(Home(Path(sys.argv[1])), [int(YEARS.partition("-")[0])])


def anonymise_alone() -> None:
    """Prepare the candidate of the home that the command line names, as a run does."""
    from openchronic_assets.anonymisation.release import prepare_candidate
    from openchronic_assets.ingestion.deliveries import behind
    from openchronic_assets.warehouse.builds import files, read_manifest

    home, year = Home(Path(sys.argv[1])), int(YEARS.partition("-")[0])
    prepare_candidate(
        home, files(home, "patient"), year, (read_manifest(home) or {})["build_id"], behind(home),
        person_files=files(home, "person"), event_files=files(home, "care_event", year),
    )  # fmt: skip


def remove(folder: Path) -> None:
    """Remove a folder that may not be there; a release's files are read-only."""
    if folder.exists():
        shutil.rmtree(folder)


def _link(source: str, target: str) -> str:
    kept = Path(source).suffix == ".parquet" or "/landing/" in source
    if kept:
        os.link(source, target)
        return target
    return str(shutil.copy2(source, target))


def deliver_again(first: Path, second: Path) -> None:
    """Write a newer delivery of the same files, each without its last lines."""
    second.mkdir()
    manifest = json.loads((first / "delivery.json").read_text(encoding="utf-8"))
    for path in sorted(first.iterdir()):
        if ".csv" not in path.name:
            continue
        data = path.read_bytes()
        packed = path.suffix == ".gz"
        lines = (gzip.decompress(data) if packed else data).splitlines(keepends=True)
        # Referentials stay whole: no one may vanish of whom lines speak.
        if not path.name.startswith(("IR_", "KI_")):
            lines = lines[: max(1, round(len(lines) * KEPT))]
        data = b"".join(lines)
        (second / path.name).write_bytes(gzip.compress(data, mtime=0) if packed else data)
    manifest["checksums"] = {
        path.name: sha256_of(path) for path in sorted(second.iterdir()) if ".csv" in path.name
    }
    manifest["date"] = "2030-01-01"
    (second / "delivery.json").write_text(json.dumps(manifest), encoding="utf-8")
    (second / "_SUCCESS").touch()
