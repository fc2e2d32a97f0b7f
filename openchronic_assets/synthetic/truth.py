"""The planted truth of an extract: what a perfect pipeline would find in it.

Written beside the delivery, never inside: one Parquet file a table of ``TABLES``, whose metadata
tell what each table and column is, and ``truth.json`` with the totals. Workers make the rows of
their blocks (``rows``); the files grow on disk, not in memory.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from openchronic_assets.synthetic.delivery import Delivery, GroupedWriter, Piece
from openchronic_assets.synthetic.text import NEVER, Ints, distinct, plain

PREVALENCE_RULE = (
    "persons with a real NIR, alive on at least one day of the year, with an episode of the ALD"
    " in force on at least one day of the year"
)


@dataclass(frozen=True)
class TruthTable:
    """One table of the truth: what a row is, and its columns (name, type, what it holds)."""

    grain: str
    columns: tuple[tuple[str, str, str], ...]

    @property
    def schema(self) -> pa.Schema:
        """The Parquet schema, descriptions included."""
        types = {
            "int": pa.int64(),
            "text": pa.string(),
            "date": pa.date32(),
            "flag": pa.bool_(),
            "number": pa.float64(),
        }
        fields = [
            pa.field(name, types[kind], metadata={"description": what})
            for name, kind, what in self.columns
        ]
        return pa.schema(fields, metadata={"grain": self.grain})


_INDEX = ("index", "int", "number of the person in the extract, from 0")

TABLES: dict[str, TruthTable] = {
    "persons": TruthTable(
        "one person",
        (
            _INDEX,
            ("ben_nir_psa", "text", "pseudonym of the first (PSA, rank) couple"),
            ("ben_rng_gem", "int", "rank of the couples"),
            ("second_psa", "text", "pseudonym of the second couple; NULL without one"),
            ("second_from", "date", "day from which the second couple is used"),
            ("ben_idt_ano", "text", "identifier of the person in IR_BEN_R"),
            ("ben_idt_top", "int", "1: the identifier is the NIR's pseudonym, 0: PSA and rank"),
            ("cdi_nir", "text", "kind of NIR (IR_NIR_V)"),
            ("fictitious", "flag", "the NIR stands for a protected situation, not for a person"),
            ("sex", "int", "1 man, 2 woman"),
            ("birth_date", "date", "birth"),
            ("department", "text", "INSEE department of residence at the end"),
            ("commune", "text", "three characters of the commune of residence at the end"),
            ("scheme", "int", "1 general, 2 agricultural, 3 self-employed"),
            ("death_date", "date", "death; NULL for the living"),
            ("death_in_register", "flag", "IR_BEN_R knows the death"),
            ("death_certified", "flag", "CépiDc ties the death to the person"),
            ("moved", "date", "day of a move to another department; NULL without one"),
            ("department_before", "text", "INSEE department before the move"),
            ("commune_before", "text", "commune before the move"),
            ("deprivation_quintile", "int", "quintile of the last commune, 5 the poorest; 0: none"),
            ("consumer", "flag", "at least one reimbursement line is in the extract"),
        ),
    ),
    "person_years": TruthTable(
        "one person and year in which they live on at least one day",
        (
            _INDEX,
            ("year", "int", "calendar year of the extract"),
            ("department", "text", "INSEE department on 31 December, or on the day of death"),
            ("commune", "text", "three characters of the commune, then"),
            ("deprivation_quintile", "int", "quintile of the commune, then; 0: none"),
            ("treating_doctor", "text", "number of the treating doctor, then; NULL without one"),
            ("days", "int", "days lived in the year"),
            ("age", "int", "the year less that of birth: age reached on 31 December"),
            ("consumer", "flag", "at least one reimbursement line of care of the year"),
        ),
    ),
    "ald_episodes": TruthTable(
        "one ALD of one person, from grant to end",
        (
            _INDEX,
            ("ben_idt_ano", "text", "identifier of the person in IR_BEN_R"),
            ("ald_num", "int", "ALD number, 1 to 32"),
            ("cim10", "text", "CIM-10 code of the request"),
            ("start_date", "date", "first day of the exemption"),
            ("end_date", "date", "last day; NULL while open"),
            ("department", "text", "INSEE department of residence"),
            ("sex", "int", "1 man, 2 woman"),
            ("severity", "int", "1 to 3, when it begins"),
            ("worse_date", "date", "day on which it grows severer by one; NULL if it does not"),
        ),
    ),
    "ald_requests": TruthTable(
        "one request for an ALD; only what was granted has rows in IR_IMB_R",
        (
            _INDEX,
            ("ald_num", "int", "ALD number asked for"),
            ("cim10", "text", "CIM-10 code of the request"),
            ("request_date", "date", "day of the request"),
            ("decision_date", "date", "day of the decision"),
            ("granted", "flag", "the exemption was given"),
        ),
    ),
    "pathologies": TruthTable(
        "one pathology or chronic treatment of the cartographie of one person",
        (
            _INDEX,
            ("pathology", "text", "name of the top, a row of calibration/pathologies.csv"),
            ("start_date", "date", "onset"),
            ("from_ald", "flag", "it begins with the person's ALD; else treated without one"),
        ),
    ),
    "moves": TruthTable(
        "one move of one person to another department",
        (
            _INDEX,
            ("move_date", "date", "first day in the new department"),
            ("from_department", "text", "INSEE department before"),
            ("to_department", "text", "INSEE department after"),
        ),
    ),
    "ald_onset_risk": TruthTable(
        "one person and ALD at one landmark, 1 January of a year: only true risks above 0.001, and"
        " ald_num 0 for any ALD, of everyone",
        (
            _INDEX,
            ("year", "int", "the landmark is its first day"),
            ("ald_num", "int", "ALD number; 0: at least one begins"),
            ("risk", "number", "true chance that it begins in the year"),
        ),
    ),
    "stays": TruthTable(
        "one hospital stay (MCO)",
        (
            _INDEX,
            ("ben_idt_ano", "text", "identifier of the person in IR_BEN_R"),
            ("profile", "text", "kind of stay, a row of calibration/stays.csv"),
            ("entry_date", "date", "entry"),
            ("exit_date", "date", "exit"),
            ("hospital", "text", "FINESS of the hospital"),
            ("exit_mode", "text", "7 transfer, 8 home, 9 death"),
            ("sessions", "int", "number of sessions; 0 for a full stay"),
            ("year", "int", "year of discharge"),
            ("chained", "flag", "the stay carries the pseudonym of its patient"),
            ("cim10", "text", "main diagnosis"),
            ("urgent", "flag", "admitted through the emergency department"),
            (
                "readmission_risk",
                "number",
                "true chance, on the day of exit, of another admission"
                " within 30 days; death apart, sessions 0",
            ),
        ),
    ),
    "field_stays": TruthTable(
        "one stay in rehabilitation (SSR), home hospitalisation (HAD) or psychiatry (RIP)",
        (
            _INDEX,
            ("ben_idt_ano", "text", "identifier of the person in IR_BEN_R"),
            ("field", "text", "SSR, HAD or RIP"),
            ("entry_date", "date", "entry"),
            ("exit_date", "date", "exit"),
            ("hospital", "text", "FINESS of the hospital"),
            ("cim10", "text", "main diagnosis"),
            ("from_acute", "flag", "follows an acute stay at once"),
            ("died", "flag", "ends with the person's death"),
            ("year", "int", "year of discharge"),
        ),
    ),
    "visits": TruthTable(
        "one visit: to a doctor's practice, to a hospital's consultations or its emergency room",
        (
            _INDEX,
            ("visit_date", "date", "day"),
            ("kind", "text", "gp, specialist, hospital or emergency"),
            ("provider", "text", "number of the practitioner (00000000: salaried) or FINESS"),
            ("specialty", "int", "specialty of the practitioner (IR_SPE_V); 0 in hospital"),
        ),
    ),
    "exposures": TruthTable(
        "one lasting treatment of one person",
        (
            _INDEX,
            ("cip13", "text", "presentation"),
            ("atc", "text", "ATC class, as far as it is known"),
            ("start_date", "date", "first day"),
            ("end_date", "date", "last day within the care years"),
            ("adherence", "number", "true share of the refills that are taken"),
        ),
    ),
    "dispensings": TruthTable(
        "one person, day and presentation handed out by a pharmacy, regularisations added up",
        (
            _INDEX,
            ("dispensing_date", "date", "day"),
            ("cip13", "text", "presentation"),
            ("atc", "text", "ATC class, as far as it is known"),
            ("boxes", "int", "boxes; 0 for what was cancelled and not delivered again"),
            ("units", "int", "units of the boxes, one a day when taken as written; 0 unknown"),
        ),
    ),
    "provider_effects": TruthTable(
        "one true effect of one provider",
        (
            ("provider", "text", "number of the GP, or FINESS of the hospital"),
            ("department", "text", "INSEE department"),
            (
                "effect",
                "text",
                "referral or biology (factor of the rate of visits to specialists,"
                " of biology) or readmission (added to the log-odds)",
            ),
            ("value", "number", "the effect"),
        ),
    ),
    "amounts": TruthTable(
        "one person and year of care: lines of ER_PRS_F and their cents",
        (
            _INDEX,
            ("year", "int", "year of care"),
            ("lines", "int", "lines of ER_PRS_F, regularisations included"),
            ("details", "int", "rows of the pharmacy, biology, act and hospital drug tables"),
            ("paid_cents", "int", "sum of PRS_PAI_MNT"),
            ("base_cents", "int", "sum of BSE_REM_BSE"),
            ("reimbursed_cents", "int", "sum of BSE_REM_MNT"),
            ("complement_base_cents", "int", "sum of CPL_REM_BSE"),
            ("complement_reimbursed_cents", "int", "sum of CPL_REM_MNT, participations included"),
        ),
    ),
    "dirt": TruthTable(
        "one thing planted on one line of a delivered file",
        (
            ("file", "text", "name of the file"),
            ("line", "int", "line of the text file, the header being 1; row of a Parquet file"),
            ("kind", "text", "what was planted, see docs/synthetic.md"),
            ("column", "text", "column of the contract; empty for a whole line"),
            ("becomes", "text", "kept, quarantined or flagged"),
            ("reason", "text", "the reason code of quarantine, or the rule that tells it"),
        ),
    ),
}


def table(name: str, **columns: Any) -> pa.Table:
    """Return rows of a truth table; dates are days since 1970, ``NEVER`` is NULL."""
    schema = TABLES[name].schema
    arrays = []
    for each in schema:
        values = columns[each.name]
        if pa.types.is_date32(each.type):
            days = np.asarray(values, np.int64)
            arrays.append(pa.array(days.astype(np.int32), pa.int32(), mask=days >= NEVER))
            arrays[-1] = arrays[-1].cast(pa.date32())
        elif isinstance(values, pa.Array):
            arrays.append(plain(values))
        else:
            arrays.append(pa.array(values, each.type))
    return pa.table(arrays, schema=schema)


@dataclass
class Totals:
    """What is added up over the blocks."""

    counts: Counter[str] = field(default_factory=Counter)
    planted: Counter[str] = field(default_factory=Counter)
    prevalence: Counter[tuple[int, str, int, int]] = field(default_factory=Counter)
    stays: Counter[int] = field(default_factory=Counter)

    def add(self, other: Totals) -> None:
        """Add another block's."""
        for name in ("counts", "planted", "prevalence", "stays"):
            getattr(self, name).update(getattr(other, name))


class Truth:
    """The truth of an extract being written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.totals = Totals()
        self._writers = {
            name: GroupedWriter(folder / f"{name}.parquet", each.schema)
            for name, each in TABLES.items()
        }

    def add(self, rows: Mapping[str, pa.Table], totals: Totals) -> None:
        """Add the rows and totals of a block."""
        for name, each in rows.items():
            self._writers[name].write(each)
        self.totals.add(totals)

    def add_dirt(self, delivery: Delivery, pieces: Iterable[Piece]) -> None:
        """Append pieces to a delivery, and note where their dirt is."""
        planted = [found for each in pieces for found in delivery.add(each)]
        if planted:
            self._writers["dirt"].write(
                table(
                    "dirt",
                    file=[name for name, _ in planted],
                    **{
                        column: [getattr(each, column) for _, each in planted]
                        for column in ("line", "kind", "column", "becomes", "reason")
                    },
                )
            )
            self.totals.planted.update(each.kind for _, each in planted if each.becomes == "kept")

    def finish(self, delivery: Delivery, generator: dict[str, Any]) -> dict[str, Any]:
        """Close the tables, write the totals and return them."""
        self.close()
        files = {
            name: {
                "table": known.table,
                "rows": known.good,
                "bad_rows": known.bad,
                "extra_rows": known.extra,
                "amounts": known.amounts(),
            }
            for name, known in sorted(delivery.files.items())
        }
        counts = self.totals.counts
        totals = {
            "generator": generator,
            "persons": counts["persons"],
            "patients": counts["patients"],
            "counts": dict(sorted(counts.items())),
            "tables": _by_table(delivery),
            "files": files,
            "stays_by_year": {str(y): n for y, n in sorted(self.totals.stays.items())},
            "planted": dict(sorted(self.totals.planted.items())),
            "prevalence_rule": PREVALENCE_RULE,
            "prevalence": [
                {"ald_num": n, "department": d, "sex": s, "year": y, "persons": count}
                for (n, d, s, y), count in sorted(self.totals.prevalence.items())
            ],
        }
        text = json.dumps(totals, indent=1, ensure_ascii=False)
        (self.folder / "truth.json").write_text(text + "\n", encoding="utf-8")
        return totals

    def close(self) -> None:
        """Close the tables."""
        writers, self._writers = self._writers, {}
        for writer in writers.values():
            writer.close()


def read(folder: Path, name: str) -> list[dict[str, Any]]:
    """Return the rows of a table of a truth folder, typed."""
    rows: list[dict[str, Any]] = pq.read_table(folder / f"{name}.parquet").to_pylist()
    return rows


def cents_by_person_year(
    lines: dict[str, Ints], details: Ints, keep: int, first: int
) -> dict[str, Ints]:
    """Add up lines by person and year of care; ``details`` counts the details of each line."""
    kept = np.flatnonzero(lines["person"] < keep)
    year = lines["care"][kept].astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64)
    key, where = distinct(lines["person"][kept] * 1000 + year)

    def total(values: Ints) -> Ints:
        # Exact in floating point: cents of one person stay far below 2**53.
        return np.bincount(where, values[kept], len(key)).astype(np.int64)

    return {
        "index": first + key // 1000,
        "year": 1970 + key % 1000,
        "lines": np.bincount(where, minlength=len(key)),
        "details": total(details),
        "paid_cents": total(lines["paid"]),
        "base_cents": total(lines["base"]),
        "reimbursed_cents": total(lines["repaid"]),
        "complement_base_cents": total(lines["cpl_base"]),
        "complement_reimbursed_cents": total(lines["cpl_repaid"]),
    }


def _by_table(delivery: Delivery) -> dict[str, Any]:
    tables: dict[str, Any] = {}
    for known in delivery.files.values():
        entry = tables.setdefault(
            known.table, {"rows": 0, "bad_rows": 0, "extra_rows": 0, "cents": Counter()}
        )
        entry["rows"] += known.good
        entry["bad_rows"] += known.bad
        entry["extra_rows"] += known.extra
        entry["cents"].update(known.sums)
    return {
        name: {
            "rows": entry["rows"],
            "bad_rows": entry["bad_rows"],
            "extra_rows": entry["extra_rows"],
            "amounts": {n: str(Decimal(c).scaleb(-2)) for n, c in sorted(entry["cents"].items())},
        }
        for name, entry in sorted(tables.items())
    }
