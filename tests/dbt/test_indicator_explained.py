"""Why a number moved: each planted cause is told in its own line, and the lines make the change.

The models are a small project with the contract of the real one: what somebody was paid for, by
lists, above a threshold of the rule. Weights are powers of ten, so that each cause has its digit.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import shutil
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt
from raw_lake import Lake, beneficiary, detail, line
from typer.testing import CliRunner

from openchronic_assets import warehouse
from openchronic_assets.cli import app
from openchronic_assets.errors import Refused, UsageError
from openchronic_assets.indicators import explain, explained
from openchronic_assets.indicators.loader import catalogue
from openchronic_assets.settings import Home
from openchronic_assets.warehouse import builds, project

TOY = dataclasses.replace(
    next(iter(catalogue().values())), id="toy", family="toy", measure="toy", scale=1.0,
    denominators=("eligible",), unit="points",
)  # fmt: skip
CAUSES = list(explain.CAUSES)

STAGING = """
select ben_nir_psa as psa, exe_soi_dtd as care_date, prs_nat_ref as code, prs_act_qte as quantity,
    dct_ord_num, flx_dis_dtd
from {{ source('snds', 'er_prs_f') }}
"""
DETAIL = """
select dct_ord_num, flx_dis_dtd, pha_act_qsn as boxes from {{ source('snds', 'er_pha_f') }}
"""
PEOPLE = """
{{ config(materialized='history', unique_key=['psa'],
    meta={'kind': 'history', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}) }}
select ben_nir_psa as psa from {{ source('snds', 'ir_ben_r') }}
"""
CARE = """
{{ config(materialized='yearly', unique_key=['psa', 'code', 'dct_ord_num', 'flx_dis_dtd'],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': false}) }}
select care.psa, care.code, care.dct_ord_num, care.flx_dis_dtd,
    cast({{ openchronic.build_year() }} as integer) as year,
    cast(care.quantity + 10000 * coalesce(box.boxes, 0) as bigint) as quantity
from {{ ref('stg_line') }} as care
left join {{ ref('stg_box') }} as box
    on care.dct_ord_num = box.dct_ord_num and care.flx_dis_dtd = box.flx_dis_dtd
where year(care.care_date) = {{ openchronic.build_year() }}
"""
MEASURE = """
{{ config(materialized='yearly', unique_key=['person_id', 'measure', 'condition', 'unit_id'],
    meta={'kind': 'yearly', 'look_back': 1, 'look_ahead': 0, 'reads_referentials': true}) }}
select person.psa as person_id, cast({{ openchronic.build_year() }} as integer) as year,
    'toy' as measure, 'all' as condition, '' as unit_id, cast(null as varchar) as finess,
    cast(__RULE__ + coalesce(sum(care.quantity * listed.weight), 0) as double) as num,
    cast(1 as double) as den, cast(null as varchar) as excl_code
from {{ ref('int_people') }} as person
left join {{ ref('int_care') }} as care on person.psa = care.psa
    and care.year between {{ openchronic.build_year(-1) }} and {{ openchronic.build_year() }}
left join {{ ref('ref_toy') }} as listed on care.code = listed.code
group by person.psa
"""
OTHER = """
{{ config(materialized='yearly', unique_key=['person_id'],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': false}) }}
select psa as person_id, year, 'other' as measure, 'all' as condition, '' as unit_id,
    cast(null as varchar) as finess, cast(1 as double) as num, cast(1 as double) as den,
    cast(null as varchar) as excl_code
from {{ ref('int_care') }} where year = {{ openchronic.build_year() }}
"""
VALUE = """
{{ config(materialized='yearly', unique_key=['indicator_id', 'condition'],
    meta={'kind': 'yearly', 'look_back': 0, 'look_ahead': 0, 'reads_referentials': true}) }}
with cell as (
    select * from {{ ref('measure_toy') }} where year = {{ openchronic.build_year() }}
    union all
    select * from {{ ref('measure_other') }} where year = {{ openchronic.build_year() }}
)
select measure as indicator_id, cast({{ openchronic.build_year() }} as integer) as year, condition,
    'country' as geo_level, 'FR' as geo_code, 'all' as sex, 'all' as age_group,
    'eligible' as denominator_type, 'none' as std_method, sum(num) as numerator,
    sum(den) as denominator, sum(num) / nullif(sum(den), 0) as value,
    cast(null as varchar) as absence_reason
from cell group by measure, condition
"""


def write_project(folder: Path, rule: int = 1, weight: int = 10) -> Path:
    """Write the small project; ``rule`` and ``weight`` are what its code and its list say."""
    whole = project.project_dir()
    if not folder.is_dir():
        for part in ("macros", "profiles.yml", "dbt_project.yml"):
            place = folder / part
            place.parent.mkdir(parents=True, exist_ok=True)
            if (whole / part).is_dir():
                shutil.copytree(whole / part, place, ignore=shutil.ignore_patterns("tests"))
            else:
                shutil.copyfile(whole / part, place)
    texts = {
        "models/staging/_sources.yml": json.dumps(
            {
                "version": 2,
                "sources": [
                    {
                        "name": "snds",
                        "schema": "raw",
                        "tables": [{"name": name} for name in ("er_prs_f", "er_pha_f", "ir_ben_r")],
                    }
                ],
            }
        ),
        "models/staging/stg_line.sql": STAGING,
        "models/staging/stg_box.sql": DETAIL,
        "models/intermediate/int_people.sql": PEOPLE,
        "models/intermediate/int_care.sql": CARE,
        "models/intermediate/int_indicator_value.sql": VALUE,
        "models/intermediate/measure_toy.sql": MEASURE.replace("__RULE__", str(rule)),
        "models/intermediate/measure_other.sql": OTHER,
        "seeds/ref_toy.csv": f"code,weight\n1111,{weight}\n",
    }
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(autouse=True)
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Build the small project and no other."""
    folder = tmp_path / "dbt_project"
    write_project(folder)
    monkeypatch.setenv(project.PROJECT_VARIABLE, str(folder))
    monkeypatch.setenv(project.PARSED_VARIABLE, str(tmp_path / "parsed"))
    return lambda **said: write_project(folder, **said)


@pytest.fixture
def lake(make_lake: Any) -> Lake:
    """The first delivery: ann and bob, each with one act of 2019 and of 2020."""
    found: Lake = make_lake("home")
    found.put("ir_ben_r", "IR_BEN_R", [beneficiary("ann"), beneficiary("bob")])
    lines = [
        line(name, f"{year}-03-15", f"{year}-04-01", 10 * year + number)
        for (number, name), year in itertools.product(enumerate(("ann", "bob")), (2019, 2020))
    ]
    found.put("er_prs_f", "ER_PRS_F_1", lines)
    return found


def moved(lake: Lake, toy: Callable[..., Path], causes: list[str]) -> None:
    """Plant causes of change in the home and the project, each with its own digit."""
    said: dict[str, int] = {}
    if "rule" in causes:
        said["rule"] = 1 + 100_000
    if "algorithm" in causes:
        said["weight"] = 11
    toy(**said)
    rows = []
    details = []
    if "late_flux" in causes:
        rows += [line("ann", "2020-12-15", "2021-02-01", 500, prs_act_qte=100)]
        rows += [line("bob", "2019-12-15", "2021-02-01", 501, prs_act_qte=100)]
        details += [detail("2021-02-01", 500, pha_ord_num=1, pha_act_qsn=1)]
    if "regularisation" in causes:
        rows += [line("bob", "2020-03-15", "2021-02-01", 600, prs_act_qte=-7)]
        details += [detail("2021-02-01", 600, pha_ord_num=1, pha_act_qsn=-2)]
    if rows:
        lake.put("er_prs_f", "ER_PRS_F_2", rows, "d2")
        lake.put("er_pha_f", "ER_PHA_F_2", details, "d2")
    if "referential" in causes:
        people = [beneficiary("ann"), beneficiary("bob"), beneficiary("cid")]
        lake.put("ir_ben_r", "IR_BEN_R", people, "d2")


def build(home: Home) -> str:
    """Build both years and return the build's id."""
    return str(warehouse.build(home, [2019, 2020])["build_id"])


# What each planted cause adds to the numerator, in the order of the chain: the list, then lines
# counted by the new list where it changed, then people of whom nothing but the rule is known.
def expected(causes: list[str]) -> dict[str, int]:
    weight = 11 if "algorithm" in causes else 10
    each = 100_001 if "rule" in causes else 1
    said = {
        "rule": 2 * 100_000,
        "algorithm": 4,  # acts
        "late_flux": (200 + 10_000) * weight,
        "regularisation": (-7 - 20_000) * weight,
        "referential": each,
    }
    return {cause: said[cause] if cause in causes else 0 for cause in CAUSES}


def parsed(text: str) -> Decimal:
    """Return a number that the page writes."""
    return Decimal(text.replace("\u202f", "").replace("−", "-").replace(",", ".").lstrip("+"))


def check(found: explain.Explanation, causes: list[str]) -> None:
    for quantity, parts in found.parts.items():
        first, last = found.first.of(quantity), found.last.of(quantity)
        assert first is not None and last is not None
        assert sum(parts.values()) == last - first, quantity
    assert dict(found.parts["numerator"]) == expected(causes)
    assert found.parts["denominator"]["referential"] == ("referential" in causes)
    others = [c for c in CAUSES if c != "referential"]
    assert not any(found.parts["denominator"][cause] for cause in others)


def test_causes_together_are_told_apart_and_make_the_change(
    lake: Lake, toy: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = lake.home
    before = build(home)
    moved(lake, toy, CAUSES)
    after = build(home)
    found = explain.explain(home, TOY, 2020, before, after)
    assert found.first.numerator == 2 * 1 + 4 * 10
    check(found, CAUSES)
    assert found.facts["tables"] == {
        "late_flux": ["er_pha_f", "er_prs_f"], "referential": ["ir_ben_r"],
    }  # fmt: skip
    assert found.facts["lists"] == ["ref_toy"]
    assert not list(home.scratch.glob("explain-*"))

    # The page says the same, and its rounded figures still make their sum.
    text = explained.markdown(found)
    rows = [row.split("|")[1:-1] for row in text.splitlines() if row.startswith("|")]
    figures = {row[0].strip(" *"): row[1].strip(" *") for row in rows}
    as_number = {name: parsed(value) for name, value in figures.items() if value[-1:].isdigit()}
    told = [as_number[explained.LABELS[cause].fr] for cause in CAUSES]
    assert as_number["Build de départ"] + sum(told) == as_number["Build d'arrivée"]
    paths = explained.write(home, found)
    assert [path.suffix for path in paths] == [".md", ".html"]
    assert "http" not in paths[1].read_text(encoding="utf-8").replace("http-equiv", "")
    assert MarkdownIt("commonmark").enable("table").render(text).count("<table>") == 1

    told_again = json.loads(json.dumps(explained.to_json(found)))["quantities"]
    for quantity, each in told_again.items():
        moved_by = Decimal(each["to"]) - Decimal(each["from"])
        assert sum(map(Decimal, each["causes"].values())) == moved_by, quantity

    # The other way round, every line changes its sign but for what depends on two causes.
    back = explain.explain(home, TOY, 2020, after, before)
    for quantity, parts in back.parts.items():
        first, last = back.first.of(quantity), back.last.of(quantity)
        assert first is not None and last is not None
        assert sum(parts.values()) == last - first

    # A build against itself has not moved; one that took the year over neither.
    same = explain.explain(home, TOY, 2020, after, after)
    assert not any(value for parts in same.parts.values() for value in parts.values())
    lake.put("er_prs_f", "ER_PRS_F_3", [line("ann", "2021-03-15", "2021-04-01", 700)], "d3")
    newest = str(warehouse.build(home, [2021])["build_id"])
    kept = explain.explain(home, TOY, 2020, after, newest)
    assert kept.facts["taken_over"] and not any(kept.parts["numerator"].values())

    with pytest.raises(UsageError, match="no build 'nothing'.*there are"):
        explain.explain(home, TOY, 2020, "nothing", after)
    with pytest.raises(UsageError, match="no build '..'"):
        explain.explain(home, TOY, 2020, "..", after)
    with pytest.raises(UsageError, match=r"does not hold 2018; its years are: 2019, 2020"):
        explain.explain(home, TOY, 2018, before, after)
    with pytest.raises(UsageError, match="indicator absent is not in build"):
        explain.explain(home, dataclasses.replace(TOY, id="absent"), 2020, before, after)
    with pytest.raises(UsageError, match="under other conditions.*--condition: all"):
        explain.explain(home, TOY, 2020, before, after, "ald_08")
    raw = home.lake / next(iter((builds.read_record(home, before) or {})["raw"]["er_prs_f"]))
    aside = raw.rename(raw.with_suffix(".aside"))
    with pytest.raises(Refused, match="are gone, the first is raw/er_prs_f"):
        explain.explain(home, TOY, 2020, before, after)
    aside.rename(raw)
    monkeypatch.setattr(builds, "GRACE", 0.0)
    assert before in builds.collect(home, grace=0.0)
    with pytest.raises(Refused, match=f"build {before} was removed after its days of grace"):
        explain.explain(home, TOY, 2020, before, after)


@pytest.mark.long
@pytest.mark.parametrize("cause", CAUSES)
def test_each_cause_alone_is_told_in_its_own_line(
    cause: str, lake: Lake, toy: Callable[..., Path]
) -> None:
    before = build(lake.home)
    moved(lake, toy, [cause])
    after = build(lake.home)
    check(explain.explain(lake.home, TOY, 2020, before, after), [cause])


@pytest.mark.long
def test_a_month_that_another_delivery_takes_over_is_late_flux(
    lake: Lake, toy: Callable[..., Path]
) -> None:
    before = build(lake.home)
    lake.remove("er_prs_f", "ER_PRS_F_1")
    lake.put("er_prs_f", "ER_PRS_F_1", [line("ann", "2020-03-15", "2020-04-01", 1)], "d2")
    after = build(lake.home)
    found = explain.explain(lake.home, TOY, 2020, before, after)
    assert dict(found.parts["numerator"]) == dict.fromkeys(CAUSES, 0) | {"late_flux": -30}


@pytest.mark.long
def test_an_indicator_that_comes_to_have_a_value_is_not_divided(
    lake: Lake, toy: Callable[..., Path]
) -> None:
    lake.put("ir_ben_r", "IR_BEN_R", [beneficiary("ann")])
    before = build(lake.home)
    folder = toy()
    path = folder / "models/intermediate/int_indicator_value.sql"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("nullif(sum(den), 0)", "nullif(sum(den), 1)"), encoding="utf-8")
    after = build(lake.home)
    found = explain.explain(lake.home, TOY, 2020, before, after)
    assert found.undivided == {"value": "after"}
    assert set(found.parts) == {"numerator", "denominator"}
    assert "pas de valeur" in explained.markdown(found)


def test_the_command_refuses_what_is_not_there(home: Home) -> None:
    name = next(iter(catalogue()))
    given = ["--year", "2020", "--from", "a", "--to", "b", "--home", str(home.root)]
    done = CliRunner().invoke(app, ["explain", name, *given])
    assert isinstance(done.exception, UsageError)
    assert "there is no build 'a'" in str(done.exception) and "there are: none" in str(
        done.exception
    )
    assert isinstance(CliRunner().invoke(app, ["explain", "nothing", *given]).exception, UsageError)


def test_figures_of_the_page_make_their_sum_whatever_the_rounding() -> None:
    levels = [Decimal(n) / 7 for n in (1, 3, 4, 8, 9, 11, 12)]
    parts = {cause: levels[n + 1] - levels[n] for n, cause in enumerate(CAUSES)}
    parts["rule"] += levels[6] - levels[5]
    told = explained.rounded(levels[0], parts, levels[6], digits=2)
    assert told[0] + sum(told[1:-1]) == told[-1]
    assert all(
        abs(a - b) <= Decimal("0.02") for a, b in zip(told[1:-1], parts.values(), strict=True)
    )
