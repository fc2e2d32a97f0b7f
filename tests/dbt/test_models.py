"""The models: dbt's unit tests, and what only a whole build can show."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from model_runner import ModelRunner
from raw_lake import ald, beneficiary, chaining, day, detail, line, pseudonym, small_extract, stay

from openchronic_assets import warehouse
from openchronic_assets.contracts import load
from openchronic_assets.settings import Home
from openchronic_assets.warehouse import builds, inputs, project, run, sources
from openchronic_assets.warehouse.raw import columns

Z = 1.959964


def rows(home: Home, sql: str) -> list[tuple[Any, ...]]:
    with warehouse.connect(home) as connection:
        return connection.execute(sql).fetchall()


def wilson(x: int, n: int) -> tuple[float, float]:
    """Wilson's interval, written from the formula and not from the macro."""
    p = x / n
    centre = (p + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * math.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
    return max(0.0, centre - half), min(1.0, centre + half)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The small extract, built for three years with all data tests."""
    from raw_lake import Lake

    lake = Lake(Home(tmp_path_factory.mktemp("models") / "home"))
    small_extract(lake)
    # Ten consumers without any ALD, in a department of their own.
    people = [beneficiary(f"healthy {n}", ben_res_dpt="075") for n in range(10)]
    lines = [line(f"healthy {n}", "2020-02-01", "2020-03-01", 100 + n) for n in range(10)]
    lake.put("ir_ben_r", "IR_BEN_R_2", people)
    lake.put("er_prs_f", "ER_PRS_F_202003", lines)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inputs, "current_parts", lake.files)
        warehouse.build(lake.home, [2019, 2020, 2021])
        yield lake


def test_every_unit_test_of_the_models_passes(make_lake: Any) -> None:
    lake = make_lake("unit")
    plan = warehouse.plan(lake.home, [2020])
    warehouse.prepare(plan)
    laid = run.invoke(plan, warehouse.dbt_arguments(plan, tests=False))
    assert laid.success
    outcome = run.invoke(plan, ["test", "--select", "test_type:unit"])
    assert {r.node.name: r.message for r in outcome.result.results if r.status != "pass"} == {}
    assert len(outcome.result.results) >= 20


def test_euros_of_each_care_year_are_those_of_the_raw_lines(built: Any) -> None:
    found = rows(
        built.home, "select year, sum(paid_amount), count(paid_amount) from care_event group by all"
    )
    # Each year: seven dated lines at 25, one regularisation of -3.21 under its flux year, and the
    # line of 12.34 that the next year's flux brings, not in the last year.
    plain = Decimal("7") * 25 - Decimal("3.21")
    assert {year: (euros, n) for year, euros, n in found} == {
        2019: (plain + Decimal("12.34"), 9),
        2020: (plain + Decimal("12.34") + 250, 19),
        2021: (plain, 8),
    }


def test_a_detail_takes_person_and_date_from_its_line_and_no_euros(built: Any) -> None:
    found = rows(
        built.home,
        "select event_type, code_system, code, quantity, person_id, care_date, paid_amount "
        "from care_event where year = 2020 and event_type <> 'claim' "
        "order by event_type, code_system desc, code",
    )
    ann, bob = pseudonym("id ann"), pseudonym("id bob")
    cid = pseudonym("id cid")
    assert found == [
        ("biology", "nabm", "0126", 1, cid, day("2020-12-30"), None),
        ("drug", "cip7", "3412345", 1, bob, day("2020-03-16"), None),
        ("drug", "cip13", "3400930000011", 2, bob, day("2020-03-16"), None),
        ("drug", "cip13", "3400930000012", 1, None, None, None),
        ("hospital_drug", "ucd", "9123456", 3, ann, day("2020-03-15"), None),
        ("procedure", "ccam", "DEQP003", 1, ann, day("2020-03-15"), None),
    ]


def test_public_care_billed_through_dcir_is_flagged_by_its_context(built: Any) -> None:
    found = rows(
        built.home,
        "select is_public_t2a, performing_finess, count(*) from care_event "
        "where year = 2020 and event_type = 'claim' group by all order by 1",
    )
    assert found == [(False, None, 18), (True, "23078004", 1)]


def test_repeated_keys_are_kept_flagged_and_not_multiplied(
    make_lake: Any, model_runner: ModelRunner
) -> None:
    lake = make_lake("repeated")
    lake.put("ir_ben_r", "IR_BEN_R", [beneficiary("ann")])
    twice = line("ann", "2020-02-01", "2020-03-01", 1)
    lake.put("er_prs_f", "ER_PRS_F_2020", [twice, twice])
    context = detail("2020-03-01", 1, ete_ind_taa=1)
    lake.put("er_ete_f", "ER_ETE_F_2020", [context, context])
    drug = detail("2020-03-01", 1, pha_ord_num=1, pha_prs_c13=3400930000011, pha_act_qsn=1)
    lake.put("er_pha_f", "ER_PHA_F_2020", [drug, drug])
    lake.put("t_mcoaab", "T_MCO20B", [stay(2020, 1), stay(2020, 1)])
    lake.put("t_mcoaac", "T_MCO20C", [chaining(2020, 1, "ann"), chaining(2020, 1, "ann")])
    found = model_runner.run_all(["care_event", "hospital_stay"], lake.given())
    assert sorted(
        (row["event_type"], row["is_duplicate_key"], row["paid_amount"])
        for row in found["care_event"]
    ) == [("claim", False, 25), ("claim", True, 25), ("drug", False, None), ("drug", True, None)]
    assert sorted(row["is_duplicate_key"] for row in found["hospital_stay"]) == [False, True]


def test_every_interval_is_wilsons(built: Any) -> None:
    cells = rows(
        built.home, "select numerator, denominator, ci_low, ci_high from indicator_prevalence"
    )
    assert len(cells) > 100
    for numerator, denominator, low, high in cells:
        assert (low, high) == pytest.approx(wilson(numerator, denominator), abs=1e-12)


def test_wilson_of_nobody_among_ten(built: Any) -> None:
    (cell,) = rows(
        built.home,
        "select numerator, denominator, ci_low, ci_high from indicator_prevalence "
        "where department = '75' and year = 2020 and ald_num = 8 and definition = 'period'",
    )
    assert cell[:3] == (0, 10, 0.0)
    assert round(cell[3], 4) == 0.2775


def test_a_dead_person_holds_an_ald_in_the_year_but_not_at_its_end(
    make_lake: Any, model_runner: ModelRunner
) -> None:
    lake = make_lake("death")
    lake.put("ir_ben_r", "IR_BEN_R", [beneficiary("ann")])
    lake.put("ir_imb_r", "IR_IMB_R", [ald("ann", "2015-01-01", None, "2015-02-01")])
    lake.put("t_mcoaab", "T_MCO20B", [stay(2020, 1, sor_mod="9")])
    lake.put("t_mcoaac", "T_MCO20C", [chaining(2020, 1, "ann")])
    found = model_runner.run_all(["indicator_prevalence", "person"], lake.given())
    assert {
        (row["definition"], row["numerator"])
        for row in found["indicator_prevalence"]
        if row["ald_num"] == 8
    } == {("december_31", 0), ("period", 1)}
    (person,) = found["person"]
    assert (person["death_date"], person["death_source"]) == (day("2020-03-03"), "pmsi")


def test_fictitious_people_are_nobody_and_keep_their_euros(built: Any) -> None:
    nobody = pseudonym("id nobody")
    assert rows(built.home, f"select count(*) from person where person_id = '{nobody}'") == [(0,)]
    assert rows(
        built.home,
        "select person_id, sum(paid_amount) from care_event "
        "where person_status = 'fictitious' and year = 2020 group by all",
    ) == [(None, 25)]


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(2700)
def test_stale_years_rebuilt_equal_everything_rebuilt(
    make_lake: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After each delivery of a sequence, the stale years are enough."""
    plain = run.dbt_arguments
    monkeypatch.setattr(run, "dbt_arguments", lambda plan, tests=True: plain(plan, tests=False))
    lake = make_lake("steps")
    small_extract(lake)
    warehouse.build(lake.home, [2019, 2020, 2021])

    def straggler() -> None:
        late = line("ann", "2019-11-11", "2021-05-01", 501)
        lake.put("er_prs_f", "ER_PRS_F_202105", [late])

    def detail_of_the_straggler() -> None:
        drug = detail("2021-05-01", 501, pha_ord_num=1, pha_prs_c13=3400930000099, pha_act_qsn=1)
        lake.put("er_pha_f", "ER_PHA_F_202105", [drug])

    def death_in_hospital() -> None:
        lake.put("t_mcoaab", "T_MCO20B", [stay(2020, 1, sor_mod="9")], delivery="d2")

    def certificate() -> None:
        death = {"dcd_idt_enc": pseudonym("d"), "ben_idt_ano": pseudonym("id ann")}
        lake.put("ki_cci_r", "KI_CCI_R_2019", [death | {"ben_dcd_dte": day("2019-06-01")}])

    # Diseases are told from the four years before, readmissions from the year after.
    expected = [[2019, 2020, 2021]] * 4
    steps = (straggler, detail_of_the_straggler, death_in_hospital, certificate)
    for step, years in zip(steps, expected, strict=True):
        step()
        stale = warehouse.stale_years(lake.home)
        assert list(stale) == years, step.__name__
        warehouse.build(lake.home, list(stale))
        assert warehouse.stale_years(lake.home) == {}
        fresh = make_lake(f"fresh {step.__name__}")
        fresh.current = {}
        for (table, file), path in lake.current.items():
            copy = fresh.home.root / path.relative_to(lake.home.root)
            copy.parent.mkdir(parents=True)
            copy.write_bytes(path.read_bytes())
            fresh.current[(table, file)] = copy
        warehouse.build(fresh.home, [2019, 2020, 2021])
        for name, model in project.models(lake.home).items():
            asked = [None] if model.kind == "history" else [2019, 2020, 2021]
            for year in asked:
                ours = [p.read_bytes() for p in warehouse.files(lake.home, name, year)]
                theirs = [p.read_bytes() for p in warehouse.files(fresh.home, name, year)]
                assert ours == theirs, (step.__name__, name, year)


def test_declared_windows_are_those_of_the_sql(tmp_path: Path) -> None:
    home = Home(tmp_path).create()
    known = project.models(home)
    assert known
    for path in sorted(project.project_dir().glob("models/**/*.sql")):
        text = path.read_text()
        used = re.findall(r"(?:build_year|year_start|year_end)\((-?\d*)\)", text)
        model = known.get(path.stem)
        if "materialized='spread'" in text:
            assert set(used) == {""}, f"{path.stem} holds the year of its reader, and no other"
            continue
        if model is None or model.kind == "history":
            assert not used, f"{path.stem} is not yearly and uses the year"
            continue
        offsets = [int(offset or 0) for offset in used]
        assert offsets, f"{path.stem} is yearly and never uses the year"
        if model.look_back != "all":
            assert model.look_back == -min(offsets + [0]), path.stem
        if model.look_ahead != "all":
            assert model.look_ahead == max(offsets + [0]), path.stem


def test_windows_reach_the_raw_tables_through_the_models(tmp_path: Path) -> None:
    windows = project.models(Home(tmp_path).create())["indicator_prevalence"].windows
    assert windows["er_prs_f"] == (0, 0)
    assert windows["t_mcoaac"] == ("all", 0)  # a death of any year before


def test_a_window_of_years_decides_what_is_read() -> None:
    model = {"reads_referentials": False, "windows": {"er_prs_f": [1, 0], "ir_ben_r": [0, 0]}}
    marks = {"er_prs_f": {2018: ["a:1"], 2019: ["b:1"], 2020: ["c:1"]}, "ir_ben_r": {0: ["r"]}}
    before = builds.reads_of(model, 2019, marks)
    after = builds.reads_of(model, 2019, marks | {"ir_ben_r": {0: ["other"]}})
    assert before == after
    assert before == builds.reads_of(
        model, 2019, marks | {"er_prs_f": marks["er_prs_f"] | {2020: []}}
    )
    assert before != builds.reads_of(
        model, 2019, marks | {"er_prs_f": marks["er_prs_f"] | {2018: []}}
    )


def test_sources_are_what_the_contracts_say() -> None:
    assert sources.path().read_text(encoding="utf-8") == sources.sources_yaml(), (
        "run: python -m openchronic_assets.warehouse.sources"
    )


def described() -> list[dict[str, Any]]:
    """Return what the YAML files of the models say, a model each."""
    files = sorted((project.project_dir() / "models").glob("*/*/_*.yml"))
    told = [yaml.safe_load(path.read_text()) for path in files]
    return [model for each in told for model in each.get("models", [])]


def test_every_model_and_column_is_described_in_both_languages() -> None:
    names = set()
    for model in described():
        names.add(model["name"])
        for item in [model, *model.get("columns", [])]:
            assert item["description"], (model["name"], item["name"])
            assert item["config"]["meta"]["description_en"], (model["name"], item["name"])
    assert names == {path.stem for path in project.project_dir().glob("models/*/*/*.sql")}


def test_every_mart_says_whom_it_holds() -> None:
    marts = {path.stem for path in project.project_dir().glob("models/marts/*/*.sql")}
    scopes = {m["name"]: m["config"]["meta"].get("population_scope") for m in described()}
    assert len(marts) >= 11 and all(scopes[name] for name in marts), scopes


def test_each_ald_code_is_unambiguous_and_of_a_known_number() -> None:
    import csv

    folder = project.project_dir() / "seeds"
    with (folder / "ref_ald_cim10.csv").open() as file:
        codes = list(csv.DictReader(file))
    with (folder / "ref_ald.csv").open() as file:
        numbers = {row["ald_num"] for row in csv.DictReader(file)}
    assert numbers == {str(n) for n in (*range(33), 99)}
    keys = [(row["origin"], row["cim10_code"]) for row in codes]
    assert len(set(keys)) == len(keys) > 500
    for row in codes:
        assert re.fullmatch(r"[A-Z]\d\d\d?", row["cim10_code"]), row
        assert row["match_type"] in ("prefix", "exact") and row["ald_num"] in numbers, row


def test_raw_relations_have_the_contracts_columns_whatever_was_delivered(tmp_path: Path) -> None:
    import duckdb

    from openchronic_assets.slices import Part
    from openchronic_assets.warehouse.raw import relation_sql

    old, new = tmp_path / "old.parquet", tmp_path / "new.parquet"
    both = [Part(old), Part(new)]
    wanted = [name for name, _ in columns(load("T_MCOaaC"))]
    with duckdb.connect() as connection:
        connection.execute(f"copy (select 'a' as eta_num, '1' as rsa_num) to '{old}'")
        connection.execute(
            f"copy (select 'b' as eta_num, '2' as rsa_num, '0' as dat_ret) to '{new}'"
        )
        for files in ([], [old], [old, new]):
            relation = connection.sql(relation_sql("t_mcoaac", [Part(each) for each in files]))
            assert relation.columns == wanted
            assert len(relation.fetchall()) == len(files)
        found = connection.execute(
            f"select eta_num, dat_ret from ({relation_sql('t_mcoaac', both)}) order by 1"
        ).fetchall()
    assert found == [("a", None), ("b", "0")]
