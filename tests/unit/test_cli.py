"""The command line as people and programs call it."""

from __future__ import annotations

import errno
import json
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest
from part_of_project import only
from small_deliveries import Said, openchronic, tree, write

from openchronic_assets import status
from openchronic_assets.anonymisation.release import prepare_candidate
from openchronic_assets.errors import OpenChronicError, Refused, UsageError
from openchronic_assets.ingestion import deliveries, spark
from openchronic_assets.ingestion.run import ingest
from openchronic_assets.settings import Home
from openchronic_assets.synthetic import generate
from openchronic_assets.warehouse import build, read_manifest
from openchronic_assets.warehouse.builds import files


def in_this_process(
    session: Any, function: Callable[[Any], Any], items: Sequence[Any], progress: Any = None
) -> list[Any]:
    return [function(item) for item in items]


@pytest.fixture(scope="module", autouse=True)
def some_models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let all builds here be of a part of the project: commands are the same for any models."""
    with only(
        tmp_path_factory.mktemp("part"), ["patient", "hospital_stay", "indicator_prevalence"]
    ):
        yield


@pytest.fixture(scope="module")
def built(some_models: None, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with one generated delivery, one build of 2019 and one candidate; never changed."""
    folder = tmp_path_factory.mktemp("cli")
    home = Home(folder / "home").create()
    generate(home.landing / "first", 300, (2019, 2019), 7, truth=folder / "truth")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spark, "spread", in_this_process)
        patch.delenv("OPENCHRONIC_SECRET", raising=False)
        ingest(home, home.landing / "first", session=lambda: None)  # type: ignore[arg-type,return-value]
    summary = build(home, [2019])
    prepare_candidate(
        home, files(home, "patient"), 2019, summary["build_id"], deliveries.behind(home)
    )
    return home


@pytest.fixture
def copy(built: Home, tmp_path: Path) -> Home:
    """A copy of the built home, for tests that change it."""
    shutil.copytree(built.root, tmp_path / "copy")
    return Home(tmp_path / "copy")


def candidate(home: Home) -> str:
    (version,) = [path.name for path in home.candidate.iterdir() if path.name[0] == "2"]
    return version


# --- what every command promises ----------------------------------------------------------------

READS = [
    ("status",),
    ("sql", "select count(*) as n from patient"),
    ("files", "patient"),
    ("files", "hospital_stay", "--year", "2019"),
    ("contracts", "list"),
    ("contracts", "show", "ER_PRS_F", "--year", "2019"),
    ("release", "list"),
]


@pytest.mark.parametrize("command", READS, ids=" ".join)
def test_with_json_stdout_is_one_object_and_stderr_is_silent(
    built: Home, command: tuple[str, ...]
) -> None:
    said = openchronic(*command, "--home", built.root, "--json")
    assert said.code == 0
    assert said.json()
    assert said.out.count("\n") == 1
    assert said.err == ""


@pytest.mark.parametrize("command", READS, ids=" ".join)
def test_without_json_people_read_something(built: Home, command: tuple[str, ...]) -> None:
    said = openchronic(*command, "--home", built.root)
    assert said.code == 0
    assert said.out.strip()


WRONG = {
    "no such command": ("refresh",),
    "no such option": ("status", "--homes", "x"),
    "a missing argument": ("sql",),
    "years that are none": ("run", "--years", "soon"),
    "years backwards": ("run", "--years", "2021-2019"),
    "a year too early": ("run", "--years", "1875"),
    "a year that is no number": ("ingest", ".", "--year", "x"),
    "an unknown table": ("contracts", "show", "ER_XYZ_F"),
    "a year without the table": ("contracts", "show", "T_MCO19B", "--year", "1987"),
    "an unknown model": ("files", "no_such_model"),
    "a year that was not built": ("files", "hospital_stay", "--year", "2012"),
    "a year of a history": ("files", "patient", "--year", "2019"),
    "no persons": ("synth", "--out", "x", "--persons", "0"),
    "unknown dirt": ("synth", "--out", "x", "--dirt", "much"),
    "an unknown department": ("synth", "--out", "x", "--departments", "99"),
    "no such candidate": (
        "release", "publish", "2019-00000000", "--approver", "A", "--approver", "B",
    ),
    "a version that is none": ("release", "publish", "../x", "--approver", "A", "--approver", "B"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
@pytest.mark.usefixtures("java")
def test_wrong_use_is_code_2_with_a_reason(
    built: Home, case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command = WRONG[case]
    said = openchronic(*command, "--home", built.root, "--json")
    assert said.code == 2, said
    error = said.json()["error"]
    assert error["exit_code"] == 2
    assert len(error["message"]) > 10
    assert said.err.startswith("error: ")
    assert list(tmp_path.iterdir()) == []


def test_nothing_built_yet_says_what_to_run(home: Home) -> None:
    for command in (("sql", "select 1"), ("files", "patient")):
        said = openchronic(*command, "--home", home.root)
        assert said.code == 2
        assert "openchronic run --years" in said.err


def test_an_empty_home_has_a_status(home: Home) -> None:
    state = openchronic("status", "--home", home.root, "--json").json()
    assert state["tables"] == state["deliveries"] == state["models"] == []
    assert (state["build_id"], state["stale"]) == (None, {})


def test_an_unforeseen_error_is_told_by_its_class_alone(
    built: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(home: Home) -> None:
        raise ValueError("2850675987654 stands in a row")

    monkeypatch.setattr(status, "status", fail)
    monkeypatch.delenv("OPENCHRONIC_DEBUG", raising=False)
    said = openchronic("status", "--home", built.root, "--json")
    assert said.code == 1
    assert "ValueError" in said.json()["error"]["message"]
    assert "2850675987654" not in said.out + said.err


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/somewhere"), "the disk is full"),
        (OSError(errno.EROFS, "Read-only file system"), "the disk is read-only"),
        (sqlite3.OperationalError("database or disk is full"), "the disk is full"),
        (sqlite3.OperationalError("disk I/O error"), "the disk is full or fails"),
        (sqlite3.OperationalError("attempt to write a readonly database"), "read-only"),
        (duckdb.IOException("IO Error: Could not write: No space left on device"), "is full"),
    ],
)
def test_a_disk_that_fails_is_told_as_such_however_deep(
    built: Home, monkeypatch: pytest.MonkeyPatch, raised: Exception, told: str
) -> None:
    def fail(home: Home) -> None:
        try:
            raise raised
        except Exception as error:
            raise RuntimeError("2850675987654 stands in a row") from error

    monkeypatch.setattr(status, "status", fail)
    monkeypatch.delenv("OPENCHRONIC_DEBUG", raising=False)
    said = openchronic("status", "--home", built.root, "--json")
    assert said.code == 1
    assert told in said.json()["error"]["message"]
    assert "run the same command again" in said.err
    assert "2850675987654" not in said.out + said.err


def test_without_java_one_line_says_so_before_anything_else(
    home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    before = tree(home.root)
    for command in (("check",), ("run", "--years", "2019"), ("demo",)):
        said = openchronic(*command, "--home", home.root)
        assert said.code == 1
        assert said.out == ""
        assert said.err.count("\n") == 1
        assert "Java 17 or later" in said.err and "install" in said.err
    assert tree(home.root) == before


# --- sql ----------------------------------------------------------------------------------------


def query(home: Home, text: str) -> Said:
    return openchronic("sql", text, "--home", home.root, "--json")


def test_sql_answers_with_columns_and_rows(built: Home) -> None:
    answer = query(
        built, "select 'a' as x, 1.50::decimal(9,2) as y, null as z, date '2019-02-01' d"
    )
    assert answer.json() == {
        "columns": ["x", "y", "z", "d"],
        "rows": [["a", "1.50", None, "2019-02-01"]],
    }


@pytest.mark.parametrize(
    "text",
    [
        "select count(*) from patient",
        "with a as (select 1 as n) select n from a",
        "from patient limit 1",
        "describe patient",
        "show tables",
        "select count(*) from intermediate.int_ald_chain",
        "select build_id from meta.build",
        "explain select * from patient",
    ],
)
def test_sql_reads(built: Home, text: str) -> None:
    assert query(built, text).code == 0


def forbidden(home: Home) -> dict[str, str]:
    quarantine = f"{home.quarantine}/**/*.parquet"
    return {
        "create": "create table t as select 1",
        "insert": "insert into patient select * from patient",
        "delete": "delete from patient",
        "drop": "drop view patient",
        "attach": "attach '/tmp/x.duckdb' as x",
        "copy out": "copy (select 1) to '/tmp/x.csv'",
        "export": "export database '/tmp/x'",
        "install": "install httpfs",
        "load": "load httpfs",
        "pragma": "pragma enable_profiling",
        "set": "set enable_external_access = true",
        "two queries": "select 1; select 2",
        "a query, then a write": "select 1; drop view patient",
        "nothing": "",
        "no sql": "select from where",
        "the machine's files": "select * from read_csv('/etc/passwd')",
        "a file by its name": "select * from '/etc/passwd'",
        "text of a file": "select * from read_text('/etc/passwd')",
        "a listing": f"select * from glob('{home.vault}/*')",
        "the secret": f"select * from read_text('{home.vault}/pseudonym.key')",
        "the quarantine": f"select * from read_parquet('{quarantine}')",
        "the raw lake": f"select * from read_parquet('{home.raw}/**/*.parquet')",
        "the records": f"select * from read_json('{home.deliveries}/*.json')",
        "out of the builds": (
            f"select * from read_parquet('{home.builds}/../quarantine/**/*.parquet')"
        ),
        "another machine": "select * from read_csv('http://127.0.0.1:9/x.csv')",
        "the environment": "select getenv('HOME')",
        "a write in a query": "with x as (insert into patient select * from patient) select 1",
    }


FORBIDDEN = sorted(forbidden(Home(Path("/"))))


@pytest.mark.parametrize("case", FORBIDDEN)
def test_sql_reads_the_builds_and_nothing_else(built: Home, case: str) -> None:
    before = tree(built.lake)
    said = query(built, forbidden(built)[case])
    assert said.code == 2, said
    assert said.json()["error"]["message"]
    assert "root:" not in said.out
    assert tree(built.lake) == before


def test_sql_limits_what_a_terminal_shows_and_says_so(built: Home) -> None:
    text = "select range as n from range(500)"
    said = openchronic("sql", text, "--home", built.root, "--limit", "3")
    assert "3 of 500 rows shown" in said.err
    assert len(query(built, text).json()["rows"]) == 500


# --- status, files, contracts -------------------------------------------------------------------


def test_status_accounts_for_each_table_year_and_calendar(built: Home) -> None:
    state = openchronic("status", "--home", built.root, "--json").json()
    flux = [t for t in state["tables"] if (t["table"], t["calendar"]) == ("ER_PRS_F", "flux")]
    care = [t for t in state["tables"] if (t["table"], t["calendar"]) == ("ER_PRS_F", "care")]
    assert [t["year"] for t in flux] == [2019, 2020]
    for each in flux:
        assert each["delivered"] == each["kept"] + each["quarantined"]
        paid = each["amounts"]["PRS_PAI_MNT"]
        assert float(paid["delivered"]) == pytest.approx(
            float(paid["kept"]) + float(paid["quarantined"])
        )
        assert sum(each["reasons"].values()) == each["quarantined"]
    assert sum(t["kept"] for t in care) == sum(t["kept"] for t in flux)
    stays = [t for t in state["tables"] if t["table"] == "T_MCOaaB"]
    assert [(t["year"], t["calendar"]) for t in stays] == [(2019, "care")]
    models = {m["model"]: m for m in state["models"]}
    assert models["hospital_stay"]["years"] == {"2019": stays[0]["kept"]}
    assert models["patient"]["rows"] > 0
    assert state["stale"] == {}
    assert [c["version"] for c in state["candidates"]] == [candidate(built)]
    assert state["releases"] == []
    (delivery,) = state["deliveries"]
    assert delivery["generated"] is True
    assert {f["status"] for f in delivery["files"]} <= {"loaded", "duplicate"}


def test_status_says_which_years_are_stale_and_why(copy: Home) -> None:
    copy.pointer.unlink()
    state = openchronic("status", "--home", copy.root, "--json").json()
    assert state["stale"] == {"2019": ["never built"]}
    assert "never built" in openchronic("status", "--home", copy.root).out


def test_status_names_the_deliveries_that_wait(copy: Home) -> None:
    write(copy.landing / "second", "ER_BIO_F_2019.csv", "x")
    write(copy.landing / "third", "ER_BIO_F_2019.csv", "x")
    (copy.landing / "third" / "_SUCCESS").touch()
    waiting = openchronic("status", "--home", copy.root, "--json").json()["waiting"]
    assert waiting == [
        {"delivery": "second", "reason": "no _SUCCESS marker yet"},
        {"delivery": "third", "reason": "complete, not ingested yet"},
    ]


def test_files_lists_the_current_files_absolute_and_there(built: Home) -> None:
    listed = openchronic("files", "hospital_stay", "--home", built.root).out.splitlines()
    document = openchronic("files", "hospital_stay", "--home", built.root, "--json").json()
    assert document == {"model": "hospital_stay", "year": None, "files": listed}
    manifest = read_manifest(built)
    assert manifest is not None
    assert listed == [
        str(built.lake / name)
        for names in manifest["models"]["hospital_stay"]["years"].values()
        for name in names
    ]
    assert all(Path(path).is_file() for path in listed)


def test_contracts_show_the_columns_of_a_year(home: Home) -> None:
    every = openchronic("contracts", "show", "ER_PRS_F", "--json").json()
    of_year = openchronic("contracts", "show", "er_prs_f", "--year", "2009", "--json").json()
    assert (of_year["table"], of_year["year"], of_year["calendar"]) == ("ER_PRS_F", 2009, "flux")
    names = [column["column"] for column in of_year["columns"]]
    assert set(of_year["key"]) <= set(names) < {c["column"] for c in every["columns"]}
    (key,) = [c for c in of_year["columns"] if c["column"] == "BEN_NIR_PSA"]
    assert key["role"] == "pseudonym"
    stay = openchronic("contracts", "show", "T_MCO19B", "--json").json()
    assert stay["table"] == "T_MCOaaB"


# --- releases -----------------------------------------------------------------------------------


def publish(home: Home, *approvers: str, version: str | None = None) -> Said:
    options = [option for name in approvers for option in ("--approver", name)]
    return openchronic(
        "release", "publish", version or candidate(home), *options, "--home", home.root, "--json"
    )


@pytest.mark.parametrize(
    "approvers",
    [("A",), ("A", "A"), ("A", " a "), ("A", ""), ("demo-approver-1", "A"),
     ("demo-approver-1", "demo-approver-1")],
    ids=str,
)  # fmt: skip
def test_a_candidate_needs_two_different_people(built: Home, approvers: tuple[str, ...]) -> None:
    said = publish(built, *approvers)
    assert said.code == 3
    assert said.json()["error"]["exit_code"] == 3
    assert "approvers" in said.err
    assert list(built.release.iterdir()) == []
    assert candidate(built)


def test_two_people_publish_a_candidate_once(copy: Home) -> None:
    version = candidate(copy)
    report = publish(copy, "Ada", "Grace").json()
    assert (report["version"], report["purpose"]) == (version, "publication")
    assert report["approvers"] == ["Ada", "Grace"]
    assert json.loads((copy.release / version / "report.json").read_text()) == report
    assert list(copy.candidate.iterdir()) == []
    again = publish(copy, "Ada", "Grace", version=version)
    assert again.code == 3
    listed = openchronic("release", "list", "--home", copy.root, "--json").json()["releases"]
    assert [(each["version"], each["state"]) for each in listed] == [(version, "release")]
    for table in report["tables"]:
        assert table["kind"] == "microdata_public"
        assert table["k"] >= 12


@pytest.mark.long
def test_the_demonstration_approvers_publish_generated_people_only(
    copy: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The same people, in a delivery that does not carry the generator's marker any more.
    real = tmp_path / "real"
    shutil.copytree(copy.landing / "first", real)
    manifest = json.loads((real / "delivery.json").read_text())
    manifest["generator"] = None
    manifest["date"] = "2030-01-01"
    (real / "delivery.json").write_text(json.dumps(manifest))
    with monkeypatch.context() as patch:
        patch.setattr(spark, "spread", in_this_process)
        ingest(copy, real, session=lambda: None)  # type: ignore[arg-type,return-value]
    shutil.rmtree(copy.candidate / candidate(copy))
    summary = build(copy, [2019])
    prepare_candidate(
        copy, files(copy, "patient"), 2019, summary["build_id"], deliveries.behind(copy)
    )
    said = publish(copy, "demo-approver-1", "demo-approver-2")
    assert said.code == 3
    assert "generated people" in said.err
    assert list(copy.release.iterdir()) == []


def test_the_demonstration_approvers_publish_a_demonstration(copy: Home) -> None:
    report = publish(copy, "demo-approver-1", "demo-approver-2").json()
    assert report["purpose"] == "demonstration"


def test_the_version_is_that_of_the_package(home: Home) -> None:
    said = openchronic("version")
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", said.out)


def test_check_says_that_this_machine_suffices(home: Home, java: None) -> None:
    said = openchronic("check", "--home", home.root, "--json")
    assert said.json() == {"java": True, "home": str(home.root)}


def test_a_refusal_and_a_failure_have_their_own_codes() -> None:
    codes = [each.exit_code for each in (OpenChronicError, UsageError, Refused)]
    assert codes == [1, 2, 3]
