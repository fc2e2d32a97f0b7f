"""What the release takes from the base beside indicators: pathways, and where people are cared for.

Both count people of known sex, age and department, once each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb
import numpy as np

from openchronic_assets.anonymisation.care_flows import CareFlows
from openchronic_assets.anonymisation.pathway_tables import POINTS, STATES, Pathway
from openchronic_assets.errors import OpenChronicError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from openchronic_assets.anonymisation.indicator_tables import Territories

_PLACE_OF_CARE = """
    case
        -- Overseas, numbers begin with 970 and one figure more (Mayotte with 980); those of
        -- invented hospitals with 9799 and one more.
        when finess like '980%' then '976'
        when finess like '9799_%' then '97' || substr(finess, 5, 1)
        when finess like '970_%' then '97' || substr(finess, 4, 1)
        else substr(finess, 1, 2)
    end
"""

Cared = tuple[int, int, str, int]
"""Department of residence, of care (their number: elsewhere or not located), hospital, people."""


@dataclass(frozen=True)
class Flows:
    """What is told beside indicators.

    Attributes:
        pathways: by name and index year; only years that are followed to the last point.
        care: by year, departments then regions.
    """

    pathways: tuple[Pathway, ...] = ()
    care: tuple[tuple[CareFlows, CareFlows], ...] = ()


def read_flows(
    path: Path,
    territories: Territories,
    years: Iterable[int],
    moved: Callable[[list[Cared]], list[Cared]] = list,
) -> Flows:
    """Read the counts from a catalogue; a base without these marts has none.

    Args:
        path: the catalogue.
        territories: departments that are told.
        years: care years.
        moved: what becomes of the people cared for in a year, where they stand for others.

    Raises:
        OpenChronicError: the catalogue cannot be read.
    """
    wanted = sorted(years)
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            connection.execute("set threads to 2")
            there = {row[0] for row in connection.execute("show tables").fetchall()}
            known = connection.execute("select distinct year from person_year").fetchall()
            _people(connection, territories, wanted)
            pathways: tuple[Pathway, ...] = ()
            if {"pathway_state", "ref_pathway"} <= there:
                # Six months before an index of January, twelve after one of December.
                built = {row[0] for row in known}
                followed = [y for y in wanted if {y - 1, y + 1} <= built]
                pathways = tuple(_pathways(connection, territories, followed))
            care: tuple[tuple[CareFlows, CareFlows], ...] = ()
            if "hospital_stay" in there:
                care = tuple(_care(connection, territories, wanted, moved))
    except duckdb.Error as error:
        raise OpenChronicError(
            f"{path.name} cannot give the counts of pathways and care ({type(error).__name__}): "
            "materialise the marts first"
        ) from None
    return Flows(pathways, care)


def _people(
    connection: duckdb.DuckDBPyConnection, territories: Territories, years: list[int]
) -> None:
    codes = [code for code, _, _ in territories.departments]
    connection.execute(
        "create temp table flow_place as select unnest(?) as department, unnest(?) as rank",
        [codes, list(range(len(codes)))],
    )
    connection.execute(
        """
        create temp table flow_person as
        select person_year.person_id, person_year.year, flow_place.rank as home
        from person_year join flow_place using (department)
        where person_year.sex in ('1', '2') and person_year.age_group is not null
            and list_contains(?, person_year.year)
        """,
        [years],
    )


def _pathways(
    connection: duckdb.DuckDBPyConnection, territories: Territories, years: list[int]
) -> list[Pathway]:
    pivoted = ", ".join(
        f"max(state) filter (where month_offset = {point}) as s{at}"
        for at, point in enumerate(POINTS)
    )
    listed = ", ".join(map(str, POINTS))
    seen = " and ".join(f"s{at} is not null" for at in range(len(POINTS)))
    connection.execute(
        f"""
        create temp table flow_case as
        with pivoted as (
            select person_id, pathway, cast(year(min(index_date)) as integer) as year, {pivoted}
            from pathway_state
            where is_incident and month_offset in ({listed})
            group by person_id, pathway
        )
        select pivoted.*, flow_person.home
        from pivoted join flow_person using (person_id, year)
        where list_contains(?, year) and {seen}
        """,
        [years],
    )
    labels = dict(
        connection.execute("select pathway, min(label_fr) from ref_pathway group by 1").fetchall()
    )
    shape = (len(POINTS) - 1, len(STATES), len(STATES))
    flows: dict[tuple[str, int], np.ndarray[tuple[int, ...], np.dtype[np.int64]]] = {}
    places: dict[tuple[str, int], np.ndarray[tuple[int, ...], np.dtype[np.int64]]] = {}
    at = {state: n for n, state in enumerate(STATES)}
    for point in range(len(POINTS)):
        rows = connection.execute(
            f"select pathway, year, s{point}, home, count(*) from flow_case group by all"
        ).fetchall()
        for name, year, state, home, people in rows:
            one = places.setdefault(
                (name, year),
                np.zeros((len(POINTS), len(STATES), len(territories.departments)), np.int64),
            )
            one[point, at[state], home] = people
    for step in range(len(POINTS) - 1):
        rows = connection.execute(
            f"select pathway, year, s{step}, s{step + 1}, count(*) from flow_case group by all"
        ).fetchall()
        for name, year, before, after, people in rows:
            one = flows.setdefault((name, year), np.zeros(shape, np.int64))
            one[step, at[before], at[after]] = people
    return [
        Pathway(name, labels.get(name, name), year, flows[name, year], places[name, year])
        for name, year in sorted(flows)
    ]


def _care(
    connection: duckdb.DuckDBPyConnection,
    territories: Territories,
    years: list[int],
    moved: Callable[[list[Cared]], list[Cared]],
) -> list[tuple[CareFlows, CareFlows]]:
    codes = [code for code, _, _ in territories.departments]
    up = [region for _, _, region in territories.departments]
    # One place a person: where most of her stays were, then where she lives, then the first.
    connection.execute(
        f"""
        create temp table flow_care as
        with stay as (
            select person_id, year, finess, {_PLACE_OF_CARE} as department
            from hospital_stay
            where field = 'mco' and is_used_for_stays and is_used_for_persons
                and not coalesce(is_session, false) and person_id is not null
                and finess is not null and list_contains(?, year)
        ),
        placed as (
            select
                stay.person_id, stay.year, stay.finess, flow_person.home,
                coalesce(flow_place.rank, {len(codes)}) as care,
                count(*) over (partition by stay.person_id, stay.year, flow_place.rank) as stays,
                count(*) over (partition by stay.person_id, stay.year, stay.finess) as in_hospital
            from stay
            join flow_person using (person_id, year)
            left join flow_place using (department)
        )
        select distinct on (person_id, year) person_id, year, finess, home, care
        from placed
        order by person_id, year, stays desc, care <> home, care, in_hospital desc, finess
        """,
        [years],
    )
    found = []
    for year in years:
        rows = connection.execute(
            "select home, care, finess, count(*) from flow_care where year = ? group by all", [year]
        ).fetchall()
        if not rows:
            continue
        rows = moved(rows)
        regions = tuple(sorted(set(up)))
        own = np.arange(len(codes) + 1)
        above = np.array([*(regions.index(region) for region in up), len(regions)])
        found.append(
            (
                _counted(year, "department", tuple(codes), own, rows),
                _counted(year, "region", regions, above, rows),
            )
        )
    return found


def _counted(
    year: int,
    level: str,
    places: tuple[str, ...],
    of: np.ndarray[tuple[int, ...], np.dtype[np.int64]],
    rows: list[Cared],
) -> CareFlows:
    size = len(places)
    cells: dict[tuple[int, int, str], int] = {}
    for home, care, finess, people in rows:
        key = (int(of[home]), int(of[care]), finess)
        cells[key] = cells.get(key, 0) + people
    people_of = np.zeros((size, size + 1), np.int64)
    largest = np.zeros((size, size + 1), np.int64)
    hospitals: list[set[str]] = [set() for _ in range(size + 1)]
    for (home, care, finess), people in cells.items():
        people_of[home, care] += people
        largest[home, care] = max(largest[home, care], people)
        hospitals[care].add(finess)
    return CareFlows(
        year, level, places, people_of, largest,
        np.array([len(each) for each in hospitals[:-1]], dtype=np.int64),
    )  # fmt: skip
