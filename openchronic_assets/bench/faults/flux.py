"""Years of flux, a delivery a month: in order, one at a time, and in a random order, many at once.

Run with a home and the names of deliveries, this module ingests those one after the other; with a
home alone, it is the job that takes whatever has landed.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import math
import random
import shutil
import sys
from pathlib import Path

from openchronic_assets.bench.faults.homes import Homes, remove
from openchronic_assets.bench.faults.journal import Entry
from openchronic_assets.bench.faults.kills import PATIENCE, SEED
from openchronic_assets.bench.faults.processes import Command
from openchronic_assets.bench.faults.readers import look, torn, unbalanced
from openchronic_assets.ingestion import deliveries
from openchronic_assets.ingestion.lines import sha256_of
from openchronic_assets.settings import Home

PERSONS = 20
FIRST_YEAR = 2010
LOTS = 5  # how often something lands, in the random order
KILLS = 3  # of the runs that take it
MONTH = "FLX_DIS_DTD"  # 01/02/2010
ENTRY = f"{__name__}:main"


def permuted(homes: Homes, months: int, label: str) -> Entry:
    """Deliver months of flux in order and in a random order, the latter through kills; compare.

    In order, each delivery is ingested before the next one comes. In the random order they land in
    a few lots, each taken by one run of the job, and some of these runs are killed and run again.
    """
    entry = Entry(label, SEED, "flux", "order of deliveries")
    place = homes.folder / "flux"
    remove(place)
    draw = random.Random(f"{SEED}:{label}")
    folders = deliver(place / "delivered", months, draw)
    ordered, mixed = (Home(place / name / "home").create() for name in ("ordered", "mixed"))

    def take(home: Home, *names: str) -> Command:
        return Command([str(home.root), *names], homes.environment, homes.log, entry=ENTRY)

    for folder in folders:
        shutil.copytree(folder, ordered.landing / folder.name)
    command = take(ordered, *(folder.name for folder in folders))
    code = command.worked(math.inf, 4 * PATIENCE)
    entry.of = round(command.work, 2)
    if code != 0:
        command.kill()
        entry.wrong.append(f"in order it ended with {code}: {homes.said()}")
    shuffled = draw.sample(folders, len(folders))
    cuts = sorted(draw.sample(range(1, len(folders)), LOTS - 1))
    lots = [shuffled[a:b] for a, b in zip([0, *cuts], [*cuts, len(folders)], strict=True)]
    kills = 0
    for number, lot in enumerate(lots):
        for folder in lot:
            shutil.copytree(folder, mixed.landing / folder.name)
        while number < KILLS:
            command = take(mixed)
            moment = draw.uniform(0, entry.of * len(lot) / len(folders))
            if command.worked(moment, PATIENCE) is not None:
                break
            command.kill()
            kills += 1
            entry.wrong += unbalanced(mixed)
            if draw.random() < 0.5:
                break
        command = take(mixed)
        if (code := command.wait(4 * PATIENCE)) != 0:
            command.kill()
            entry.wrong.append(f"lot {number} ended with {code}: {homes.said()}")
    entry.seen += [
        f"{len(deliveries.records(mixed))} deliveries in lots of {[len(lot) for lot in lots]}",
        f"{kills} kills",
    ]
    wanted = look(ordered)
    entry.wrong += look(mixed).differs(wanted, ["raw"]) + torn(mixed, [wanted])
    if len(deliveries.records(mixed)) != len(folders):
        entry.wrong.append("not every delivery is on record")
    for home in (ordered, mixed):
        entry.wrong += unbalanced(home)
    remove(place)
    return entry


def deliver(out: Path, months: int, draw: random.Random) -> list[Path]:
    """Write a delivery a month of flux, and return them in order; their names tell no order."""
    from openchronic_assets.synthetic import generate

    whole = out.with_name("whole")
    years = (FIRST_YEAR, FIRST_YEAR + (months + 11) // 12 - 1)
    generate(whole, PERSONS, years, SEED % 1000, ["23"], truth=out.with_name("truth"))
    wanted = [(years[0] + place // 12, place % 12 + 1) for place in range(1, months + 1)]
    names = {month: hashlib.sha256(f"{draw.random()}".encode()).hexdigest()[:8] for month in wanted}
    rows: dict[tuple[int, int], dict[str, list[list[str]]]] = {month: {} for month in wanted}
    heads: dict[str, list[str]] = {}
    for path in sorted(whole.glob("ER_*_F_*.csv.gz")):
        table = path.name.rpartition("_")[0]
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            lines = csv.reader(file, delimiter=";", quoting=csv.QUOTE_NONE)
            heads[table] = next(lines)
            place = heads[table].index(MONTH) if MONTH in heads[table] else None
            for line in lines:
                # Lines that are torn or have no month go to the first: they are refused there.
                day = line[place] if place is not None and len(line) > place else ""
                known = len(day) == len("01/02/2010") and day[3:5].isdigit()
                month = (int(day[6:]), int(day[3:5])) if known else wanted[0]
                if month in rows:
                    rows[month].setdefault(table, []).append(line)
    for year, number in wanted:
        folder = out / names[year, number]
        folder.mkdir(parents=True)
        for table in sorted({"ER_PRS_F", *rows[year, number]}):
            text = [heads[table], *rows[year, number].get(table, [])]
            (folder / f"{table}_{year}{number:02d}.csv").write_text(
                "".join(f"{';'.join(line)}\n" for line in text), encoding="utf-8"
            )
        manifest = {
            "date": f"{year + number // 12}-{number % 12 + 1:02d}-28",
            "pseudonym_epoch": "one",
            "checksums": {path.name: sha256_of(path) for path in folder.iterdir()},
        }
        (folder / "delivery.json").write_text(json.dumps(manifest), encoding="utf-8")
        (folder / "_SUCCESS").touch()
    remove(whole)
    return [out / names[month] for month in wanted]


def main() -> None:
    """Ingest the named deliveries in their order, or what has landed as the job does."""
    from openchronic_assets import instance
    from openchronic_assets.ingestion import spark
    from openchronic_assets.ingestion.run import ingest

    home, names = Home(Path(sys.argv[1])), sys.argv[2:]
    if names:
        for name in names:
            ingest(home, home.landing / name, session=spark.session)
        return
    instance.prepare(home)
    import dagster as dg

    from openchronic_assets.definitions import defs
    from openchronic_assets.ingestion.sensors import RANGE_END, RANGE_START

    year = str(FIRST_YEAR)
    with instance.command_run(home), dg.DagsterInstance.get() as running:
        instance.end_killed_runs(home, running, alone=True)
        result = defs.resolve_job_def("ingest_deliveries").execute_in_process(
            instance=running, raise_on_error=False,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            tags={RANGE_START: year, RANGE_END: year, **instance.LAUNCHED_BY},
        )  # fmt: skip
    sys.exit(0 if result.success else 1)
