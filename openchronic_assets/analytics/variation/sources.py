"""Units to compare, from the catalogue: places of the mart ``indicator``, or providers.

Departments and regions take their figures, and what is expected of their ages and sexes, from
``indicator``. Hospitals and doctors take the rows of the measure tables, with the case mix of their
own patients: what is expected of a unit is the sum over its patients of the rate of everybody of
the same case mix (indirect standardisation).
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import numpy as np
import pandas as pd

from openchronic_assets.analytics.variation.study import LEVELS, Units
from openchronic_assets.errors import UsageError

FEWEST_OF_STRATUM = 30
"""Patients of a stratum of case mix under which the rate is that of its age and sex."""

_DENOMINATORS = (
    "eligible", "consumers", "consumer_years", "resident_population", "insured_population",
)  # fmt: skip
CASE_MIX = {
    "age_sex": "âge et sexe",
    "none": "aucun ajustement",
    "patient": "âge, sexe, ALD, comorbidités (Charlson)",
    "stay": "âge, sexe, ALD, comorbidités (Charlson), urgence et durée du séjour",
}

_PLACES = """
select
    i.indicator_id, i.kind, i.denominator_type, i.std_method, i.geo_code, i.numerator,
    i.denominator, i.expected, i.value, i.person_count
from indicator as i
where
    i.year = ? and i.geo_level = ? and i.condition = ? and i.sex = 'all' and i.age_group = 'all'
    and i.std_method in ('none', 'indirect_country')
order by all
"""

_PROVIDERS = """
with person as (
    select
        y.person_id,
        case
            when y.age_years < 18 then 0 when y.age_years < 45 then 1 when y.age_years < 65 then 2
            when y.age_years < 75 then 3 when y.age_years < 85 then 4 else 5
        end as age,
        y.sex,
        coalesce(a.ald_count, 0) > 0 as has_ald,
        case
            when coalesce(c.charlson_2011, 0) = 0 then 0 when c.charlson_2011 < 3 then 1 else 2
        end as charlson
    from person_year as y
    left join ald_population as a on y.person_id = a.person_id and a.year = $year
    left join person_comorbidity as c on y.person_id = c.person_id and c.year = $year
    where y.year = $year and y.is_consumer
),

counted as ({counted}),

joined as (
    select
        counted.unit, counted.num, counted.den, person.age, person.sex, counted.stay,
        concat_ws('|', person.has_ald, person.charlson, counted.stay) as mix
    from counted
    inner join person on counted.person_id = person.person_id
    where counted.unit is not null and counted.den > 0
),

by_mix as (
    select age, sex, mix, sum(num) / sum(den) as rate, count(*) as people
    from joined group by age, sex, mix
),

by_age as (
    select age, sex, sum(num) / sum(den) as rate from joined group by age, sex
)

select
    joined.unit,
    sum(joined.num) as observed,
    sum(joined.den) as size,
    sum(joined.den * case when by_mix.people >= {fewest} then by_mix.rate else by_age.rate end)
        as expected,
    count(*) as people
from joined
inner join by_mix
    on joined.age = by_mix.age and joined.mix = by_mix.mix
    and joined.sex is not distinct from by_mix.sex
inner join by_age
    on joined.age = by_age.age and joined.sex is not distinct from by_age.sex
group by joined.unit
order by joined.unit
"""

# The doctor of the year is the one in force on its last day.
_OF_DOCTOR = """
    select
        listed.person_id, listed.unit, coalesce(m.num, 0) as num,
        {den} as den, '' as stay
    from (
        select person_id, max(treating_doctor_id) as unit
        from intermediate.int_treating_doctor
        where start_date <= make_date($year, 12, 31)
            and coalesce(end_date, make_date($year, 12, 31)) >= make_date($year, 12, 31)
            and treating_doctor_id is not null
        group by person_id
        having count(distinct treating_doctor_id) = 1
    ) as listed
    {how} join (
        select person_id, sum(num) as num, sum(den) as den
        from measure_{family}
        where year = $year and measure = $measure and condition = $condition and excl_code is null
        group by person_id
    ) as m on listed.person_id = m.person_id
"""

_OF_HOSPITAL = """
    select
        m.person_id, m.finess as unit, m.num, m.den,
        concat_ws(
            '|', coalesce(stay.is_through_emergency, false),
            case
                when stay.length_of_stay < 2 then 0 when stay.length_of_stay < 6 then 1
                when stay.length_of_stay < 13 then 2 when stay.length_of_stay >= 13 then 3
            end
        ) as stay
    from measure_{family} as m
    left join hospital_stay as stay on m.unit_id = stay.stay_id and stay.year = $year
    where m.year = $year and m.measure = $measure and m.condition = $condition
        and m.excl_code is null and m.finess is not null
"""


def units(
    connection: duckdb.DuckDBPyConnection,
    year: int,
    level: str,
    indicators: Sequence[str] | None = None,
    condition: str = "all",
) -> list[Units]:
    """Return the units of a level, one entry an indicator that has some, in order of identifier.

    Args:
        connection: to the catalogue.
        year: that was built.
        level: one of ``LEVELS``.
        indicators: identifiers; all that the level knows without them.
        condition: of the indicators.

    Raises:
        UsageError: no such level, year or indicator.
    """
    if level not in LEVELS:
        raise UsageError(f"no level {level!r}; there are: {', '.join(LEVELS)}")
    _check(connection, year, indicators)
    if level in ("region", "department"):
        found = _places(connection, year, level, condition)
        if indicators is not None:
            found = [each for each in found if each.indicator in set(indicators)]
        return found
    return _providers(connection, year, level, indicators, condition)


def _check(
    connection: duckdb.DuckDBPyConnection, year: int, indicators: Sequence[str] | None
) -> None:
    years = [row[0] for row in connection.execute(
        "select distinct year from indicator order by 1").fetchall()]  # fmt: skip
    if year not in years:
        raise UsageError(
            f"no indicator of {year} was built; there are: {', '.join(map(str, years)) or 'none'}"
        )
    known = {row[0] for row in connection.execute(
        "select indicator_id from ref_indicator").fetchall()}  # fmt: skip
    if unknown := sorted(set(indicators or ()) - known):
        raise UsageError(f"no indicator {unknown[0]!r}; see: openchronic indicators list")


def _places(
    connection: duckdb.DuckDBPyConnection, year: int, level: str, condition: str
) -> list[Units]:
    rows = connection.execute(_PLACES, [year, level, condition]).df()
    found = []
    for name, one in rows.groupby("indicator_id", sort=True):
        told = one[one["value"].notna()]
        types = [kind for kind in _DENOMINATORS if (told["denominator_type"] == kind).any()]
        if not types:
            continue
        one = one[one["denominator_type"] == types[0]]
        adjusted = one[one["std_method"] == "indirect_country"].set_index("geo_code")
        crude = one[one["std_method"] == "none"].set_index("geo_code")
        table = (adjusted if len(adjusted) else crude).copy()
        # Age and sex adjust where the indicator is told so; else all are expected alike.
        if not len(adjusted):
            level_of_all = table["numerator"].sum() / max(float(table["denominator"].sum()), 1e-300)
            table["expected"] = table["denominator"] * level_of_all
        value = crude["value"].reindex(table.index)
        found.append(
            Units(
                indicator=str(name),
                level=level,
                kind=str(one["kind"].iloc[0]),
                codes=tuple(map(str, table.index)),
                observed=table["numerator"].fillna(0).to_numpy(np.float64),
                size=table["denominator"].fillna(0).to_numpy(np.float64),
                expected=table["expected"].to_numpy(np.float64),
                value=value.to_numpy(np.float64),
                case_mix="age_sex" if len(adjusted) else "none",
                people=table["person_count"].fillna(0).to_numpy(np.float64),
            )
        )
    return found


def _providers(
    connection: duckdb.DuckDBPyConnection,
    year: int,
    level: str,
    indicators: Sequence[str] | None,
    condition: str,
) -> list[Units]:
    catalogue = connection.execute(
        "select indicator_id, family, measure, kind, is_by_establishment, unit_counted "
        "from ref_indicator where kind in ('proportion', 'rate') order by indicator_id"
    ).fetchall()
    found = []
    for name, family, measure, kind, by_establishment, counted_unit in catalogue:
        if indicators is not None and name not in indicators:
            continue
        if level == "establishment" and not by_establishment:
            continue
        if level == "doctor" and counted_unit not in ("person", None):
            continue
        if level == "establishment":
            counted = _OF_HOSPITAL.format(family=family)
        else:
            # A rate over people counts everybody on the list; a proportion only who is examined.
            everybody = kind == "rate"
            counted = _OF_DOCTOR.format(
                family=family,
                how="left" if everybody else "inner",
                den="1" if everybody else "m.den",
            )
        sql = _PROVIDERS.format(counted=counted, fewest=FEWEST_OF_STRATUM)
        try:
            table = connection.execute(
                sql, {"year": year, "measure": measure, "condition": condition}
            ).df()
        except duckdb.CatalogException as error:
            raise UsageError(
                f"the build has no measure_{family}: build the year again with openchronic run"
            ) from error
        if not len(table):
            continue
        found.append(_of_table(table, name, level, kind))
    return found


def _of_table(table: pd.DataFrame, name: str, level: str, kind: str) -> Units:
    observed, size = table["observed"].to_numpy(np.float64), table["size"].to_numpy(np.float64)
    return Units(
        indicator=name,
        level=level,
        kind=kind,
        codes=tuple(map(str, table["unit"])),
        observed=observed,
        size=size,
        expected=table["expected"].to_numpy(np.float64),
        value=observed / size,
        case_mix="stay" if level == "establishment" else "patient",
        people=table["people"].to_numpy(np.float64),
    )
