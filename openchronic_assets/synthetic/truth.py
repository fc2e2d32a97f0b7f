"""The planted truth of an extract: what a perfect pipeline would find in it.

Written beside the delivery, never inside: ``truth.json`` (totals), ``persons.csv``,
``ald_episodes.csv``, ``stays.csv`` and ``dirt.csv``. It grows on disk, not in memory.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

from openchronic_assets.synthetic.conditions import Conditions
from openchronic_assets.synthetic.delivery import Delivery
from openchronic_assets.synthetic.hospital import Stays, profiles
from openchronic_assets.synthetic.population import People
from openchronic_assets.synthetic.registers import Deaths
from openchronic_assets.synthetic.text import NEVER, as_date, day
from openchronic_assets.synthetic.universe import Universe

PREVALENCE_RULE = (
    "persons with a real NIR, alive on at least one day of the year, with an episode of the ALD"
    " in force on at least one day of the year"
)

_COLUMNS = {
    "persons": (
        "index", "ben_nir_psa", "ben_rng_gem", "second_psa", "second_from", "ben_idt_ano",
        "ben_idt_top", "cdi_nir", "fictitious", "sex", "birth_date", "department", "commune",
        "scheme", "death_date", "death_in_register", "death_certified", "consumer",
    ),
    "ald_episodes": (
        "index", "ben_idt_ano", "ald_num", "cim10", "start_date", "end_date", "department", "sex",
    ),
    "stays": (
        "index", "ben_idt_ano", "profile", "entry_date", "exit_date", "hospital", "exit_mode",
        "sessions", "year",
    ),
}  # fmt: skip


def _iso(days: int) -> str:
    return "" if days >= NEVER else as_date(days).isoformat()


class Truth:
    """Adds up the truth block by block."""

    def __init__(self, folder: Path, years: tuple[int, int], world: Universe) -> None:
        self.folder, self.years, self.world = folder, years, world
        self.counts: Counter[str] = Counter()
        self.planted: Counter[str] = Counter()
        self.prevalence: Counter[tuple[int, str, int, int]] = Counter()
        self.stays: Counter[int] = Counter()
        self._handles: dict[str, IO[str]] = {}
        self._writers: dict[str, Any] = {}
        for name, columns in _COLUMNS.items():
            handle = (folder / f"{name}.csv").open("w", newline="", encoding="utf-8")
            self._handles[name] = handle
            self._writers[name] = csv.writer(handle, lineterminator="\n")
            self._writers[name].writerow(columns)

    def add(
        self,
        people: People,
        found: Conditions,
        stays: Stays,
        deaths: Deaths,
        consumer: list[bool],
        keep: int,
    ) -> None:
        """Add the first ``keep`` persons of a block."""
        departments = [self.world.departments[p] for p in people.place.tolist()]
        fictitious = people.fictitious.tolist()
        for p in range(keep):
            commune = self.world.communes[int(people.place[p])][int(people.commune[p])]
            twice = people.switch[p] < NEVER
            self._writers["persons"].writerow((
                people.first + p, people.psa[p], people.rank[p],
                people.psa2[p] if twice else "", _iso(int(people.switch[p])),
                people.idt_ano[p], 0 if people.nir_ano[p] is None else 1, people.cdi[p],
                int(fictitious[p]), people.sex[p], _iso(int(people.birth[p])), departments[p],
                commune, people.scheme[p], _iso(int(people.death[p])),
                int(deaths.in_register[p]), int(deaths.certified[p]), int(consumer[p]),
            ))  # fmt: skip
            self.counts["persons"] += 1
            self.counts["couples"] += 2 if twice else 1
            self.counts["deaths"] += int(people.death[p] < NEVER)
            self.counts["fictitious"] += int(fictitious[p])
            self.counts["twins_rank_2"] += int(people.rank[p] == 2)
            self.counts["never_consume"] += int(not consumer[p])
        self._episodes(people, found, departments, fictitious, keep)
        kinds = profiles()
        for i in range(len(stays)):
            p = int(stays.person[i])
            if p >= keep:
                continue
            year = as_date(int(stays.end[i])).year
            self.stays[year] += 1
            self._writers["stays"].writerow((
                people.first + p, people.idt_ano[p], kinds[int(stays.profile[i])].name,
                _iso(int(stays.start[i])), _iso(int(stays.end[i])),
                self.world.hospitals[int(stays.hospital[i])].finess, stays.leave[i],
                stays.sessions[i], year,
            ))  # fmt: skip
        for what, persons in found.planted.items():
            self.planted[what] += sum(person < keep for person in persons)

    def _episodes(
        self,
        people: People,
        found: Conditions,
        departments: list[str],
        fictitious: list[bool],
        keep: int,
    ) -> None:
        ill: set[int] = set()
        by_year: dict[int, set[int]] = {}
        for each in sorted(found.episodes, key=lambda e: (e.person, e.start, e.number)):
            if (p := each.person) >= keep:
                continue
            sex = int(people.sex[p])
            self._writers["ald_episodes"].writerow((
                people.first + p, people.idt_ano[p], each.number, each.code, _iso(each.start),
                _iso(each.end), departments[p], sex,
            ))  # fmt: skip
            self.counts["ald_episodes"] += 1
            if fictitious[p]:
                continue
            ill.add(p)
            for year in range(self.years[0], self.years[1] + 1):
                first, last = day(year), day(year + 1) - 1
                alive = people.death[p] >= first
                if alive and each.start <= last and each.end >= first:
                    self.prevalence[(each.number, departments[p], sex, year)] += 1
                    by_year.setdefault(year, set()).add(p)
        self.counts["patients"] += len(ill)
        for year, persons in by_year.items():
            self.counts[f"patients_in_{year}"] += len(persons)
        for year in range(self.years[0], self.years[1] + 1):
            real = [not each for each in fictitious[:keep]]
            there = (people.birth[:keep] < day(year + 1)) & (people.death[:keep] >= day(year))
            self.counts[f"persons_in_{year}"] += int((there & real).sum())

    def finish(self, delivery: Delivery, generator: dict[str, Any]) -> dict[str, Any]:
        """Write the totals and the list of bad rows; return the totals."""
        self.close()
        with (self.folder / "dirt.csv").open("w", newline="", encoding="utf-8") as handle:
            writer = csv.writer(handle, lineterminator="\n")
            writer.writerow(("file", "line", "kind", "column", "becomes"))
            for name, known in sorted(delivery.files.items()):
                for line, kind, column in known.dirt:
                    writer.writerow((name, line, kind, column, "quarantined"))
        files = {
            name: {
                "table": known.table,
                "rows": known.good,
                "bad_rows": known.bad,
                "amounts": known.amounts(),
            }
            for name, known in sorted(delivery.files.items())
        }
        totals = {
            "generator": generator,
            "persons": self.counts["persons"],
            "patients": self.counts["patients"],
            "counts": dict(sorted(self.counts.items())),
            "tables": _by_table(delivery),
            "files": files,
            "stays_by_year": {str(y): n for y, n in sorted(self.stays.items())},
            "planted": dict(sorted(self.planted.items())),
            "prevalence_rule": PREVALENCE_RULE,
            "prevalence": [
                {"ald_num": n, "department": d, "sex": s, "year": y, "persons": count}
                for (n, d, s, y), count in sorted(self.prevalence.items())
            ],
        }
        text = json.dumps(totals, indent=1, ensure_ascii=False)
        (self.folder / "truth.json").write_text(text + "\n", encoding="utf-8")
        return totals

    def close(self) -> None:
        """Close the tables."""
        for handle in self._handles.values():
            handle.close()


def _by_table(delivery: Delivery) -> dict[str, Any]:
    tables: dict[str, Any] = {}
    for known in delivery.files.values():
        entry = tables.setdefault(known.table, {"rows": 0, "bad_rows": 0, "cents": Counter()})
        entry["rows"] += known.good
        entry["bad_rows"] += known.bad
        entry["cents"].update(known.sums)
    return {
        table: {
            "rows": entry["rows"],
            "bad_rows": entry["bad_rows"],
            "amounts": {n: str(Decimal(c).scaleb(-2)) for n, c in sorted(entry["cents"].items())},
        }
        for table, entry in sorted(tables.items())
    }
