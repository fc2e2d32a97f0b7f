"""The product's figures beside published ones: the cell, the gap, and why there is none."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from typing import Any

import duckdb
import pytest
from markdown_it import MarkdownIt
from typer.testing import CliRunner

from openchronic_assets.cli import app
from openchronic_assets.errors import UsageError
from openchronic_assets.indicators import compare
from openchronic_assets.indicators.loader import catalogue, families
from openchronic_assets.indicators.model import Benchmark, Family, Indicator, Text
from openchronic_assets.settings import Home

COLUMNS = (
    "indicator_id varchar, year integer, condition varchar, geo_level varchar, sex varchar, "
    "age_group varchar, denominator_type varchar, std_method varchar, numerator double, "
    "denominator double, value double, ci_low double, ci_high double, data_state varchar, "
    "absence_reason varchar, population_scope varchar"
)


def published(value: float = 0.5, **more: Any) -> Benchmark:
    return Benchmark(value, 2013, Text("France", "France"), "Une source | citée", "K", **more)


def an_indicator(*benchmarks: Benchmark, **more: Any) -> Indicator:
    one = next(iter(catalogue().values()))
    return dataclasses.replace(
        one, id="some", family="some", kind="proportion", scale=100.0, unit="%", quantile=None,
        denominators=("eligible",), age_from=18, age_to=None, benchmarks=benchmarks,
        label=Text("Un indicateur", "An indicator"),
    ) if not more else dataclasses.replace(an_indicator(*benchmarks), **more)  # fmt: skip


def cell(**more: Any) -> dict[str, Any]:
    return {
        "indicator_id": "some", "year": 2020, "condition": "all", "geo_level": "country",
        "sex": "all", "age_group": "all", "denominator_type": "eligible", "std_method": "none",
        "numerator": 60.0, "denominator": 100.0, "value": 0.6, "ci_low": 0.5, "ci_high": 0.69,
        "data_state": "final", "absence_reason": None, "population_scope": "exhaustive",
    } | more  # fmt: skip


Compare = Callable[..., compare.Report]


@pytest.fixture
def compared(home: Home, monkeypatch: pytest.MonkeyPatch) -> Compare:
    """Return the comparison of an indicator with given cells of the catalogue."""

    def made(
        one: Indicator,
        cells: list[dict[str, Any]],
        year: int | None = None,
        generated: tuple[bool, ...] = (False,),
    ) -> compare.Report:
        def connect(_: Home) -> duckdb.DuckDBPyConnection:
            connection = duckdb.connect()
            connection.execute(f"create table indicator ({COLUMNS})")
            for each in cells:
                marks = ", ".join("?" for _ in each)
                connection.execute(
                    f"insert into indicator ({', '.join(each)}) values ({marks})",
                    list(each.values()),
                )
            connection.execute(
                "create schema meta; create table meta.build as "
                "select 'abc' as build_id, '2021-06' as flux_cutoff"
            )
            return connection

        family = Family(one.family, Text("Une famille", "A family"), (one,))
        monkeypatch.setattr(compare, "connect", connect)
        monkeypatch.setattr(compare, "catalogue", lambda: {one.id: one})
        monkeypatch.setattr(compare, "families", lambda: {family.name: family})
        monkeypatch.setattr(
            compare, "behind", lambda _: [{"generated": each} for each in generated]
        )
        return compare.compare(home, year)

    return made


def test_the_value_stands_beside_the_published_one_with_its_gap(compared: Compare) -> None:
    report = compared(an_indicator(published(0.5, tolerance=Text("Autre année", "x"))), [cell()])
    (found,) = report.comparisons
    assert found.gap == pytest.approx(0.1)
    assert found.is_inside  # 0.5 is the lower bound
    text = compare.markdown(report)
    for said in ("60 (50 ; 69)", "+10, soit +20 %", "Autre année", "définitif", "2013"):
        assert said in text, said
    assert r"Une source \| citée" in text
    rendered = MarkdownIt("commonmark").enable("table").render(text)
    assert rendered.count("<td>") == 8


def test_the_last_year_is_compared_unless_another_is_asked_for(compared: Compare) -> None:
    cells = [cell(), cell(year=2019, value=0.4)]
    one = an_indicator(published())
    assert compared(one, cells).comparisons[0].ours.value == 0.6
    assert compared(one, cells, 2019).comparisons[0].ours.value == 0.4
    with pytest.raises(UsageError, match="not built for 2018; there are: 2019, 2020"):
        compared(one, cells, 2018)


def test_nothing_built_is_refused(compared: Compare) -> None:
    with pytest.raises(UsageError, match="holds no indicators"):
        compared(an_indicator(published()), [])


@pytest.mark.parametrize(
    ("cells", "more", "reason"),
    [
        ([cell(indicator_id="other")], {}, "not_built"),
        ([cell(condition="ald_08")], {}, "not_told"),
        ([cell()], {"condition": "ald_08"}, "not_told"),
        ([cell(denominator_type="consumers")], {}, "not_told"),
        ([cell(value=None, absence_reason="all_excluded")], {}, "all_excluded"),
        (
            [cell(condition="own", value=None, absence_reason="population_file_missing")],
            {},
            "population_file_missing",
        ),
        ([cell()], {"ages": "67-71"}, "ages_not_told"),
        ([cell()], {"ages": "les vieux"}, "ages_not_told"),
        ([cell()], {"ages": "10-49"}, "ages_not_told"),
        ([cell(), cell(age_group="65-69", population_scope="panel")], {"ages": "65+"},
         "ages_not_told"),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_says_why(
    compared: Compare, cells: list[dict[str, Any]], more: dict[str, Any], reason: str
) -> None:
    report = compared(an_indicator(published(**more)), cells)
    (found,) = report.comparisons
    assert found.ours.value is None and found.gap is None and found.is_inside is None
    assert found.ours.absence == reason
    assert f"absent : {compare.ABSENCES[reason]}" in compare.markdown(report)


def test_a_class_of_age_is_the_sum_of_its_groups(compared: Compare) -> None:
    cells = [
        cell(),
        *(
            cell(age_group=group, numerator=n, denominator=2.0 * n, value=0.5)
            for group, n in (("60-64", 1.0), ("65-69", 2.0), ("90-94", 4.0), ("95+", 8.0),
                             ("unknown", 16.0))
        ),
    ]  # fmt: skip
    (found,) = compared(an_indicator(published(ages="65+")), cells).comparisons
    assert (found.ours.numerator, found.ours.denominator) == (14.0, 28.0)
    # Wilson by its textbook form.
    z, p, n = 1.959963984540054, 0.5, 28.0
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    assert found.ours.high is not None and found.ours.low is not None
    assert found.ours.high - found.ours.low == pytest.approx(2 * half)
    (found,) = compared(an_indicator(published(ages="60-69")), cells).comparisons
    assert found.ours.denominator == 6.0
    # The ages that the indicator is about are all its people, those of unknown age too.
    (found,) = compared(an_indicator(published(ages="18+")), cells).comparisons
    assert found.ours.denominator == 100.0


def test_generated_data_are_named_as_such(compared: Compare) -> None:
    one, cells = an_indicator(published()), [cell()]
    for generated, words in (
        ((True, True), "**Données synthétiques.**"),
        ((True, False), "**Données en partie synthétiques.**"),
        ((False,), "Données livrées"),
    ):
        text = compare.markdown(compared(one, cells, generated=generated))
        assert words in text
        assert ("ynthétiques" in text) == any(generated)


def test_a_value_without_interval_says_so(compared: Compare) -> None:
    cells = [cell(ci_low=None, ci_high=None)]
    report = compared(an_indicator(published(), kind="mean"), cells)
    assert "(sans intervalle)" in compare.markdown(report)
    assert report.comparisons[0].is_inside is None


def test_the_command_writes_both_files(
    compared: Compare, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = compared(an_indicator(published()), [cell()])
    monkeypatch.setattr(compare, "compare", lambda home, year: report)
    done = CliRunner().invoke(
        app, ["indicators", "compare", "--year", "2020", "--home", str(home.root), "--json"]
    )
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert document["rows"][0]["gap"] == pytest.approx(10)
    folder = home.reports / "indicators"
    assert sorted(path.name for path in folder.iterdir()) == [
        "comparison-2020.html", "comparison-2020.md",
    ]  # fmt: skip


def test_every_benchmark_of_the_catalogue_names_a_cell_that_can_be_looked_up() -> None:
    for one in (each for family in families().values() for each in family.indicators):
        for each in one.benchmarks:
            assert not each.denominator or each.denominator in one.denominators, one.id
            assert compare._groups(one, each.ages) is not None, (one.id, each.ages)
            assert one.kind != "proportion" or 0 <= each.value <= 1, one.id
