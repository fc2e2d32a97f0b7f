"""Which table a file name speaks of, and of which period: portal, archives, extractions, open data.

The rules are facts of the providers' naming, family by family; nothing is guessed from a name that
follows none of them. A stem is a file name without its suffixes, in any case.

=====================  =============================================================
DCIR, DAMIR            ``ER_PRS_F``, ``ER_PRS_F_2019`` (also an archived year of the portal),
                       ``ER_PRS_F_201902``, ``ER_PRS_F_2019_02``
PMSI                   ``T_MCO19B``, ``T_MCO2019B``, ``T_MCOaaB_2019``, ``T_MCO19_06B``
                       (cumulated up to June), ``T_MCO12GV11D`` (a stay grouped again)
cartographie           ``CT_IND_2019_G8``, ``CT_IND_G5_2015``, ``CT_IND_2019``
referentials, CépiDc   ``IR_BEN_R``, ``IR_BEN_R_2020``, ``IR_BEN_R_20201016``, ``KI_CCI_R_2016``
open files             under their published names too: ``demographie-effectifs-et-les-densites``
                       (professionals), ``etalab-cs1100507-stock-20240105`` (establishments)
Open DAMIR             ``A201501``, ``A2025_01``, ``OPEN_DAMIR_202501``
any of them            a part of a bigger file: ``_PART2``, ``_P2``, ``_001``, ``_T1`` (a quarter),
                       ``_S2`` (half a year) at the end
=====================  =============================================================
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from openchronic_assets.contracts.loader import tables

# Tables whose name changed while their structure did not: the new name is the contract's.
RENAMED = {
    "T_MCOAABPHNA": "T_MCOaaSUP_BPHNA",
    "T_MCOAABPHNC": "T_MCOaaSUP_BPHNC",
    "T_MCOAABPHNP": "T_MCOaaSUP_BPHNP",
    "T_MCOAALACT": "T_MCOaaSUP_LACT",
    "T_MCOAAFFM": "T_SUPaaFFM",
}
_PART = re.compile(r"(?P<stem>.+?)_(?:(?:PART|P|LOT)_?\d{1,3}|\d{3}|[TQ][1-4]|S[12])")
_DATED = re.compile(
    r"(?P<name>[A-Z][A-Z0-9_]*?)"
    r"(?:_(?P<year>(?:19|20)\d\d|AAAA)(?:[_-]?(?P<month>0[1-9]|1[0-2])(?P<day>[0-3]\d)?)?)?"
)
_PMSI = re.compile(
    r"T_(?P<field>MCO|SSR|HAD|RIP|SUP)_?(?P<year>(?:19|20)\d\d|\d\d|AA)"
    r"(?:_(?P<upto>0[1-9]|1[0-2]|MM|NN))?_?(?P<table>[A-Z][A-Z0-9_]*?)(?:_(?P<late>20\d\d|AAAA))?"
)
_REGROUPED = re.compile(r"T_MCOAAGV\w+")
_CARTOGRAPHIE = re.compile(
    r"(?P<table>CT_(?:IND|DEP|IDE))(?:_G[N\d]+)?(?:_(?P<year>20\d\d|AAAA))?(?:_G[N\d]+)?"
)
_OPEN_DAMIR = re.compile(r"(?:OPEN_DAMIR_)?A(?P<year>20\d\d)[_-]?(?P<month>0[1-9]|1[0-2])")

# Names under which files are published or known, apart from those of their tables.
_PUBLISHED = (
    (re.compile(r"DEMOGRAPHIE-EFFECTIFS-ET-LES-DENSITES"), "OPEN_PROFESSIONALS"),
    (re.compile(r"IR_PHA_R_(?:NO_UNUSED_DATA|WITH_MOLECULES)"), "IR_PHA_R"),
    (re.compile(r"ETALAB-CS11005\d\d-STOCK(?:-\d{8}(?:-\d{4})?)?"), "OPEN_ESTABLISHMENTS"),
)


class Named(NamedTuple):
    """A recognised name: ``period`` is ``all``, ``2019`` or ``2019-02``; ``year`` may be unsaid."""

    table: str
    period: str
    year: int | None


@cache
def _contracts() -> dict[str, str]:
    return {table.upper(): table for table in tables()}


def recognise(stem: str) -> Named | None:
    """Return table, period and year of a file's stem, or None where it names no table.

    A month of a care year's table (``T_MCO19_06B``) is cumulated since January: its period is the
    year, so that a later delivery replaces it.
    """
    folded = stem.upper() if stem.isascii() else ""
    found = _whole(folded)
    if found is None and (part := _PART.fullmatch(folded)):
        found = _whole(part["stem"])
    return found


def cumulated_to(stem: str) -> int | None:
    """Return the month up to which a hospital table is cumulated by its name, None for the year.

    Of ``T_MCO19_06B`` and ``T_MCO19B`` in one delivery, the second holds the first.
    """
    folded = stem.upper()
    part = _PART.fullmatch(folded)
    match = _PMSI.fullmatch(folded) or (_PMSI.fullmatch(part["stem"]) if part else None)
    upto = match["upto"] if match else None
    return int(upto) if upto and upto.isdecimal() else None


def _whole(stem: str) -> Named | None:
    if match := _PMSI.fullmatch(stem):
        return _pmsi(match)
    if match := _CARTOGRAPHIE.fullmatch(stem):
        return _named(f"{match['table']}_AAAA_GN", match["year"])
    if match := _OPEN_DAMIR.fullmatch(stem):
        return _named("OPEN_DAMIR", match["year"], match["month"])
    for pattern, table in _PUBLISHED:
        if pattern.fullmatch(stem):
            return Named(table, "all", None)
    if match := _DATED.fullmatch(stem):
        return _named(match["name"], match["year"], match["month"])
    return None


def _pmsi(match: re.Match[str]) -> Named | None:
    name = f"T_{match['field']}AA{match['table']}"
    name = RENAMED.get(name, name).upper()
    if _REGROUPED.fullmatch(name):
        name = "T_MCOAAGVXX"
    year = match["year"]
    if year == "AA":
        year = match["late"]
    elif match["late"]:
        return None
    elif len(year) == 2:
        year = f"{19 if int(year) >= 70 else 20}{year}"
    return _named(name, year)


def _named(name: str, year: str | None, month: str | None = None) -> Named | None:
    table = _contracts().get(name)
    if table is None:
        return None
    if year is None or year == "AAAA":
        return Named(table, "all", None)
    period = f"{year}-{month}" if month else year
    return Named(table, period, int(year))
