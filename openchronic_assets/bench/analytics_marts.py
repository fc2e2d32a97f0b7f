"""Invented marts for the analyses: a catalogue of the tables that they read, with a planted risk.

Made at once from random numbers, without deliveries or models: a benchmark of the analyses needs
many people, not the whole way to them. Volumes a person and year are those of the generated France
(docs/synthetic.md): 22 events, 12 dispensings, 0.3 acute stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

YEARS = (2018, 2021)
EVENTS, DRUGS, STAYS = 10.0, 12.0, 0.3
KINDS = ("visit_gp", "visit_specialist", "biology", "procedure", "device", "emergency_visit")
CLASSES = ("A10BA02", "B01AC06", "C07AB07", "C09AA05", "C10AA05", "N02BE01", "N05BA12", "R03AC02")
# Which class a latent class of people takes most, as who has an illness is treated for it.
DIAGNOSES = ("I500", "E119", "J440", "C349", "S720", "I219", "N185", "K359")
REGIONS = (("62", "32"), ("23", "75"), ("75", "11"), ("974", "04"))
LEVEL = -4.2  # log-odds of an ALD within a year, at 50, for the healthiest

_DAY = np.datetime64("1970-01-01", "D")


def make(
    path: Path,
    persons: int,
    seed: int = 1,
    years: tuple[int, int] = YEARS,
    trace: float = 0.6,
) -> None:
    """Write a DuckDB file with the marts and table ``truth`` (person_id, risk of a year).

    ``main.truth`` is what was planted: a perfect model would find it. It hangs on age, sex and a
    frailty that no table has; ``trace`` says how much of it the drugs taken tell (0: nothing).
    """
    rng = np.random.default_rng([seed, persons])
    first = int((np.datetime64(f"{years[0]}-01-01") - _DAY).astype(int))
    last = int((np.datetime64(f"{years[1]}-12-31") - _DAY).astype(int))
    names = np.array([f"{number:032x}" for number in range(persons)])
    age = rng.integers(18, 90, persons)  # on the first day
    woman, place = rng.random(persons) < 0.52, rng.integers(0, len(REGIONS), persons)
    frail = rng.normal(size=persons)
    odds = LEVEL + 0.03 * (age - 50) + 1.0 * frail + 0.2 * woman
    risk = 1 / (1 + np.exp(-odds))
    # Exponential from the first day: the same chance each year, whatever the landmark.
    onset = first + rng.exponential(365.0 / -np.log1p(-risk))
    begun = onset <= last
    tables: dict[str, dict[str, object]] = {}
    tables["person"] = {
        "person_id": names,
        "sex": np.where(woman, "2", "1"),
        "birth_year": (years[0] - age).astype(np.int32),
        "birth_month": rng.integers(1, 13, persons).astype(np.int32),
        "scheme": np.full(persons, "01C"),
        "death_date": _dates(np.full(persons, -1)),
    }
    each_year = np.arange(years[0], years[1] + 1)
    who = np.repeat(np.arange(persons), len(each_year))
    tables["person_year"] = {
        "person_id": names[who],
        "year": np.tile(each_year, persons).astype(np.int32),
        "is_consumer": np.ones(len(who), bool),
        "department": np.array([code for code, _ in REGIONS])[place[who]],
        "deprivation_quintile": (1 + place[who] % 5).astype(np.int32),
    }
    tables["scheme_coverage"] = {
        "scheme": np.array(["01C"]),
        "ald_from_year": np.array([2005], np.int32),
    }
    ill = np.flatnonzero(begun)
    start = onset[ill].astype(np.int64)
    known = start + rng.integers(5, 60, len(ill))
    number = np.where(rng.random(len(ill)) < 0.5, 8, 30).astype(np.int32)
    tables["ald_episode"] = {
        "person_id": names[ill],
        "ald_num": number,
        "start_date": _dates(start),
        "known_since": _dates(known),
    }
    tables["int_ald_exemption"] = {
        "person_id": names[ill],
        "ald_num": number,
        "start_date": _dates(start),
        "end_date": _dates(np.full(len(ill), -1)),
        "insert_date": _dates(known),
        "is_used_for_ald": np.ones(len(ill), bool),
    }
    span = (last - first + 1) / 365.25
    event = _facts(rng, EVENTS * span * np.exp(0.3 * frail - 0.045), first, last)
    kind = rng.choice(len(KINDS), len(event[0]), p=[0.4, 0.15, 0.25, 0.1, 0.09, 0.01])
    tables["event_log"] = {
        "person_id": names[event[0]],
        "event_type": np.array(KINDS)[kind],
        "start_date": _dates(event[1]),
        "provider_id": np.char.add("P", (event[0] % 997).astype(str)),
        "code": np.where(kind == 2, "1577", "1109"),
        "spent": np.round(rng.gamma(2.0, 15.0, len(event[0])), 2),
        "known_at": _dates(event[1] + 30),
    }
    # The frail take drugs of heart and diabetes more often: what the marts can see of the risk.
    drug = _facts(rng, DRUGS * span * np.exp(0.3 * frail - 0.045), first, last)
    tilt = np.exp(trace * frail[drug[0]])[:, None] * (np.arange(len(CLASSES)) < 5) + (
        np.arange(len(CLASSES)) >= 5
    )
    edges = np.cumsum(tilt, axis=1)
    which = (rng.random(len(drug[0]))[:, None] * edges[:, -1:] > edges).sum(axis=1)
    tables["drug_dispensing"] = {
        "person_id": names[drug[0]],
        "dispensing_date": _dates(drug[1]),
        "atc_code": np.array(CLASSES)[which],
        "box_count": np.ones(len(drug[0])),
        "known_at": _dates(drug[1] + 30),
    }
    tables |= _hospital(rng, names, age, woman, frail, place, span, first, last, years)
    tables["truth"] = {"person_id": names, "risk": risk}
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema intermediate")
        connection.execute("create schema meta")
        connection.execute("create table meta.build as select 'invented' as build_id")
        for name, columns in tables.items():
            schema = "intermediate" if name.startswith("int_") else "main"
            connection.register("made", pa.table(columns))
            connection.execute(f"create table {schema}.{name} as select * from made")
            connection.unregister("made")
        for name, rows in _LISTS.items():
            connection.execute(f"create table main.{name} as {rows}")


def _facts(
    rng: np.random.Generator, rate: npt.NDArray[np.float64], first: int, last: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return person and day of each fact, people in order."""
    who = np.repeat(np.arange(len(rate)), rng.poisson(rate))
    return who, rng.integers(first, last + 1, len(who))


def _dates(days: npt.NDArray[np.int64]) -> pa.Array:
    """Return days since 1970 as dates; negative ones are NULL."""
    return pa.array(days.astype(np.int32), pa.int32(), mask=days < 0).cast(pa.date32())


def _hospital(
    rng: np.random.Generator,
    names: npt.NDArray[np.str_],
    age: npt.NDArray[np.int64],
    woman: npt.NDArray[np.bool_],
    frail: npt.NDArray[np.float64],
    place: npt.NDArray[np.int64],
    span: float,
    first: int,
    last: int,
    years: Sequence[int],
) -> dict[str, dict[str, object]]:
    """Return the tables of the hospital; the readmission of each stay is drawn, not a next stay."""
    who, entry = _facts(rng, STAYS * span * np.exp(0.3 * frail - 0.045), first, last - 60)
    count = len(who)
    nights = 1 + rng.poisson(3, count)
    leaves = entry + nights
    year = leaves.astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970
    stays = np.array([f"S{number:09d}" for number in range(count)])
    urgent = rng.random(count) < 0.4
    diagnosis = np.array(DIAGNOSES)[rng.integers(0, len(DIAGNOSES), count)]
    ghm = np.array(["05M093", "10M021", "04M081", "17M061", "08C481", "05M042"])[
        rng.integers(0, 6, count)
    ]
    odds = -2.9 + 0.015 * (age[who] - 60) + 0.6 * urgent + 0.05 * nights + 0.3 * frail[who]
    back = (rng.random(count) < 1 / (1 + np.exp(-odds))).astype(np.int32)
    common = {"person_id": names[who], "stay_id": stays, "year": year.astype(np.int32)}
    dated = {"entry_date": _dates(entry), "discharge_date": _dates(leaves)}
    finess = np.char.add("62000000", (place[who] % 4).astype(str))
    return {
        "hospital_stay": common
        | dated
        | {
            "field": np.full(count, "mco"),
            "night_count": nights,
            "is_session": np.zeros(count, bool),
            "is_full_stay": np.ones(count, bool),
            "is_through_emergency": urgent,
            "main_diagnosis": diagnosis,
            "finess": finess,
            "is_used_for_persons": np.ones(count, bool),
        },
        "stay_diagnosis": common
        | dated
        | {
            "field": np.full(count, "mco"),
            "diagnosis_code": diagnosis,
            "is_used_for_stays": np.ones(count, bool),
        },
        "stay_procedure": {
            "stay_id": stays[ghm == "08C481"],
            "is_used_for_care": np.ones(int((ghm == "08C481").sum()), bool),
        },
        "hospital_episode_stay": {
            "stay_id": stays,
            "year": year.astype(np.int32),
            "episode_id": stays,
            "place": np.ones(count, np.int32),
        },
        "readmission": common
        | dated
        | {
            "episode_id": stays,
            "finess": finess,
            "residence_department_pmsi": np.array([code for code, _ in REGIONS])[place[who]],
            "age_years": age[who] + (year - years[0]),
            "sex": np.where(woman[who], "2", "1"),
            "night_count": nights.astype(np.int32),
            "main_diagnosis": diagnosis,
            "ghm_code": ghm,
            "is_index": np.ones(count, bool),
            "death_30": np.zeros(count, np.int32),
            "readmission_30d_rh30_like": back,
            "readmit_or_death_30": back,
        },
    }


_LISTS = {
    "ref_department": "select * from (values "
    + ", ".join(f"('{code}', '{region}')" for code, region in REGIONS)
    + ") as listed(department, region)",
    "ref_measure_code": "select 'hba1c' as list_name, '1577' as code, false as is_excluded",
    "ref_code_list": "select * from (values ('charlson_heart_failure', 'I50', false), "
    "('charlson_myocardial_infarction', 'I21', false), "
    "('charlson_diabetes', 'E119', false), ('charlson_chronic_pulmonary', 'J44', false), "
    "('charlson_malignancy', 'C3', false), ('charlson_renal', 'N18', false)) "
    "as listed(list_name, code_prefix, is_excluded)",
}
