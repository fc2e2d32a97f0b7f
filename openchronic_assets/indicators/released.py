"""What the release of indicators takes from the base: true counts by department, sex and age.

Counts are made from the measures, person by person, so that the people behind each number are
known; they are compared with the mart ``indicator``, which must say the same. People whose sex,
age or department is not known are not in it: shown totals would tell their number.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np

from openchronic_assets.anonymisation.indicator_tables import (
    BANDS,
    HUNDREDTHS,
    SEXES,
    Counted,
    Territories,
)
from openchronic_assets.errors import OpenChronicError, Refused
from openchronic_assets.indicators.loader import catalogue, families
from openchronic_assets.indicators.model import ELIGIBLE, Indicator

if TYPE_CHECKING:
    from pathlib import Path

CHOSEN = (
    "ald_prevalence", "pathology_prevalence", "multimorbidity_2", "multimorbidity_3",
    "dm_hba1c_2", "dm_eye_2y", "dm_creatinine", "dm_albuminuria", "dm_lipids", "dm_dentist",
    "dm_podologist", "dm_heart_check", "dm_influenza_vaccine", "dm_full_bundle",
    "mi_basi_12m", "mi_statin_12m", "mi_beta_blocker_12m", "hf_contact_7d", "hf_cardiologist_60d",
    "hf_readmission_30d", "hf_triple_therapy_60d",
    "re_controller_ratio", "re_spirometry_2y", "re_influenza_vaccine",
    "stroke_rehabilitation_14d", "stroke_gp_14d", "stroke_antithrombotic_30d",
    "ckd_planned_start", "ckd_nephrologist_1y", "cancer_emergency_last_30d",
    "adherent_diabetes", "adherent_statin", "adherent_ras",
    "readmission_30d_rh30_like", "readmit_or_death_30d",
    "avoidable_all", "avoidable_heart_failure", "avoidable_copd",
    "polypharmacy_continuous_5_75", "polypharmacy_continuous_10_75", "inappropriate_drug_75",
    "benzodiazepine_over_12_weeks", "anticholinergic_drug", "triple_whammy",
    "treating_doctor", "ald_without_treating_doctor", "gp_none", "ed_user", "ed_not_admitted",
    "gp_after_discharge_7", "gp_after_discharge_30", "drug_after_discharge_7",
    "medication_carried_over", "nurse_after_discharge_3",
    "death_30d_after_stay", "death_30d_after_infarction", "death_30d_after_stroke",
    "death_365d_after_heart_failure",
    "breast_screening", "cervical_screening_5y", "colorectal_screening", "flu_vaccine_65",
    "pneumococcal_vaccine_65", "alcohol_identified", "alcohol_drug_treated", "alcohol_gp_30",
    "on_call_user", "innovation_users",
    "continuity_upc", "continuity_coc", "chronic_groups_mean", "substances_per_quarter",
    "spend_reimbursed", "spend_rac", "spend_overrun",
)  # fmt: skip
"""Indicators that may leave, the most useful first: of two that tell the same the first stays.

Not there: quantiles (a median is one person's value), ratios of amounts, person-years (held
against the people they tell who left), parts and finer thresholds of one that is there.
"""

REASONS = {
    "no_unit": "personne n'est examiné",
    "sum_of_others": "somme de deux autres indicateurs diffusés",
    "same_numerator": "même numérateur qu'un autre indicateur diffusé",
    "is_a_denominator": "son numérateur est le dénominateur d'un autre",
    "rest_of_another": "complément d'un autre indicateur diffusé",
    "denominator_cannot_be_protected": "trop peu de personnes au dénominateur",
    "cannot_be_protected": "trop peu de personnes",
}


@dataclass(frozen=True)
class Base:
    """What a release is made from.

    Attributes:
        territories: departments in which somebody lives.
        tables: the true counts, in the order of ``CHOSEN``.
        cards: for each indicator what the release says of it (``indicators.json``).
        absences: (indicator, year, reason) of what the base itself cannot say.
        years: care years.
    """

    territories: Territories
    tables: list[Counted]
    cards: dict[str, dict[str, Any]]
    absences: list[tuple[str, int, str]] = field(default_factory=list)
    years: tuple[int, ...] = ()


def chosen(names: Iterable[str] | None = None) -> list[Indicator]:
    """Return the indicators that leave: those chosen, or those of them that are named.

    Raises:
        Refused: one that is named is not among those that may leave.
    """
    wanted = list(names or CHOSEN)
    if wrong := [name for name in wanted if name not in CHOSEN]:
        raise Refused(
            f"{wrong[0]} may not leave: see docs/indicator-release.md for what may and why"
        )
    return [catalogue()[name] for name in CHOSEN if name in wanted]


def read_base(
    path: Path, names: Iterable[str] | None = None, years: Iterable[int] | None = None
) -> Base:
    """Read the counts from a catalogue.

    Args:
        path: ``lake/catalogue.duckdb``.
        names: indicators; all that may leave when not given.
        years: care years; all of the base when not given.

    Raises:
        Refused: the base is a panel, or the mart and the measures do not say the same.
        OpenChronicError: the catalogue cannot be read.
    """
    indicators = chosen(names)
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            connection.execute("set threads to 2")
            return _read(connection, indicators, years)
    except duckdb.Error as error:
        raise OpenChronicError(
            f"{path.name} cannot give the counts of indicators ({type(error).__name__}): "
            "materialise the marts first"
        ) from None


def _read(
    connection: duckdb.DuckDBPyConnection,
    indicators: list[Indicator],
    years: Iterable[int] | None,
) -> Base:
    weights = connection.execute("select count(*) from person_year where weight <> 1").fetchone()
    if weights and weights[0]:
        raise Refused(
            "the base is a panel: its counts are of a sample and its indicators are not released"
        )
    there = [r[0] for r in connection.execute("select distinct year from indicator").fetchall()]
    wanted = sorted(set(there) & set(years or there))
    if not wanted:
        raise Refused("the base has no indicator of these years")
    territories = _territories(connection)
    departments = [code for code, _, _ in territories.departments]
    # Small tables, joined to the measures by hash.
    _people(connection, departments, wanted)
    main = {each.id: each.denominators[0] for each in indicators}
    tops = _leaf_conditions(connection)
    consumers = _consumers(connection, len(departments))
    tables: list[Counted] = []
    by_family: dict[str, list[Indicator]] = {}
    for each in indicators:
        by_family.setdefault(each.family, []).append(each)
    found: dict[str, dict[tuple[str, int], dict[str, Any]]] = {}
    for family, members in by_family.items():
        found |= _measured(connection, family, members, len(departments))
    for each in indicators:
        cells = found.get(each.id, {})
        for condition, year in sorted(cells, key=lambda k: (k[1], k[0])):
            if each.id == "pathology_prevalence" and condition not in tops:
                continue
            counted = _counted(each, main[each.id], condition, year, cells[condition, year],
                               consumers.get(year))  # fmt: skip
            if counted is not None:
                tables.append(counted)
    absences = _absences(connection, indicators, main, wanted)
    absent = {(name, year) for name, year, _ in absences}
    tables = [each for each in tables if (each.indicator, each.year) not in absent]
    _compare(connection, departments, tables)
    cards = _cards(connection, indicators, main, wanted)
    return Base(territories, tables, cards, absences, tuple(wanted))


def _territories(connection: duckdb.DuckDBPyConnection) -> Territories:
    rows = connection.execute(
        """
        select department, label, region from ref_department
        where department in (select distinct department from person_year) order by department
        """
    ).fetchall()
    if not rows:
        raise Refused("nobody in the base lives in a known department")
    regions = dict(connection.execute("from ref_region").fetchall())
    return Territories(tuple((c, label, region) for c, label, region in rows), regions)


def _people(
    connection: duckdb.DuckDBPyConnection, departments: list[str], years: list[int]
) -> None:
    """Write who counts, in which leaf cell."""
    bands = dict(
        connection.execute(
            "select distinct age_group, age_band from ref_standard_population"
        ).fetchall()
    )
    groups = sorted(bands)
    connection.execute(
        "create temp table place as select unnest(?) as department, unnest(?) as rank",
        [departments, list(range(len(departments)))],
    )
    connection.execute(
        "create temp table age_place as select unnest(?) as age_group, unnest(?) as rank",
        [groups, [BANDS.index(bands[group]) for group in groups]],
    )
    listed = ", ".join(str(int(year)) for year in years)
    connection.execute(
        f"""
        create temp table people as
        select
            person_year.person_id,
            person_year.year,
            (place.rank * {len(SEXES)} + if(person_year.sex = '2', 1, 0)) * {len(BANDS)}
                + age_place.rank as leaf,
            person_year.is_consumer
        from person_year
        join place using (department)
        join age_place using (age_group)
        where person_year.sex in ('1', '2') and person_year.year in ({listed})
        """
    )


def _consumers(
    connection: duckdb.DuckDBPyConnection, departments: int
) -> dict[int, np.ndarray[Any, Any]]:
    found: dict[int, np.ndarray[Any, Any]] = {}
    rows = connection.execute(
        "select year, leaf, count(*) from people where is_consumer group by all"
    ).fetchall()
    for year, leaf, count in rows:
        found.setdefault(year, _zeros(departments)).flat[leaf] = count
    return found


def _zeros(departments: int) -> np.ndarray[Any, Any]:
    return np.zeros((departments, len(SEXES), len(BANDS)), dtype=np.int64)


_FIELDS = ("num", "den", "units", "people", "num_people", "rest_people", "largest", "squares")


def _measured(
    connection: duckdb.DuckDBPyConnection,
    family: str,
    indicators: list[Indicator],
    departments: int,
) -> dict[str, dict[tuple[str, int], dict[str, Any]]]:
    """Return the leaf tables of the measures of one family: of each person first, then summed."""
    conditions = {(each.id): ("own" if "own" in each.conditions else "all") for each in indicators}
    names = ", ".join(f"'{each.measure}'" for each in indicators)
    rows = connection.execute(
        f"""
        with person as (
            select
                measured.measure,
                measured.condition,
                measured.year,
                people.leaf,
                measured.person_id,
                count(*) as units,
                sum(coalesce(measured.num, 0)) as num,
                sum(coalesce(measured.den, 0)) as den,
                sum(coalesce(measured.num, 0) * coalesce(measured.num, 0)) as squares
            from measure_{family} as measured
            join people using (person_id, year)
            where measured.excl_code is null and measured.measure in ({names})
            group by all
        )
        select
            measure, condition, year, leaf,
            sum(num), sum(den), sum(units), count(*),
            count_if(num <> 0), count_if(den > num), max(abs(num)), sum(squares)
        from person
        group by all
        """
    ).fetchall()
    by_measure: dict[str, dict[tuple[str, int], dict[str, Any]]] = {}
    for measure, condition, year, leaf, *values in rows:
        one = by_measure.setdefault(measure, {}).setdefault(
            (condition, year),
            {name: np.zeros((departments, len(SEXES), len(BANDS))) for name in _FIELDS},
        )
        for name, value in zip(_FIELDS, values, strict=True):
            one[name].flat[leaf] = value
    return {
        each.id: {
            key: cells
            for key, cells in by_measure.get(each.measure, {}).items()
            if (key[0] != "all" if conditions[each.id] == "own" else key[0] == "all")
        }
        for each in indicators
    }


def _counted(
    one: Indicator,
    denominator: str,
    condition: str,
    year: int,
    cells: dict[str, Any],
    consumers: np.ndarray[Any, Any] | None,
) -> Counted | None:
    """Return an indicator's table, or None where its denominator is not one that leaves."""

    def whole(name: str) -> np.ndarray[Any, Any]:
        return np.asarray(np.rint(cells[name]), dtype=np.int64)

    people = whole("people")
    if one.kind == "mean":
        return Counted(
            one.id, condition, year, one.kind, denominator,
            np.rint(cells["num"] * HUNDREDTHS).astype(np.int64), whole("den"),
            whole("num_people"), np.zeros_like(people), people, one.unit_counted,
            np.rint(cells["largest"] * HUNDREDTHS).astype(np.int64), cells["squares"],
        )  # fmt: skip
    if denominator == ELIGIBLE:
        den, den_people, rest = whole("den"), people, whole("rest_people")
    elif denominator == "consumers" and consumers is not None:
        den = den_people = consumers
        rest = consumers - whole("num_people") if one.kind == "proportion" else people * 0
    else:
        return None
    return Counted(
        one.id, condition, year, one.kind, denominator, whole("num"), den, whole("num_people"),
        rest, den_people, one.unit_counted,
    )  # fmt: skip


def _leaf_conditions(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """Return the pathologies that are no group of others: groups would tell their parts."""
    return {
        row[0]
        for row in connection.execute(
            "select condition from ref_condition where top is not null "
            "and lower(top) not like 'sup_%' and lower(top) not like 'top_sup_%'"
        ).fetchall()
    }


def _absences(
    connection: duckdb.DuckDBPyConnection,
    indicators: list[Indicator],
    main: dict[str, str],
    years: list[int],
) -> list[tuple[str, int, str]]:
    rows = connection.execute(
        """
        select indicator_id, year, denominator_type, min(absence_reason) from indicator
        where geo_level = 'country' and sex = 'all' and age_group = 'all' and std_method = 'none'
        group by all having count(value) = 0
        """
    ).fetchall()
    return sorted(
        (name, year, reason or "no_unit_examined")
        for name, year, denominator, reason in rows
        if year in years and main.get(name) == denominator
    )


def _compare(
    connection: duckdb.DuckDBPyConnection, departments: list[str], tables: list[Counted]
) -> None:
    """Refuse where the mart says another count of a department, sex and age than the measures."""
    mart: dict[tuple[Any, ...], tuple[float, float]] = {}
    for name, condition, year, denominator, code, sex, age, num, den in connection.execute(
        """
        select indicator_id, condition, year, denominator_type, geo_code, sex, age_group,
            numerator, denominator
        from indicator
        where geo_level = 'department' and std_method = 'none' and sex <> 'all'
            and age_group <> 'all' and coalesce(denominator, 0) > 0
        """
    ).fetchall():
        mart[name, condition, year, denominator, code, sex, age] = (num or 0.0, den)
    for each in tables:
        for (d, s, a), den in np.ndenumerate(each.den):
            key = (*each.key, each.denominator_type, departments[d], SEXES[s], BANDS[a])
            told = mart.get(key)
            unit = HUNDREDTHS if each.kind == "mean" else 1
            num = int(each.num[d, s, a]) / unit
            if (told is None) != (den == 0) or (
                told is not None
                and (abs(told[0] - num) > 0.006 or abs(told[1] - float(den)) > 1e-6)
            ):
                raise Refused(
                    f"{each.indicator}, {each.condition}, {each.year}: the mart indicator and the "
                    "measures do not say the same; build the marts again"
                )


def _cards(
    connection: duckdb.DuckDBPyConnection,
    indicators: list[Indicator],
    main: dict[str, str],
    years: list[int],
) -> dict[str, dict[str, Any]]:
    states = connection.execute(
        "select distinct year, data_state, flux_cutoff from indicator order by year"
    ).fetchall()
    conditions = dict(
        connection.execute("select condition, label_fr from ref_condition").fetchall()
    )
    weights: dict[str, dict[str, float]] = {}
    standard = connection.execute(
        "select age_from, age_to, age_band, weight from ref_standard_population "
        "where standard = 'esp2013'"
    ).fetchall()
    for each in indicators:
        low, high = each.age_from or 0, each.age_to or 200
        bands = dict.fromkeys(BANDS, 0.0)
        for age_from, age_to, band, weight in standard:
            if (age_to if age_to is not None else 200) >= low and age_from <= high:
                bands[band] += float(weight)
        weights[each.id] = bands
    labels = families()
    return {
        each.id: {
            "id": each.id,
            "version": each.version,
            "family": each.family,
            "family_label": asdict(labels[each.family].label),
            "label": asdict(each.label),
            "kind": each.kind,
            "unit": each.unit,
            "scale": each.scale,
            "unit_counted": each.unit_counted,
            "denominator_type": main[each.id],
            "says": asdict(each.says),
            "numerator": asdict(each.numerator),
            "denominator": asdict(each.denominator),
            "exclusions": [asdict(one) for one in each.exclusions],
            "limits": asdict(each.limits),
            "sources": [asdict(one) for one in each.sources],
            "benchmarks": [asdict(one) for one in each.benchmarks],
            "condition_labels": conditions,
            "standards": [s for s in each.standardise if each.kind != "mean"],
            "standard_weights": weights[each.id],
            "data_state": {str(y): state for y, state, _ in states if y in years},
            "flux_cutoff": {
                str(y): None if flux is None else str(flux) for y, _, flux in states if y in years
            },
        }
        for each in indicators
    }
