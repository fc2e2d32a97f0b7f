"""Which care years a raw file touches, month by month."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from raw_lake import Lake, detail, line, stay

from openchronic_assets.settings import Home
from openchronic_assets.slices import Part
from openchronic_assets.warehouse import inputs


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A year's file of reimbursements with care of three years, and its pharmacy lines."""
    lake = Lake(Home(tmp_path / "home"))
    lines = [
        line("ann", "2019-02-10", "2019-03-01", 1),
        line("ann", "2017-06-10", "2019-03-01", 2),
        line("ann", "2019-04-10", "2019-05-01", 3),
        line("ann", "2018-04-10", "2019-05-01", 4),
        line("ann", None, "2020-01-01", 5),
    ]
    lake.put("er_prs_f", "ER_PRS_F_2019", lines)
    pharmacy = [detail(f"2019-0{month}-01", n, pha_ord_num=1) for month, n in ((3, 1), (5, 3))]
    lake.put("er_pha_f", "ER_PHA_F_2019", pharmacy)
    lake.put("t_ssraac", "T_SSR18C", [{"_table_year": 2018, "eta_num": "1"}])
    lake.put("t_mcoaab", "T_MCO20B", [stay(2020, 1)])
    return lake


def marks(lake: Lake, monkeypatch: pytest.MonkeyPatch, months: dict[str, set[str]]) -> Any:
    """Return the marks of a lake of which only some months of some tables are in effect."""

    def parts(home: Home) -> dict[str, list[Part]]:
        return {
            table: [
                Part(each.path, frozenset(months[table]) if table in months else None)
                for each in found
            ]
            for table, found in lake.files(home).items()
        }

    monkeypatch.setattr(inputs, "current_parts", parts)
    return inputs.scan(lake.home)


def changed(before: Any, after: Any, table: str) -> set[int]:
    one, other = (inputs.touched_years(each)[table] for each in (before, after))
    return {year for year in one.keys() | other.keys() if one.get(year) != other.get(year)}


def test_a_month_that_another_file_takes_over_touches_its_own_care_years(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = marks(lake, monkeypatch, {})
    without_may = marks(lake, monkeypatch, {"er_prs_f": {"2019-03", "2020-01"}})
    # 2018 and 2019 had care paid in May; 2017 was paid in March alone.
    assert changed(whole, without_may, "er_prs_f") == {2018, 2019}
    assert without_may["er_prs_f"].popitem()[1].rows == 3
    without_march = marks(lake, monkeypatch, {"er_prs_f": {"2019-05", "2020-01"}})
    assert changed(whole, without_march, "er_prs_f") == {2017, 2019}


def test_a_detail_touches_the_care_years_of_the_lines_of_its_month(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = marks(lake, monkeypatch, {})
    without_may = marks(lake, monkeypatch, {"er_pha_f": {"2019-03"}})
    assert changed(whole, without_may, "er_pha_f") == {2018, 2019}
    assert changed(whole, without_may, "er_prs_f") == set()


def test_the_same_months_are_the_same_file_and_are_not_read_again(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = marks(lake, monkeypatch, {"er_prs_f": {"2019-03"}})
    known = inputs.to_json(some)
    monkeypatch.setattr(inputs, "_describe", None)
    assert inputs.scan(lake.home, known) == some


def test_delivered_years_are_those_of_stays_of_any_field_and_of_flux_paid_in_its_year(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = marks(lake, monkeypatch, {})
    assert inputs.delivered_years(found) == {2018, 2019, 2020}
    assert inputs.flux_cutoff(found) == "2020-01"
