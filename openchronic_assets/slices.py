"""The slices of a raw table, and the care year of its rows: one rule a table, from its contract.

A slice is what a newer delivery replaces inside a longer file: the flux month of reimbursements
and of Open DAMIR, the year of a death, the pair of epochs of a crosswalk. The other tables have
none: a newer file takes the whole place of the one before it.

The expressions of slices are those that DuckDB and Spark both understand; care years are asked of
DuckDB alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from openchronic_assets.contracts import Table

# The slice of rows whose column is empty. Flux tables have none: their month is a key.
NONE = "none"
CROSSWALK = "PSEUDONYM_CROSSWALK"
LINES = "ER_PRS_F"
DEATHS = "CEPIDC"

# Flux year Y runs from February Y to January Y+1 (design: two calendars); the same rules are in
# dbt_project/macros/care_year.sql.
_FLUX_YEAR = "(year(flx_dis_dtd) - case when month(flx_dis_dtd) = 1 then 1 else 0 end)"


@dataclass(frozen=True)
class Part:
    """A Parquet file of the lake and the slices of it that are in effect; None is all of it."""

    path: Path
    months: frozenset[str] | None = None


def slice_columns(table: Table) -> tuple[str, ...]:
    """Return the columns, by their names in the lake, that say the slice of a row."""
    names = table.names()
    if table.calendar == "flux":
        return tuple(n.lower() for n in ("FLX_DIS_DTD", "FLX_ANN_MOI") if n in names)[:1]
    if table.product == DEATHS and "FLX_PER_ANN" in names:
        return ("flx_per_ann",)
    return ("old_epoch", "new_epoch") if table.name == CROSSWALK else ()


def slice_sql(table: Table) -> str | None:
    """Return the text of a row's slice: ``2019-03``, ``2019``, ``2018>2020``; None without."""
    columns = slice_columns(table)
    if columns == ("flx_dis_dtd",):
        month = "lpad(cast(month(flx_dis_dtd) as string), 2, '0')"
        found = f"cast(year(flx_dis_dtd) as string) || '-' || {month}"
    elif columns == ("flx_ann_moi",):
        text = "cast(flx_ann_moi as string)"
        found = f"substr({text}, 1, 4) || '-' || substr({text}, 5, 2)"
    elif columns == ("flx_per_ann",):
        found = "cast(flx_per_ann as string)"
    elif columns:
        found = "old_epoch || '>' || new_epoch"
    else:
        return None
    return f"coalesce({found}, '{NONE}')"


def in_slices_sql(table: Table, slices: Iterable[str]) -> str:
    """Return the predicate of the rows in these slices.

    Months of a date are ranges of it, so that row groups are skipped by their statistics.
    """
    wanted = sorted(slices)
    if slice_columns(table) != ("flx_dis_dtd",):
        listed = ", ".join("'" + each.replace("'", "''") + "'" for each in wanted)
        return f"{slice_sql(table)} in ({listed})" if wanted else "1 = 0"
    found = ["flx_dis_dtd is null"] if NONE in wanted else []
    for first, last in _runs([each for each in wanted if each != NONE]):
        found.append(f"(flx_dis_dtd >= date '{first}-01' and flx_dis_dtd < date '{last}-01')")
    return f"({' or '.join(found or ['1 = 0'])})"


def _runs(months: list[str]) -> list[tuple[str, str]]:
    """Return consecutive months as (first, the one after the last)."""
    found: list[tuple[str, str]] = []
    for month in months:
        if found and found[-1][1] == month:
            found[-1] = (found[-1][0], _after(month))
        else:
            found.append((month, _after(month)))
    return found


def _after(month: str) -> str:
    year, number = int(month[:4]), int(month[5:])
    return f"{year + number // 12:04d}-{number % 12 + 1:02d}"


def is_yearly(table: Table) -> bool:
    """Whether a table is delivered once for each care year, which its rows need not say."""
    return table.calendar == "care" and not slice_columns(table)


def care_year_sql(table: Table) -> str | None:
    """Return the care year of a row, 0 where it has none at all; None for a snapshot.

    Care without a date belongs to its flux year, so do the details of a reimbursement line, which
    carry no date of care; a stay belongs to the year of its table, a death to its own.
    """
    names = table.names()
    if table.calendar == "snapshot":
        return None
    if table.calendar == "flux" and "FLX_ANN_MOI" in names:
        flux = "(flx_ann_moi // 100 - case when flx_ann_moi % 100 = 1 then 1 else 0 end)"
        own = "case when soi_ann > 1600 then soi_ann end"
        return f"coalesce({own}, {flux}, 0)" if "SOI_ANN" in names else f"coalesce({flux}, 0)"
    if table.calendar == "flux":
        own = "case when year(exe_soi_dtd) > 1600 then year(exe_soi_dtd) end, "
        return f"coalesce({own if table.name == LINES else ''}{_FLUX_YEAR}, 0)"
    if table.product == DEATHS:
        years = [
            f"case when {year} > 1600 then {year} end"
            for name, year in (("BEN_DCD_DTE", "year(ben_dcd_dte)"), ("FLX_PER_ANN", "flx_per_ann"))
            if name in names
        ]
        return f"coalesce({', '.join([*years, '0'])})"
    return "coalesce(_table_year, 0)"


def flux_year(month: str) -> int:
    """Return the flux year of a month, ``2019-03`` or ``201903``: February to January."""
    return int(month[:4]) - (month[-2:] == "01")
