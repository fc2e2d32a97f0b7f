"""The acceptance bands of a generated extract: what is measured, and between which bounds.

Figures are those of indicators 3.5, per person and year. They are measured on the delivered files,
as an analyst would, and on the truth where the files say less.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import duckdb

from openchronic_assets import duck
from openchronic_assets.errors import UsageError
from openchronic_assets.synthetic import figures

# Consultations and visits of general practitioners, teleconsultations included (IR_NAT_V).
GP_NATURES = (1098, 1109, 1110, 1111, 1157, 1164, 1191, 1192, 1209, 1210, 1211, 1214)
GP_SPECIALTIES = (1, 22, 23)
# A day of rehabilitation, psychiatry or home hospitalisation: order of the daily tariffs (TJP).
DAY_CENTS = 25_000


@dataclass(frozen=True)
class Band:
    """One figure, its bounds and its published source; ``value`` None where nothing tells it."""

    name: str
    label: str
    unit: str
    low: float
    high: float
    source: str
    value: float | None = None

    @property
    def holds(self) -> bool:
        """Whether the value is within the bounds."""
        return self.value is not None and self.low <= self.value <= self.high


BANDS = (
    Band("any_ald", "Personnes en ALD au 31 décembre", "%", 17, 21, "CNAM, IGAS 2021 : 20 %"),
    Band("gp_visits", "Consultations et visites de généraliste par personne", "par an", 3.4, 4.6,
         "DREES, APL 2018 : 3,93"),
    Band("mco_stays", "Séjours MCO par personne, hors séances", "par an", 0.26, 0.30,
         "ATIH 2022 : 18,9 M de séjours"),
    Band("hospitalised", "Personnes hospitalisées au moins une fois", "%", 18, 20,
         "ATIH 2022 : 12,8 M de personnes"),
    Band("deaths", "Décès pour 1 000 personnes", "‰", 9, 10, "INSEE 2022-2023"),
    Band("readmission_adults", "Réadmission à 30 jours, adultes", "%", 8, 13, "Dhalluin 2021"),
    Band("readmission_65", "Réadmission à 30 jours, 65 ans et plus", "%", 12, 17, "Zabawa 2018"),
    Band("emergency", "Passages aux urgences par personne", "par an", 0.30, 0.33,
         "DREES 2022 : 21,5 M de passages"),
    Band("out_of_pocket", "Reste à charge après AMO par personne", "€ par an", 400, 700,
         "DREES 2017 : 510 à 620 €"),
    Band("ald_spend", "Part des dépenses des personnes en ALD", "%", 58, 68,
         "CNAM 2021 : 60 à 66 %"),
)  # fmt: skip


def files(folder: Path, stem: str) -> list[str]:
    """Return the delivered files whose name begins with ``stem``, whatever their form."""
    return sorted(
        str(path)
        for path in folder.iterdir()
        if path.name.startswith(stem) and path.name.split(".", 1)[-1].startswith(("csv", "parquet"))
    )


def source(folder: Path, *stems: str) -> str | None:
    """Return the SQL that reads delivered files as text; None where there is none."""
    found = [name for stem in stems for name in files(folder, stem)]
    if not found:
        return None
    if found[0].endswith(".parquet"):
        return f"read_parquet({found!r}, union_by_name = true)"
    return (
        f"read_csv({found!r}, header = true, all_varchar = true, union_by_name = true,"
        " quote = '', ignore_errors = true, null_padding = true)"
    )


def truth_of(folder: Path) -> Path:
    """Return the folder of the truth of an extract.

    Raises:
        UsageError: the extract has none.
    """
    for candidate in (folder / "truth", folder.with_name(f"{folder.name}.truth")):
        if (candidate / "truth.json").is_file():
            return candidate
    raise UsageError(
        f"{folder} has no truth beside it; give the folder that openchronic synth wrote with --out"
    )


def measure(folder: Path) -> list[Band]:
    """Return the bands with their values for an extract in clear text and its truth.

    Raises:
        UsageError: there is no truth beside the extract.
    """
    truth = truth_of(folder)
    totals = json.loads((truth / "truth.json").read_text(encoding="utf-8"))
    first, last = totals["generator"]["years"]
    with duck.connect() as base:
        for name in ("persons", "ald_episodes", "stays", "field_stays", "visits", "amounts"):
            base.read_parquet(str(truth / f"{name}.parquet")).create_view(name)
        values = _from_truth(base, first, last) | _from_files(base, folder, first, last)
    return [
        Band(b.name, b.label, b.unit, b.low, b.high, b.source, values.get(b.name)) for b in BANDS
    ]


def _one(base: duckdb.DuckDBPyConnection, sql: str) -> float:
    row = base.execute(sql).fetchone()
    return float(row[0]) if row is not None and row[0] is not None else 0.0


def _from_truth(base: duckdb.DuckDBPyConnection, first: int, last: int) -> dict[str, float]:
    base.execute(
        f"""
        create table person_year as
        select
            index, year, birth_date, death_date,
            (least(coalesce(death_date, date '9999-01-01'), make_date(year + 1, 1, 1))
                - greatest(birth_date, make_date(year, 1, 1))) / 365.25 as years
        from persons, range({first}, {last} + 1) as _ (year)
        where birth_date < make_date(year + 1, 1, 1)
            and (death_date is null or death_date >= make_date(year, 1, 1))
        """
    )
    years = _one(base, "select sum(years) from person_year")
    alive = f"birth_date <= date '{first}-12-31' and (death_date is null or death_date > date '{first}-12-31')"  # noqa: E501
    readmitted = """
        with full_stay as (
            select
                s.index, s.entry_date, s.exit_date, s.exit_mode, s.year,
                date_diff('year', p.birth_date, s.entry_date) as age,
                lead(s.entry_date) over stay as next_entry,
                lag(s.exit_mode) over stay as mode_before,
                lag(s.exit_date) over stay as exit_before
            from stays as s inner join persons as p using (index)
            where s.sessions = 0
            window stay as (partition by s.index order by s.entry_date, s.exit_date)
        )
        select 100.0 * avg(coalesce(next_entry <= exit_date + 30, false)::int)
        from full_stay
        -- A transfer goes on as the stay that receives it, so it is no discharge.
        where exit_mode = '8' and age >= {age} and exit_date <= date '{year}-12-01'
            and entry_date < exit_date
    """
    return {
        "any_ald": 100 * _one(base, f"""
            select
                count(distinct index) filter (
                    where start_date <= date '{first}-12-31'
                    and (end_date is null or end_date >= date '{first}-12-31')
                ) / (select count(*) from persons where {alive})
            from (select * from persons where {alive}) inner join ald_episodes using (index)
        """),
        # Sent home, or admitted through the emergency room.
        "emergency": (
            _one(base, "select count(*) from visits where kind = 'emergency'")
            + _one(base, "select count(*) from stays where urgent and sessions = 0")
        ) / years,
        "mco_stays": _one(base, "select count(*) from stays where sessions = 0") / years,
        "hospitalised": 100 * _one(base, "select count(distinct (index, year)) from stays") / years,
        "deaths": 1000 * _one(base, """
            select count(*) from person_year where year(death_date) = year
        """) / years,
        "readmission_adults": _one(base, readmitted.format(age=18, year=last)),
        "readmission_65": _one(base, readmitted.format(age=65, year=last)),
    }  # fmt: skip


def _valuation(base: duckdb.DuckDBPyConnection) -> str:
    """Return the SQL of what a stay of the truth costs: its own value, else its profile's."""
    columns = {row[0] for row in base.execute("describe stays").fetchall()}
    if "valuation_cents" in columns:
        return "valuation_cents"
    tariffs = {row["profile"]: int(row["tariff_cents"]) for row in figures.rows("stays.csv")}
    cases = " ".join(f"when '{name}' then {cents}" for name, cents in tariffs.items())
    return f"(case profile {cases} else 0 end) * greatest(sessions, 1)"


def _from_files(
    base: duckdb.DuckDBPyConnection, folder: Path, first: int, last: int
) -> dict[str, float]:
    years = _one(base, "select sum(years) from person_year")
    values: dict[str, float] = {}
    lines = source(folder, "ER_PRS_F")
    if lines is not None:
        values["gp_visits"] = _one(base, f"""
            select sum(sign(try_cast(PRS_ACT_QTE as double)))
            from {lines}
            where try_cast(PRS_NAT_REF as int) in {GP_NATURES}
                and try_cast(PSE_SPE_COD as int) in {GP_SPECIALTIES}
                and try_cast(CPL_MAJ_TOP as int) < 2
        """) / years  # fmt: skip
    values["ald_spend"] = 100 * _one(base, f"""
        with ill as (
            select distinct index
            from ald_episodes
            where start_date <= date '{last}-12-31'
                and (end_date is null or end_date >= date '{last}-01-01')
        ),
        spent as (
            select index, reimbursed_cents + complement_reimbursed_cents as cents from amounts
            union all
            select index, {_valuation(base)} as cents from stays
            union all
            select index, {DAY_CENTS} * (exit_date - entry_date + 1) as cents from field_stays
        )
        select sum(cents) filter (where index in (select index from ill)) / sum(cents) from spent
    """)  # fmt: skip
    values["out_of_pocket"] = _one(base, """
        select sum(paid_cents - reimbursed_cents - complement_reimbursed_cents) / 100 from amounts
    """) / years  # fmt: skip
    return values
