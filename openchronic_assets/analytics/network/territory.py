"""Hospitals and the places that they serve: link with city care, catchment areas, market shares."""

from __future__ import annotations

from typing import Any

import duckdb
import numpy as np
import pandas as pd

from openchronic_assets.errors import UsageError

_LINKS = """
select
    y.department, m.finess, cast(sum(m.den) as bigint) as discharges,
    cast(sum(m.num) as bigint) as followed
from measure_coordination as m
inner join person_year as y on m.person_id = y.person_id and y.year = $year
where
    m.year = $year and m.measure = 'gp_after_discharge_30' and m.excl_code is null
    and m.condition = 'all' and m.finess is not null and y.department is not null
group by y.department, m.finess
order by y.department, m.finess
"""

_STAYS = """
select
    y.department as area, s.finess, cast(count(*) as bigint) as stays,
    cast(count(distinct s.person_id) as bigint) as persons
from hospital_stay as s
inner join person_year as y on s.person_id = y.person_id and y.year = $year
where
    s.year = $year and s.field = 'mco' and s.is_used_for_stays and s.is_used_for_persons
    and not coalesce(s.is_session, false) and s.finess is not null and y.department is not null
group by y.department, s.finess
order by y.department, s.finess
"""

OTHERS = "autres"


def tables(connection: duckdb.DuckDBPyConnection, year: int, shown: int) -> dict[str, pd.DataFrame]:
    """Return ``links``, ``catchments`` and ``markets`` of a year, without cells of few people.

    Raises:
        UsageError: the build lacks a mart.
    """
    try:
        links = connection.execute(_LINKS, {"year": year}).df()
        stays = connection.execute(_STAYS, {"year": year}).df()
    except duckdb.CatalogException as error:
        raise UsageError(
            "the build lacks measure_coordination or hospital_stay: build the year again"
        ) from error
    found, areas = catchments(stays, shown)
    found["coverage"] = found["finess"].map(coverage(stays, found))
    return {"links": link_strength(links, shown), "catchments": found, "markets": areas}


def link_strength(cells: pd.DataFrame, shown: int) -> pd.DataFrame:
    """Return, by department of residence and hospital, the share of discharges followed by a GP.

    Link strength = discharges with a contact with a general practitioner within 30 days, over
    discharges. A cell of fewer than ``shown`` discharges is added to the department's others,
    which are dropped too if they stay few; so is a share that tells fewer than ``shown`` people
    met, or not met, unless it is 0 or 1 of them.

    Args:
        cells: ``department``, ``finess``, ``discharges``, ``followed``.
        shown: fewest discharges.
    """
    columns = ["department", "finess", "discharges", "followed", "link_strength"]
    if not len(cells):
        return pd.DataFrame(columns=columns)
    table = cells.copy()
    table["finess"] = table["finess"].where(table["discharges"] >= shown, OTHERS)
    table = table.groupby(["department", "finess"], as_index=False)[
        ["discharges", "followed"]
    ].sum()
    table = table[table["discharges"] >= shown]
    missed = table["discharges"] - table["followed"]
    few = table["followed"].between(1, shown - 1) | missed.between(1, shown - 1)
    table["link_strength"] = (table["followed"] / table["discharges"]).where(~few)
    table["followed"] = table["followed"].astype("Int64").where(~few)
    return table[columns].reset_index(drop=True)


def catchments(stays: pd.DataFrame, shown: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the hospital of each area, and how concentrated its residents' stays are.

    An area goes to the hospital where most of its residents' stays are (plurality, as in the
    Dartmouth atlas); a tie to the hospital of most stays from everywhere, then to the lower FINESS.
    An area, or a hospital's cell, of fewer than ``shown`` people is not told.

    Args:
        stays: ``area``, ``finess``, ``stays``, ``persons``.
        shown: fewest people.

    Returns:
        Areas (``area``, ``finess``, ``stays``, ``share``: that of the hospital) and markets
        (``area``, ``stays``, ``hospitals``, ``hhi``: sum of squared shares, 1 for one hospital).
    """
    areas: list[dict[str, Any]] = []
    markets: list[dict[str, Any]] = []
    size = stays.groupby("finess")["stays"].sum().to_dict() if len(stays) else {}
    for area in sorted(set(stays["area"])):
        one = stays[stays["area"] == area]
        people = int(one["persons"].sum())
        if people < shown:
            continue
        cells = sorted(
            zip(one["finess"], one["stays"].tolist(), one["persons"].tolist(), strict=True),
            key=lambda cell: (-cell[1], -size[cell[0]], cell[0]),
        )
        finess, most, persons = cells[0]
        total = int(one["stays"].sum())
        # A share of all but a few people tells the few.
        told = people - persons == 0 or people - persons >= shown
        shares = one["stays"].to_numpy(np.float64) / total
        markets.append(
            {
                "area": area,
                "stays": total if told else None,
                "hospitals": int((one["persons"] >= shown).sum()),
                "hhi": float((shares**2).sum()) if told else None,
            }
        )
        if persons >= shown:
            share = most / total if told else None
            areas.append({"area": area, "finess": finess, "stays": most, "share": share})
    return (
        pd.DataFrame(areas, columns=["area", "finess", "stays", "share"]),
        pd.DataFrame(markets, columns=["area", "stays", "hospitals", "hhi"]),
    )


def coverage(stays: pd.DataFrame, areas: pd.DataFrame) -> dict[str, float]:
    """Return, for each hospital with a catchment area, the share of its area's stays made in it."""
    mine = dict(zip(areas["area"], areas["finess"], strict=True))
    found: dict[str, float] = {}
    for finess in sorted(set(mine.values())):
        area = stays[stays["area"].map(mine) == finess]
        total = float(area["stays"].sum())
        inside = float(area.loc[area["finess"] == finess, "stays"].sum())
        found[finess] = inside / total if total else float(np.nan)
    return found
