"""The store: what a build writes, what readers see, and what happens when it is cut off."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import random
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from part_of_project import only
from raw_lake import beneficiary, line, small_extract, stay

from openchronic_assets import warehouse
from openchronic_assets.bench.faults import readers
from openchronic_assets.errors import OpenChronicError, UsageError
from openchronic_assets.settings import Home
from openchronic_assets.slices import Part
from openchronic_assets.warehouse import builds, catalogue, inputs, project, run

YEARS = [2019, 2020, 2021]


def hashes(home: Home) -> dict[str, str]:
    """Return model/year → hash of the bytes that the current build shows."""
    manifest = warehouse.read_manifest(home)
    assert manifest is not None
    found = {}
    for name, entry in manifest["models"].items():
        years = entry.get("years") or {"": entry["files"]}
        for year, files in years.items():
            content = b"".join((home.lake / file).read_bytes() for file in files)
            found[f"{name}/{year}"] = hashlib.sha256(content).hexdigest()
    return found


def rows(home: Home, sql: str) -> list[tuple[Any, ...]]:
    with warehouse.connect(home) as connection:
        return connection.execute(sql).fetchall()


@pytest.fixture(scope="module", autouse=True)
def some_models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Build a part of the project: yearly and history models, some reading others."""
    wanted = ["person", "care_event", "hospital_stay", "indicator_prevalence"]
    with only(tmp_path_factory.mktemp("part"), wanted) as folder:
        yield folder


@pytest.fixture(scope="module")
def built(some_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A home of three years built once; tests that change it work on a copy."""
    from raw_lake import Lake

    from openchronic_assets.warehouse import inputs

    lake = Lake(Home(tmp_path_factory.mktemp("built") / "home"))
    small_extract(lake)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inputs, "current_parts", lake.files)
        warehouse.build(lake.home, YEARS)
        yield lake


@pytest.fixture
def data_tests() -> None:
    """Ask for dbt's data tests in the builds of a test."""


@pytest.fixture(autouse=True)
def without_data_tests(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave dbt's data tests out where the store is the subject: they take most of a run."""
    if "data_tests" not in request.fixturenames:
        plain = run.dbt_arguments
        monkeypatch.setattr(run, "dbt_arguments", lambda plan, tests=True: plain(plan, tests=False))


@pytest.fixture
def copied(built: Any, tmp_path: Path) -> Home:
    """The built home, copied to another place."""
    shutil.copytree(built.home.root, tmp_path / "copy")
    return Home(tmp_path / "copy")


def test_the_same_inputs_give_the_same_build(built: Any) -> None:
    before = built.home.pointer.read_bytes()
    again = warehouse.build(built.home, YEARS)
    assert again["unchanged"] and again["written"] == 0
    assert built.home.pointer.read_bytes() == before


def test_one_thread_or_two_write_the_same_bytes(built: Any, make_lake: Any) -> None:
    lake = make_lake("one thread")
    small_extract(lake)
    warehouse.build(lake.home, YEARS, threads=1)
    assert hashes(lake.home) == hashes(built.home)


def test_year_by_year_or_all_at_once_write_the_same_bytes(built: Any, make_lake: Any) -> None:
    lake = make_lake("year by year")
    small_extract(lake)
    for year in (2020, 2019, 2021):
        warehouse.build(lake.home, [year])
    assert hashes(lake.home) == hashes(built.home)


def test_a_year_without_rows_is_a_file_with_its_columns(make_lake: Any) -> None:
    lake = make_lake("empty")
    lake.put("ir_ben_r", "IR_BEN_R", [beneficiary("ann")])
    lake.put("er_prs_f", "ER_PRS_F_2020", [line("ann", "2020-02-01", "2020-03-01", 1)])
    warehouse.build(lake.home, [2019, 2020])
    for model in ("care_event", "hospital_stay", "indicator_prevalence"):
        (path,) = warehouse.files(lake.home, model, 2019)
        with duckdb.connect() as connection:
            described = connection.execute(f"describe from '{path}'").fetchall()
            count = connection.execute(f"select count(*) from '{path}'").fetchone()
        assert count == (0,)
        assert len(described) > 10
    assert rows(lake.home, "select year, count(*) from care_event group by all") == [(2020, 1)]


def test_tables_never_delivered_are_empty_and_nothing_fails(make_lake: Any) -> None:
    lake = make_lake("nothing")
    warehouse.build(lake.home, [2020])
    assert rows(lake.home, "select count(*) from person") == [(0,)]


def test_a_year_that_loses_its_last_row_loses_it_in_the_build(make_lake: Any) -> None:
    lake = make_lake("loss")
    lake.put("ir_ben_r", "IR_BEN_R", [beneficiary("ann")])
    lake.put("er_prs_f", "ER_PRS_F_2019", [line("ann", "2019-02-01", "2019-03-01", 1)])
    lake.put("er_prs_f", "ER_PRS_F_2020", [line("ann", "2020-02-01", "2020-03-01", 1)])
    warehouse.build(lake.home, [2019, 2020])
    lake.put("er_prs_f", "ER_PRS_F_2019", [], delivery="d2")
    assert list(warehouse.stale_years(lake.home)) == [2019]
    warehouse.build(lake.home, [2019])
    assert rows(lake.home, "select year, count(*) from care_event group by all") == [(2020, 1)]


def test_other_years_are_carried_over_untouched(make_lake: Any) -> None:
    lake = make_lake("carried")
    small_extract(lake)
    warehouse.build(lake.home, [2019, 2020])
    before = warehouse.files(lake.home, "care_event", 2019)
    warehouse.build(lake.home, [2021])
    assert warehouse.files(lake.home, "care_event", 2019) == before
    assert len(warehouse.files(lake.home, "care_event")) == 3


def test_a_new_vintage_of_the_referentials_rebuilds_every_year(make_lake: Any) -> None:
    lake = make_lake("vintage")
    small_extract(lake)
    warehouse.build(lake.home, [2019, 2020])
    lake.put("ir_ben_r", "IR_BEN_R", [beneficiary("ann")], delivery="d2")
    stale = warehouse.stale_years(lake.home)
    assert sorted(stale) == [2019, 2020, 2021]
    with pytest.raises(UsageError, match="two vintages"):
        warehouse.build(lake.home, [2020], select=["person"])
    result = warehouse.build(lake.home, [2020])
    assert result["years"] == [2019, 2020]
    assert result["reasons"] == {"2019": ["referentials changed"]}
    linked = "select distinct person_status from care_event where year = 2019 order by 1"
    assert rows(lake.home, linked) == [
        ("fictitious",), ("linked",), ("no_claim",), ("no_key",), ("not_in_referential",)
    ]  # fmt: skip


def test_a_selection_writes_its_models_and_carries_the_rest(make_lake: Any) -> None:
    lake = make_lake("selection")
    small_extract(lake)
    warehouse.build(lake.home, [2020])
    before = hashes(lake.home)
    lake.put("t_mcoaab", "T_MCO20B", [], delivery="d2")
    warehouse.build(lake.home, [2020], select=["hospital_stay"])
    after = hashes(lake.home)
    assert {name for name in before if before[name] != after[name]} == {"hospital_stay/2020"}
    with pytest.raises(UsageError, match="no such model"):
        warehouse.build(lake.home, [2020], select=["nothing"])
    with pytest.raises(UsageError, match=r"reads .*int_person_key.* select them too"):
        warehouse.build(make_lake("empty").home, [2020], select=["care_event"])


def test_a_first_build_may_be_of_some_models_with_their_tests(
    data_tests: None, make_lake: Any
) -> None:
    lake = make_lake("first")
    small_extract(lake)
    told: list[dict[str, Any]] = []
    models = ["hospital_stay", "int_person_alias", "int_person_key", "int_psa"]
    models.append("int_pseudonym_renewal")
    warehouse.build(lake.home, [2020], select=models, on_event=told.append)
    assert set(warehouse.read_manifest(lake.home)["models"]) == set(models)
    tested = {event["node"] for event in told if event["type"] == "test"}
    assert any("hospital_stay" in name for name in tested)
    assert not any("care_event" in name for name in tested)


def test_files_says_what_is_missing(built: Any, make_lake: Any) -> None:
    with pytest.raises(UsageError, match="no model 'nothing'"):
        warehouse.files(built.home, "nothing")
    with pytest.raises(UsageError, match="not built for 1999"):
        warehouse.files(built.home, "care_event", 1999)
    with pytest.raises(UsageError, match="leave the year out"):
        warehouse.files(built.home, "person", 2019)
    with pytest.raises(UsageError, match="nothing is built"):
        warehouse.files(make_lake("none").home, "person")
    with pytest.raises(UsageError, match="nothing is built"):
        warehouse.connect(make_lake("none").home)


def test_a_failing_year_leaves_what_is_finished_and_the_next_run_resumes(
    make_lake: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "project"
    shutil.copytree(project.project_dir(), broken, ignore=shutil.ignore_patterns("target", "logs"))
    monkeypatch.setenv(project.PROJECT_VARIABLE, str(broken))
    model = broken / "models" / "marts" / "hospital" / "hospital_stay.sql"
    sound = model.read_text()
    # Fails on the rows of 2020 only, with a value in the engine's message.
    poison = "case when year = 2020 then cast(stay_id as integer) else 1 end = 1"
    model.write_text(sound.replace("select * from final", f"select * from final where {poison}"))
    lake = make_lake("resume")
    small_extract(lake)
    with pytest.raises(OpenChronicError) as failed:
        warehouse.build(lake.home, YEARS)
    message = str(failed.value)
    assert "hospital_stay, year 2020" in message
    assert "Conversion Error" in message
    assert "230780041" not in message
    assert not lake.home.pointer.exists() and not lake.home.catalogue.exists()
    kept = {path: path.stat().st_mtime_ns for path in lake.home.builds.rglob("part-*.parquet")}
    assert any("hospital_stay/year=2019" in str(path) for path in kept)
    assert not any("hospital_stay/year=2020" in str(path) for path in kept)
    for path in lake.home.lake.rglob("*"):
        if path.is_file() and path.suffix in (".log", ".json", ".txt"):
            assert b"230780041" not in path.read_bytes(), path

    # The raw rows that broke it are gone: the same plan cannot be, but a plain re-run is. Here the
    # cause is taken away without touching the plan, as when the machine had been out of memory.
    monkeypatch.setattr(builds, "code_hash", lambda: "same")
    with pytest.raises(OpenChronicError):
        warehouse.build(lake.home, YEARS)
    first = {path: path.stat().st_mtime_ns for path in lake.home.builds.rglob("part-*.parquet")}
    model.write_text(sound)
    result = warehouse.build(lake.home, YEARS)
    assert result["resumed"] > 0 and result["written"] < len(YEARS) * 8
    for path, written_at in first.items():
        assert path.stat().st_mtime_ns == written_at
    assert rows(lake.home, "select count(*) from hospital_stay") == [(9,)]


def test_a_failing_data_test_names_the_model_and_publishes_nothing(
    data_tests: None, make_lake: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    changed = tmp_path / "project"
    shutil.copytree(project.project_dir(), changed, ignore=shutil.ignore_patterns("target", "logs"))
    monkeypatch.setenv(project.PROJECT_VARIABLE, str(changed))
    model = changed / "models" / "intermediate" / "care" / "int_care_line.sql"
    text = model.read_text()
    assert "        paid_amount,\n" in text
    model.write_text(
        text.replace("        paid_amount,\n", "        2 * paid_amount as paid_amount,\n", 1)
    )
    lake = make_lake("doubled")
    small_extract(lake)
    with pytest.raises(OpenChronicError, match=r"care_event: .*(same_euros_as_raw|Compilation)"):
        warehouse.build(lake.home, [2020])
    assert not lake.home.pointer.exists()


def test_a_run_killed_in_a_write_leaves_nothing_that_counts(make_lake: Any) -> None:
    lake = make_lake("killed")
    small_extract(lake)
    plan = warehouse.plan(lake.home, [2020])
    pair = next(pair for pair in plan.pairs if pair.model == "care_event")
    half = plan.path(pair).with_name("tmp_part-0000.parquet")
    half.parent.mkdir(parents=True)
    half.write_bytes(b"half a file")
    assert not plan.is_done(pair)
    warehouse.build(lake.home, [2020])
    assert not half.exists()
    assert [path.name for path in half.parent.iterdir()] == ["part-0000.parquet"]


def test_a_kill_between_pointer_and_catalogue_is_repaired_at_the_next_start(
    make_lake: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = make_lake("between")
    small_extract(lake)
    warehouse.build(lake.home, [2019])
    old = lake.home.catalogue.read_bytes()
    with monkeypatch.context() as cut:
        cut.setattr(catalogue, "ensure_catalogue", lambda home: os.kill)  # does nothing
        warehouse.build(lake.home, [2020])
    assert lake.home.catalogue.read_bytes() == old
    with duckdb.connect(str(lake.home.catalogue), read_only=True) as reader:
        seen = reader.execute("select distinct year from care_event").fetchall()
    assert seen == [(2019,)]
    assert rows(lake.home, "select distinct year from care_event order by 1") == [(2019,), (2020,)]


# Publications that are killed come from a process that has imported what they need.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload([__name__])


def publish_in_a_process(home: Home, parts: dict[str, list[Part]]) -> None:
    inputs.current_parts = lambda home: parts
    builds.publish(home, builds.plan(home, YEARS))


def test_ten_kills_at_random_moments_of_a_publication_show_nothing_or_one_build(
    built: Any, copied: Home
) -> None:
    warehouse.ensure_catalogue(copied)
    whole, pointed = readers.catalogued(copied), copied.pointer.read_bytes()
    assert len(whole[0]) > 5
    parts = built.files(copied)
    draw = random.Random(31)

    def start() -> Any:
        process = FORKS.Process(target=publish_in_a_process, args=(copied, parts))
        process.start()
        return process

    took, kills = 0.0, 0
    while kills < 10:
        copied.catalogue.unlink(missing_ok=True)
        copied.pointer.unlink(missing_ok=True)
        began = time.monotonic()
        process = start()
        if took:
            process.join(draw.uniform(0, took))
            kills += process.exitcode is None
            process.kill()
        process.join()
        took = took or time.monotonic() - began
        assert readers.catalogued(copied) in (({}, {}), whole)
        assert not copied.pointer.exists() or copied.pointer.read_bytes() == pointed
        assert list(readers.held(copied)) == []
    last = start()
    last.join()
    assert (last.exitcode, copied.pointer.read_bytes()) == (0, pointed)
    assert readers.catalogued(copied) == whole
    assert [path.name for path in copied.lake.glob(".*.*.*")] == []


def test_what_a_kill_leaves_of_catalogue_and_pointer_goes_with_the_next_ones(
    copied: Home,
) -> None:
    leftovers = [copied.lake / ".catalogue.duckdb.123", copied.lake / ".current.json.123"]
    for path in leftovers:
        path.touch()
    copied.catalogue.unlink()
    shutil.rmtree(copied.scratch)
    rows(copied, "select 1")
    assert [path.exists() for path in leftovers] == [False, True]
    with builds.locked(copied, "catalogue"):
        rows(copied, "select 1")  # a catalogue that is right is read without waiting
    made = builds.plan(copied, YEARS)
    builds.publish(copied, made)
    assert not leftovers[1].exists()


def test_a_home_that_has_moved_gets_its_catalogue_again(copied: Home, built: Any) -> None:
    assert str(built.home.root) != str(copied.root)
    assert rows(copied, "select count(*) from care_event") == rows(
        built.home, "select count(*) from care_event"
    )
    with warehouse.connect(copied) as connection:
        texts = connection.execute("select sql from duckdb_views() where not internal").fetchall()
    assert not any(str(built.home.root) in text for (text,) in texts)


def test_the_catalogue_is_read_only_and_says_what_it_holds(built: Any) -> None:
    with warehouse.connect(built.home) as connection:
        with pytest.raises(duckdb.Error):
            connection.execute("create table t (a integer)")
        comments = dict(
            connection.execute(
                "select view_name, comment from duckdb_views() where schema_name = 'main'"
                " and not internal"
            ).fetchall()
        )
    marts = {"person", "ald_episode", "hospital_stay", "care_event", "indicator_prevalence"}
    others = set(comments) - marts
    assert marts <= set(comments)
    assert all(name.startswith("ref_") or name.endswith("_labelled") for name in others)
    assert all(comments.values())


def test_a_build_that_was_overtaken_is_not_published(make_lake: Any) -> None:
    lake = make_lake("overtaken")
    small_extract(lake)
    slow = warehouse.plan(lake.home, [2019])
    warehouse.build(lake.home, [2020])
    warehouse.prepare(slow)
    run.invoke(slow, warehouse.dbt_arguments(slow))
    with pytest.raises(OpenChronicError, match="was published while"):
        warehouse.publish(lake.home, slow)


def test_an_unfinished_build_is_not_published(make_lake: Any) -> None:
    lake = make_lake("unfinished")
    plan = warehouse.plan(lake.home, [2019])
    lake.home.create()
    with pytest.raises(OpenChronicError, match="not finished"):
        warehouse.publish(lake.home, plan)


def test_old_builds_go_after_the_grace_period_and_never_what_is_shown(make_lake: Any) -> None:
    lake = make_lake("collect")
    small_extract(lake)
    warehouse.build(lake.home, [2019])
    warehouse.build(lake.home, [2020])
    manifest = warehouse.read_manifest(lake.home)
    assert manifest is not None
    first, second = manifest["previous"], manifest["build_id"]
    lake.put("er_prs_f", "ER_PRS_F_2019", [], delivery="d2")
    warehouse.build(lake.home, [2019])
    manifest = warehouse.read_manifest(lake.home)
    assert manifest is not None
    assert first not in builds.referenced(manifest) and second in builds.referenced(manifest)
    assert warehouse.collect(lake.home) == []
    assert warehouse.collect(lake.home, grace=0) == [first]
    assert (lake.home.builds / second).is_dir()
    assert rows(lake.home, "select count(*) from care_event where year = 2020")[0][0] > 0


def test_a_reader_of_sixty_files_sees_exactly_one_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Replace all of sixty yearly files, again and again, under a reader of the catalogue."""
    monkeypatch.setattr(inputs, "current_parts", lambda home: {})
    home = Home(tmp_path / "home").create()
    years = [str(year) for year in range(1960, 2020)]

    def publish(number: int) -> None:
        listed = {}
        for year in years:
            folder = home.builds / f"b{number}" / "m" / f"year={year}"
            folder.mkdir(parents=True)
            with duckdb.connect() as connection:
                connection.execute(
                    f"copy (select {number} as build, {year} as year, i from range(2000) r(i)) "
                    f"to '{folder / 'part-0000.parquet'}' (format parquet)"
                )
            listed[year] = [f"builds/b{number}/m/year={year}/part-0000.parquet"]
        entry = {
            "kind": "yearly", "layer": "marts", "years": listed, "description": "", "columns": [],
        }  # fmt: skip
        manifest = {"build_id": f"b{number}", "flux_cutoff": None, "models": {"m": entry}}
        builds.replace_text(home.pointer, json.dumps(manifest))
        catalogue.ensure_catalogue(home)

    publish(0)
    seen: list[list[tuple[int, int]]] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            with duckdb.connect(str(home.catalogue), read_only=True) as connection:
                seen.append(
                    connection.execute("select build, count(*) from m group by build").fetchall()
                )

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(1, 4):
        publish(number)
    while not seen or seen[-1][0][0] != 3:
        assert reader.is_alive()
    stop.set()
    reader.join()
    assert {len(groups) for groups in seen} == {1}
    assert {groups[0][1] for groups in seen} == {120_000}


def test_dbt_is_told_not_to_phone_home_nor_to_log(built: Any) -> None:
    plan = warehouse.plan(built.home, [2020])
    environment = warehouse.dbt_environment(plan)
    assert environment["DO_NOT_TRACK"] == "1"
    assert environment["OPENCHRONIC_DBT_DATABASE"].endswith("/openchronic.duckdb")
    assert Path(environment["DBT_LOG_PATH"]).is_relative_to(built.home.scratch)
    assert warehouse.dbt_arguments(plan) == [
        "build", "--exclude-resource-type", "unit_test"
    ]  # fmt: skip
    flags = (project.project_dir() / "dbt_project.yml").read_text()
    assert "send_anonymous_usage_stats: false" in flags and "version_check: false" in flags


def test_engine_messages_lose_their_rows() -> None:
    quoted = "Runtime Error\n  Conversion Error: Could not convert string 'SECRET' to INT32"
    assert run.safe_error(quoted) == {"error": "Conversion Error"}
    spark = "[CAST_INVALID_INPUT] The value 'SECRET' of the type STRING cannot be cast"
    assert run.safe_error(spark) == {"error": "CAST_INVALID_INPUT"}
    assert "SECRET" not in json.dumps(run.safe_error("something about SECRET"))
    bound = run.safe_error('Binder Error: Referenced column "a" not found')
    assert bound["detail"].startswith("Binder Error: Referenced column")


def test_a_plan_refuses_what_it_cannot_do(make_lake: Any) -> None:
    home = make_lake("refusals").home
    with pytest.raises(UsageError, match="at least one year"):
        warehouse.plan(home, [])
    with pytest.raises(UsageError, match="not one of duckdb, spark"):
        warehouse.plan(home, [2020], target="oracle")


def test_two_builds_of_one_home_do_not_run_at_once(built: Any) -> None:
    with builds.locked(built.home, "build"), pytest.raises(OpenChronicError, match="another build"):
        warehouse.build(built.home, [2019])


def test_progress_is_told_node_by_node(data_tests: None, make_lake: Any) -> None:
    lake = make_lake("progress")
    events: list[dict[str, Any]] = []
    warehouse.build(lake.home, [2020], on_event=events.append)
    assert {"seed", "model", "test"} <= {event["type"] for event in events}
    assert {event["node"] for event in events} >= {"person", "care_event", "ref_ald"}


def test_a_change_of_the_models_makes_all_years_stale(
    built: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from openchronic_assets.warehouse import staleness

    assert warehouse.stale_years(built.home) == {}
    monkeypatch.setattr(staleness, "code_hash", lambda: "other")
    stale = warehouse.stale_years(built.home)
    assert {year: "models changed" in why for year, why in stale.items()} == dict.fromkeys(
        YEARS, True
    )


def test_only_years_that_were_delivered_and_not_built_are_asked_for(make_lake: Any) -> None:
    lake = make_lake("delivered")
    lake.put(
        "er_prs_f",
        "ER_PRS_F_2020",
        [line("ann", "2020-02-01", "2020-03-01", 1), line("ann", "2016-02-01", "2020-03-01", 2)],
    )
    # January belongs to the flux year before; February 2021 brings care of 2020 only.
    lake.put("er_prs_f", "ER_PRS_F_202101", [line("ann", "2020-12-01", "2021-01-01", 3)])
    lake.put("er_prs_f", "ER_PRS_F_202102", [line("ann", "2020-12-01", "2021-02-01", 4)])
    assert warehouse.stale_years(lake.home) == {2020: ["never built"]}
    lake.put("t_mcoaab", "T_MCO18B", [stay(2018, 1)])
    assert list(warehouse.stale_years(lake.home)) == [2018, 2020]


def test_the_manifest_pins_vintage_and_cut_off(built: Any) -> None:
    manifest = warehouse.read_manifest(built.home)
    assert manifest is not None
    assert set(manifest["vintage"]) == {"ir_ben_r", "ir_imb_r"}
    assert manifest["flux_cutoff"] == "2021-04"
