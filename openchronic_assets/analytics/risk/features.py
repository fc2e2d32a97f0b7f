"""Features of the people observed, in SQL over ``src_*``: one scan of each source.

``subject`` is who is observed when: subject, person_id, landmark (the day of prediction),
until (facts are before it), known_until (and known by then), window_from, recent_from, and for a
readmission the index stay. Every feature comes from facts before the day that were known that day.

Left out on purpose: annual tops of the cartographie (they hold the whole year), exempted lines and
the acts of an ALD request (they tell the request itself), amounts of stays (priced afterwards).
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt

from openchronic_assets.analytics.risk import context

Floats = npt.NDArray[np.float32]

RECENT_MONTHS = 6
RETURN_DAYS = 30  # a stay that begins so soon after another is itself a return
CATEGORICAL = frozenset(("department", "finess", "diagnosis_chapter", "ghm_category", "ghm_kind"))

_VISITS = {
    "visit_gp": "Visites de généraliste",
    "visit_specialist": "Visites de spécialiste",
    "visit_dentist": "Autres professionnels",
    "visit_nurse": "Soins infirmiers",
    "visit_physiotherapist": "Autres professionnels",
    "visit_midwife": "Autres professionnels",
    "visit_other_paramedical": "Autres professionnels",
    "procedure": "Actes techniques",
    "biology": "Biologie",
    "drug": "Médicaments, volume",
    "hospital_drug": "Médicaments, volume",
    "device": "Dispositifs",
    "transport": "Transports",
    "daily_allowance": "Indemnités journalières",
    "emergency_visit": "Urgences",
}
# Tests and procedures that watch a disease, by the lists of the measures (ref_measure_code).
_LISTS = {
    "hba1c": "Biologie",
    "lipids": "Biologie",
    "creatinine": "Biologie",
    "albuminuria": "Biologie",
    "ecg": "Actes techniques",
    "spirometry": "Actes techniques",
    "eye_exam": "Actes techniques",
}
# Second level of the ATC: classes that are taken for long, or that announce a disease.
DRUGS = {
    "A02": "acidité", "A07": "intestin", "A09": "digestion", "A10": "diabète",
    "B01": "antithrombotiques",
    "B03": "anémie", "C01": "cœur", "C02": "hypertension", "C03": "diurétiques",
    "C07": "bêtabloquants",
    "C08": "inhibiteurs calciques", "C09": "système rénine-angiotensine", "C10": "lipides",
    "G03": "hormones sexuelles", "G04": "urologie", "H02": "corticoïdes", "H03": "thyroïde",
    "J01": "antibiotiques", "J05": "antiviraux", "J07": "vaccins", "L01": "cancer",
    "L02": "hormones du cancer", "L03": "immunostimulants", "L04": "immunosuppresseurs",
    "M01": "anti-inflammatoires", "M04": "goutte", "M05": "os", "N02": "antalgiques",
    "N03": "épilepsie", "N04": "Parkinson", "N05": "psycholeptiques",
    "N06": "antidépresseurs, démence",
    "N07": "autres du système nerveux", "R01": "nez", "R03": "asthme et BPCO", "R06": "allergie",
    "S01": "yeux", "V03": "antidotes et divers",
}  # fmt: skip
CHARLSON = (
    "myocardial_infarction", "heart_failure", "peripheral_vascular", "cerebrovascular", "dementia",
    "chronic_pulmonary", "connective_tissue", "peptic_ulcer", "mild_liver", "diabetes",
    "diabetes_complicated", "paralysis", "renal", "malignancy", "severe_liver", "metastatic", "hiv",
)  # fmt: skip


@dataclass(frozen=True)
class Feature:
    """A column of the matrix, the block that makes it, and the group that reports tell of."""

    name: str
    block: str
    family: str
    sql: str


@dataclass(frozen=True)
class Extra:
    """A feature brought by an analyst: a query on ``subject`` and ``src_*`` (subject, value)."""

    name: str
    sql: str


@cache
def features(readmission: bool) -> tuple[Feature, ...]:
    """Return the features of a kind of study, in the order of the matrix."""
    found = [
        Feature("age", "subject", "Âge", "age"),
        Feature("is_woman", "subject", "Sexe", "case when sex = '2' then 1 else 0 end"),
        Feature("department", "subject", "Département", "department"),
        Feature("deprivation_quintile", "subject", "Défavorisation", "deprivation_quintile"),
    ]
    for kind, family in _VISITS.items():
        found += [
            Feature(f"{kind}_count", "event", family, f"sum(n) filter (kind = '{kind}')"),
            Feature(f"{kind}_recent", "event", family, f"sum(recent) filter (kind = '{kind}')"),
        ]
    for name, family in _LISTS.items():
        found.append(Feature(f"{name}_count", "event", family, f"sum({name})"))
    visits = "(kind in ('visit_gp', 'visit_specialist') and provider_id is not null)"
    squares, total = f"sum(n * n) filter {visits}", f"sum(n) filter {visits}"
    found += [
        Feature("spent", "event", "Dépense de ville", "sum(spent)"),
        Feature("spent_recent", "event", "Dépense de ville", "sum(spent_recent)"),
        Feature("provider_count", "event", "Continuité", f"count(*) filter {visits}"),
        # Bice and Boxerman's index of continuity; none with fewer than four visits.
        Feature(
            "continuity", "event", "Continuité",
            f"case when {total} >= 4 then ({squares} - {total})::double "
            f"/ ({total} * ({total} - 1)) end",
        ),
    ]  # fmt: skip
    for code, label in DRUGS.items():
        family = f"Médicaments {code} ({label})"
        found += [
            Feature(f"drug_{code}", "drug", family, f"sum(n) filter (atc_class = '{code}')"),
            Feature(
                f"drug_{code}_recent", "drug", family,
                f"sum(recent) filter (atc_class = '{code}')",
            ),
        ]  # fmt: skip
    found += [
        Feature("drug_class_count", "drug", "Polymédication", "count(*)"),
        Feature("drug_class_recent", "drug", "Polymédication", "count(*) filter (recent > 0)"),
    ]
    full = "field = 'mco' and is_full_stay"
    for name, sql in {
        "stay_count": f"count(*) filter ({full})",
        "stay_recent": f"count(*) filter ({full} and is_recent)",
        "stay_year": f"count(*) filter ({full} and is_of_year)",
        "urgent_stay_count": f"count(*) filter ({full} and is_through_emergency)",
        "night_count": f"sum(night_count) filter ({full})",
        "session_count": "count(*) filter (field = 'mco' and is_session)",
        "rehabilitation_count": "count(*) filter (field = 'ssr')",
        "home_care_count": "count(*) filter (field = 'had')",
        "psychiatry_count": "count(*) filter (field = 'rip')",
    }.items():
        found.append(Feature(name, "stay", "Hospitalisations", sql))
    for condition in CHARLSON:
        found.append(
            Feature(f"has_{condition}", "diagnosis", "Comorbidités (Charlson)", f"max({condition})")
        )
    for name, sql in {
        "ald_in_force": "count(*) filter (is_in_force)",
        "ald_over": "count(*) filter (not is_in_force)",
        "ald_months": "max(months)",
        "ald_months_last": "min(months)",
    }.items():
        found.append(Feature(name, "exemption", "ALD connues", sql))
    for number in range(1, 33):
        found.append(
            Feature(
                f"ald_{number:02d}", "exemption", "ALD connues",
                f"count(*) filter (ald_num = {number} and is_in_force)",
            )
        )  # fmt: skip
    if not readmission:  # stays are too few on one day
        found += [Feature(name, "context", context.FAMILY, "") for name in context.NAMES.values()]
    if readmission:
        soon = f"(min(days) <= {RETURN_DAYS})"
        found += [
            Feature("index_nights", "subject", "Séjour : durée", "night_count"),
            Feature("is_urgent", "subject", "Séjour : entrée en urgence", "is_urgent::integer"),
            Feature("is_friday", "subject", "Séjour : sortie", "(isodow(landmark) = 5)::integer"),
            Feature(
                "diagnosis_chapter", "subject", "Séjour : diagnostic", "left(main_diagnosis, 1)"
            ),
            Feature("ghm_category", "subject", "Séjour : GHM", "left(ghm_code, 2)"),
            Feature("ghm_kind", "subject", "Séjour : GHM", "substr(ghm_code, 3, 1)"),
            Feature(
                "ghm_severity", "subject", "Séjour : GHM",
                "try_cast(substr(ghm_code, 6, 1) as integer)",
            ),
            Feature("has_procedure", "subject", "Séjour : acte", "has_procedure::integer"),
            Feature("finess", "subject", "Établissement", "finess"),
            Feature("days_since_stay", "previous", "Séjour : retour", "min(days)"),
            Feature("is_return", "previous", "Séjour : retour", f"{soon}::integer"),
            Feature(
                "is_return_same_diagnosis", "previous", "Séjour : retour",
                f"({soon} and bool_or(same_diagnosis))::integer",
            ),
            Feature(
                "is_return_same_hospital", "previous", "Séjour : retour",
                f"({soon} and bool_or(same_hospital))::integer",
            ),
            Feature("lace", "subject", "Scores LACE et HOSPITAL", "lace"),
            Feature("hospital_claims", "subject", "Scores LACE et HOSPITAL", "hospital_claims"),
        ]  # fmt: skip
    return tuple(found)


def families(readmission: bool) -> dict[str, str]:
    """Return the group of each feature, by its name."""
    return {each.name: each.family for each in features(readmission)}


@dataclass
class Matrix:
    """Features of subjects: ``values`` (subject, feature), NaN where there is none.

    A categorical column holds the place of its value in ``levels``; what is in no level is NaN.
    """

    names: tuple[str, ...]
    values: Floats
    levels: dict[str, list[str]]

    def column(self, name: str) -> Floats:
        """Return the values of a feature."""
        found: Floats = self.values[:, self.names.index(name)]
        return found

    def of_outcome(self, outcome: str) -> Matrix:
        """Return the matrix without the features that tell of other outcomes."""
        other = context.others(outcome)
        kept = [number for number, name in enumerate(self.names) if name not in other]
        if len(kept) == len(self.names):
            return self
        names = tuple(self.names[number] for number in kept)
        return Matrix(names, self.values[:, kept], self.levels)


def matrix(
    connection: duckdb.DuckDBPyConnection,
    readmission: bool,
    levels: dict[str, list[str]] | None = None,
    extra: tuple[Extra, ...] = (),
    only: str = "true",
) -> Matrix:
    """Compute the features of table ``subject``, rows in the order of subject.

    Args:
        connection: with ``subject`` and the views ``src_*``.
        readmission: the features of that kind of study.
        levels: known values of categorical features (of the model that scores); else those found.
        extra: features of an analyst.
        only: a condition on subjects.
    """
    chosen = features(readmission)
    connection.execute(f"create or replace temp table told as select * from subject where {only}")
    blocks: dict[str, list[Feature]] = {}
    for each in chosen:
        blocks.setdefault(each.block, []).append(each)
    joined: dict[str, npt.NDArray[np.float64]] = {}
    found_levels: dict[str, list[str]] = {}
    count = _count(connection)
    for block, members in blocks.items():
        if block == "context":
            joined |= _context(connection)
            continue
        listed = ", ".join(f"{each.sql} as {each.name}" for each in members)
        if block == "subject":
            sql = f"select {listed} from told order by subject"
            places = None
        else:
            sql = f"select place, {listed} from ({_INSIDE[block]()}) group by place order by place"
            places = "place"
        columns = _numpy(connection, sql)
        rows = None if places is None else columns.pop(places)
        for each in members:
            values = columns[each.name]
            if each.name in CATEGORICAL:
                known = (levels or {}).get(each.name)
                values, found = _coded(values, known)
                found_levels[each.name] = found
            joined[each.name] = _placed(values, rows, count, _EMPTY.get(each.name, 0.0))
    for more in extra:
        columns = _numpy(
            connection,
            "select told.place, brought.value::double as value from "
            f"({_told_places()}) as told inner join ({more.sql}) as brought "
            "on told.subject = brought.subject order by told.place",
        )
        joined[more.name] = _placed(columns["value"], columns["place"], count, 0.0)
    names = tuple(joined)
    values = np.empty((count, len(names)), np.float32)
    for number, name in enumerate(names):
        values[:, number] = joined[name]
    return Matrix(names, values, found_levels)


# What the absence of any fact means: nothing was counted; these have no value then.
_EMPTY = {
    "continuity": np.nan, "ald_months": np.nan, "ald_months_last": np.nan,
    "days_since_stay": np.nan,
}  # fmt: skip


def _placed(
    values: npt.NDArray[np.generic], rows: npt.NDArray[np.int64] | None, count: int, empty: float
) -> npt.NDArray[np.float64]:
    if np.ma.isMaskedArray(values):
        filled = np.ma.filled(values.astype(np.float64), np.nan)
    else:
        filled = values.astype(np.float64)
    if rows is None:
        return filled
    if empty == 0.0:
        filled = np.nan_to_num(filled, nan=0.0)
    found = np.full(count, empty)
    found[rows] = filled
    return found


def _coded(
    values: npt.NDArray[np.generic], known: list[str] | None
) -> tuple[npt.NDArray[np.float64], list[str]]:
    """Return the place of each value among the levels, NaN for the unknown."""
    mask = np.ma.getmaskarray(values) if np.ma.isMaskedArray(values) else None
    plain = np.ma.getdata(values)
    texts = ["" if value is None else str(value) for value in plain.tolist()]
    if mask is not None:
        texts = ["" if hidden else text for text, hidden in zip(texts, mask.tolist(), strict=True)]
    found = known if known is not None else sorted(set(texts) - {""})
    place = {text: float(number) for number, text in enumerate(found)}
    return np.array([place.get(text, np.nan) for text in texts], np.float64), found


def _told_places() -> str:
    return "select *, row_number() over (order by subject) - 1 as place from told"


def _event() -> str:
    lists = ", ".join(
        f"count(*) filter (event.code in (select code from main.ref_measure_code "
        f"where list_name = '{name}' and not is_excluded)) as {name}"
        for name in _LISTS
    )
    kinds = ", ".join(f"'{kind}'" for kind in _VISITS)
    return f"""
        select
            told.place, event.event_type as kind,
            case when event.event_type in ('visit_gp', 'visit_specialist')
                then event.provider_id end
                as provider_id,
            count(*) as n,
            count(*) filter (event.start_date >= told.recent_from) as recent,
            sum(event.spent)::double as spent,
            (sum(event.spent) filter (event.start_date >= told.recent_from))::double
                as spent_recent,
            {lists}
        from ({_told_places()}) as told
        inner join src_event as event
            on event.person_id = told.person_id
            and event.start_date >= told.window_from and event.start_date < told.until
            and event.known_at <= told.known_until
        where event.event_type in ({kinds})
        group by all
    """


def _drug() -> str:
    return f"""
        select
            told.place, drug.atc_class,
            count(*) as n, count(*) filter (drug.dispensing_date >= told.recent_from) as recent
        from ({_told_places()}) as told
        inner join src_drug as drug
            on drug.person_id = told.person_id
            and drug.dispensing_date >= told.window_from and drug.dispensing_date < told.until
            and drug.known_at <= told.known_until
        where drug.atc_class is not null
        group by all
    """


def _stay() -> str:
    return f"""
        select
            told.place, stay.field, stay.is_full_stay, stay.is_session, stay.is_through_emergency,
            stay.night_count,
            stay.discharge_date >= told.recent_from as is_recent,
            stay.discharge_date >= told.until - interval 12 month as is_of_year
        from ({_told_places()}) as told
        inner join src_stay as stay
            on stay.person_id = told.person_id
            and stay.discharge_date >= told.window_from and stay.discharge_date < told.until
            and stay.known_at <= told.known_until
    """


def _previous() -> str:
    # The last acute stay that ended before the day of entry; a transfer of that day is one episode.
    return f"""
        select
            told.place, date_diff('day', stay.discharge_date, told.until) as days,
            coalesce(stay.main_diagnosis = told.main_diagnosis, false) as same_diagnosis,
            coalesce(stay.finess = told.finess, false) as same_hospital
        from ({_told_places()}) as told
        inner join src_stay as stay
            on stay.person_id = told.person_id and stay.field = 'mco' and stay.is_full_stay
            and stay.discharge_date >= told.window_from and stay.discharge_date < told.until
            and stay.known_at <= told.known_until
        qualify stay.discharge_date
            = max(stay.discharge_date) over (partition by told.place)
    """


def conditions_sql() -> str:
    """Return the pairs (diagnosis_code, condition) of the codes that occur; Quan 2005."""
    return """
        select distinct code.diagnosis_code, substr(listed.list_name, 10) as condition
        from (select distinct diagnosis_code from src_diagnosis) as code
        inner join main.ref_code_list as listed
            on listed.list_name like 'charlson\\_%' escape '\\'
            and starts_with(code.diagnosis_code, listed.code_prefix)
            and not listed.is_excluded
    """


def _diagnosis() -> str:
    flags = ", ".join(f"(known.condition = '{name}')::integer as {name}" for name in CHARLSON)
    return f"""
        select told.place, {flags}
        from ({_told_places()}) as told
        inner join src_diagnosis as diagnosis
            on diagnosis.person_id = told.person_id
            and diagnosis.discharge_date >= told.window_from
            and (
                diagnosis.discharge_date < told.until
                -- The index stay is over: its own diagnoses are told.
                or diagnosis.stay_id = told.stay_id
            )
            and diagnosis.known_at <= told.known_until
        inner join ({conditions_sql()}) as known using (diagnosis_code)
    """


def _context(connection: duckdb.DuckDBPyConnection) -> dict[str, npt.NDArray[np.float64]]:
    """Return the features that tell of others: all who are observed that day, whoever is told."""
    everybody = "select *, row_number() over (order by subject) - 1 as place from subject"
    return context.frequencies(
        connection,
        f"select place, ald_num from ({_exemption(everybody)}) where is_in_force",
        f"select place from ({everybody}) where subject in (select subject from told) "
        "order by place",
    )


def _exemption(people: str = "") -> str:
    # The row inserted last by the day says the end, as it was believed then.
    return f"""
        select
            place, ald_num, believed.e >= landmark as is_in_force,
            date_diff('month', began, landmark) as months
        from (
            select
                told.place, told.landmark, row.ald_num, min(row.start_date) as began,
                max({{
                    'i': row.known_at, 's': row.start_date,
                    'e': coalesce(row.end_date, date '9999-12-31')
                }}) as believed
            from ({people or _told_places()}) as told
            inner join src_exemption as row
                on row.person_id = told.person_id and row.start_date <= told.landmark
                and row.known_at <= told.known_until
            group by all
        )
    """


_INSIDE: dict[str, Callable[[], str]] = {
    "event": _event,
    "drug": _drug,
    "stay": _stay,
    "previous": _previous,
    "diagnosis": _diagnosis,
    "exemption": _exemption,
}


def _numpy(connection: duckdb.DuckDBPyConnection, sql: str) -> dict[str, Any]:
    """Return the columns of a query as arrays, masked where there is NULL."""
    found: dict[str, Any] = connection.execute(sql).fetchnumpy()
    return found


def _count(connection: duckdb.DuckDBPyConnection) -> int:
    row = connection.execute("select count(*) from told").fetchone()
    return int(row[0]) if row else 0


SEQUENCE_KINDS = (
    "visit_gp", "visit_specialist", "visit_nurse", "drug", "biology", "procedure",
    "emergency_visit", "mco_stay",
)  # fmt: skip


def sequences(connection: duckdb.DuckDBPyConnection, months: int) -> Floats:
    """Return counts by subject, month (the oldest first) and kind, then by class of drug.

    Of the subjects of table ``subject``, in its order: (subject, months, channels), log(1 + count).
    """
    connection.execute("create or replace temp table told as select * from subject")
    channels = {name: number for number, name in enumerate((*SEQUENCE_KINDS, *DRUGS))}
    found = np.zeros((_count(connection), months, len(channels)), np.float32)
    for source, date, channel in (
        ("src_event", "start_date", "event_type"),
        ("src_drug", "dispensing_date", "atc_class"),
    ):
        rows = _numpy(
            connection,
            f"select told.place, date_diff('month', fact.{date}, told.until) as ago, "
            f"fact.{channel} as channel, count(*) as n from ({_told_places()}) as told "
            f"inner join {source} as fact on fact.person_id = told.person_id "
            f"and fact.{date} >= told.window_from and fact.{date} < told.until "
            "and fact.known_at <= told.known_until group by all order by all",
        )
        names = np.ma.getdata(rows["channel"])
        where = np.array([channels.get(name, -1) for name in names.tolist()], np.int64)
        step = months - np.clip(rows["ago"].astype(np.int64), 1, months)
        inside = where >= 0
        np.add.at(
            found,
            (rows["place"].astype(np.int64)[inside], step[inside], where[inside]),
            rows["n"].astype(np.float32)[inside],
        )
    return np.log1p(found)


def day_sql(day: datetime.date) -> str:
    """Return a day as SQL writes it."""
    return f"date '{day.isoformat()}'"
