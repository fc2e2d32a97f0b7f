from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from anonymisation_tables import patient_file, patients

from openchronic_assets.anonymisation import journal, release
from openchronic_assets.anonymisation.gate import Verdict
from openchronic_assets.anonymisation.release import list_releases, prepare_candidate, publish
from openchronic_assets.errors import OpenChronicError, Refused, UsageError
from openchronic_assets.settings import Home

GENERATED = [{"id": "b" * 12, "generated": True}, {"id": "a" * 12, "generated": True}]
REAL = [{"id": "a" * 12, "generated": True}, {"id": "c" * 12, "generated": False}]
DEMO = ["demo-approver-1", "demo-approver-2"]
PEOPLE = ["Ada Lovelace", "Grace Hopper"]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").create()


@pytest.fixture
def files(home: Home) -> list[Path]:
    return [patient_file(home.builds / "b1" / "patient")]


def prepare(home: Home, files: list[Path], **options: Any) -> dict[str, Any]:
    return prepare_candidate(
        home, files, 2021, **{"build_id": "b1", "deliveries": GENERATED, **options}
    )


def prepared_in(home: Home, deliveries: list[dict[str, Any]], templates: Path) -> dict[str, Any]:
    """Put a candidate of build b1 into a home; it is prepared once for all tests of this module.

    Preparing the same elsewhere gives the same bytes, which has a test of its own.
    """
    template = templates / hashlib.sha256(repr(deliveries).encode()).hexdigest()
    if not template.exists():
        made = Home(template).create()
        prepare(made, [patient_file(made.builds / "b1" / "patient")], deliveries=deliveries)
    shutil.copytree(template, home.root, dirs_exist_ok=True)
    (candidate,) = home.candidate.iterdir()
    report: dict[str, Any] = json.loads((candidate / "report.json").read_text())
    return report


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("templates")


@pytest.fixture
def version(home: Home, templates: Path) -> str:
    """A candidate of generated deliveries, its patients in the fixture ``files``."""
    return str(prepared_in(home, GENERATED, templates)["version"])


@pytest.fixture
def real(home: Home, templates: Path) -> str:
    """A candidate of deliveries one of which is real."""
    return str(prepared_in(home, REAL, templates)["version"])


def content(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def events(home: Home) -> list[str]:
    return [entry["event"] for entry in journal.read(home.vault / "journal.jsonl")]


def nothing_public(home: Home) -> bool:
    return not list(home.candidate.iterdir()) and not list(home.release.iterdir())


def test_a_candidate_holds_the_table_its_report_and_a_readme(home: Home, files: list[Path]) -> None:
    report = prepare(home, files)
    folder = home.candidate / report["version"]
    assert report["version"].startswith("2021-")
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.txt",
        "patient.csv",
        "patient.parquet",
        "report.json",
    ]
    assert json.loads((folder / "report.json").read_text()) == report
    table = report["tables"][0]
    assert table["kind"] == "microdata_public"
    assert table["quasi_identifiers"] == ["sex", "age_group", "department", "ald"]
    assert table["sensitive"] == []
    assert table["k"] >= table["k_threshold"] == 12
    assert table["max_risk"] <= 0.09
    assert table["cells"]["share"] >= 0.3
    assert all(check["passed"] for check in report["checks"])
    assert report["inputs"] == [
        {
            "path": "lake/builds/b1/patient/patient.parquet",
            "sha256": hashlib.sha256(files[0].read_bytes()).hexdigest(),
        }
    ]
    assert str(home.root) not in (folder / "report.json").read_text()
    assert [entry["id"] for entry in report["deliveries"]] == ["a" * 12, "b" * 12]
    assert list(home.release.iterdir()) == []


def test_a_report_carries_the_frontier_the_rule_and_the_three_criteria(
    home: Home, version: str, tmp_path: Path
) -> None:
    from openchronic_assets.anonymisation.calibration_report import release_page

    report = release.read_report(home, version)
    told = report["calibration"]
    points = {point["k"]: point for point in told["points"]}
    assert set(points) == {5, 11, 12, 20, 50}
    # 1/11 is above 0.09: the rule takes the least k that is not, and the release follows it.
    assert [k for k, point in points.items() if point["chosen"]] == [12] == [told["chosen"]]
    assert told["follows_rule"] and told["used"] == 12
    assert not points[11]["admissible"] and points[11]["loss"] < points[12]["loss"]
    assert points[12]["loss"] == report["tables"][0]["loss"]
    for name in ("singling_out", "linkability", "inference"):
        criterion = report["criteria"][name]
        assert criterion["how"] and criterion["risk"] <= criterion["upper"] <= 0.09
        assert criterion["threshold"] == 0.09
    page = release_page(report)
    assert "Individualisation" in page and "suit la règle" in page and page.count("<circle") > 5
    with pytest.raises(UsageError, match="no release"):
        release.read_report(home, "2021-00000000")
    old = {**report}
    del old["calibration"]
    with pytest.raises(UsageError, match="no frontier"):
        release_page(old)


def test_the_readme_is_french_and_says_that_the_people_are_synthetic(
    home: Home, version: str, templates: Path
) -> None:
    text = (home.candidate / version / "README.txt").read_text()
    assert "DÉMONSTRATION" in text and "synthétiques" in text
    assert "k = 1" in text
    other = Home(home.root.parent / "other").create()
    prepared_in(other, REAL, templates)
    assert "synthétiques" not in (other.candidate / version / "README.txt").read_text()


def test_preparing_the_same_again_changes_no_byte(
    home: Home, files: list[Path], templates: Path
) -> None:
    first = prepared_in(home, GENERATED, templates)
    before = content(home.candidate)
    times = {p: p.stat().st_mtime_ns for p in home.candidate.rglob("*")}
    assert prepare(home, files) == first
    assert content(home.candidate) == before
    assert {p: p.stat().st_mtime_ns for p in home.candidate.rglob("*")} == times
    assert events(home) == ["candidate_prepared"]
    # In another home, at another time: the same bytes.
    other = Home(home.root.parent / "other").create()
    copy = other.builds / "b1" / "patient" / "patient.parquet"
    copy.parent.mkdir(parents=True)
    copy.write_bytes(files[0].read_bytes())
    assert prepare(other, [copy]) == first
    assert content(other.candidate) == before


def test_a_version_depends_on_year_build_and_parameters(
    home: Home, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The name is under test, not the gate: one that accepts saves four processes.
    monkeypatch.setattr(release, "run_gate", lambda *_: Verdict(True, ()))
    first = prepare(home, files)["version"]
    assert prepare(home, files, build_id="b2")["version"] != first
    assert prepare(home, files, k=20)["version"] != first
    assert prepare(home, files, weights={"age_group": 2.0})["version"] != first


@pytest.mark.usefixtures("version")
def test_the_same_build_id_with_other_files_is_an_error(home: Home, files: list[Path]) -> None:
    pq.write_table(patients(4000, 2, {"62": 1.0}), files[0])
    with pytest.raises(OpenChronicError, match="immutable"):
        prepare(home, files)


@pytest.mark.usefixtures("real")
def test_the_same_build_id_with_other_deliveries_is_an_error(home: Home, files: list[Path]) -> None:
    with pytest.raises(OpenChronicError, match="other deliveries"):
        prepare(home, files, deliveries=GENERATED)


def test_a_refused_table_leaves_only_its_refusal(home: Home, files: list[Path]) -> None:
    with pytest.raises(Refused, match="k_parquet, k_csv") as caught:
        prepare(home, files, k=11)
    assert caught.value.exit_code == 3
    assert nothing_public(home)
    (refusal,) = (home.vault / "refusals").iterdir()
    assert json.loads(refusal.read_text())["failed"] == ["k_parquet", "k_csv", "prosecutor_risk"]
    assert events(home) == ["refused"]


def test_too_few_patients_are_refused(home: Home) -> None:
    path = home.builds / "few.parquet"
    pq.write_table(patients(5000, 1, {"62": 1.0}).slice(0, 11), path)
    with pytest.raises(Refused, match="not_empty"):
        prepare(home, [path])
    assert nothing_public(home)


def test_a_code_outside_its_hierarchy_leaves_nothing_but_a_journal_line(home: Home) -> None:
    path = home.builds / "odd.parquet"
    table = patients(3000, 1, {"62": 0.9, "62193": 0.1})
    pq.write_table(table, path)
    with pytest.raises(OpenChronicError, match="column department"):
        prepare(home, [path])
    assert nothing_public(home)
    assert events(home) == ["failed"]
    assert "62193" not in (home.vault / "journal.jsonl").read_text().split('"error"')[1]


@pytest.mark.parametrize("code", ["raise SystemExit(1)", "import time; time.sleep(20)"])
def test_a_gate_that_fails_refuses_the_candidate(home: Home, files: list[Path], code: str) -> None:
    with pytest.raises(Refused, match="gate_process"):
        prepare(home, files, gate_timeout=1.5, gate_command=[sys.executable, "-c", code])
    assert nothing_public(home)


def test_the_demonstration_is_published_with_its_purpose(home: Home, version: str) -> None:
    prepared = content(home.candidate / version)
    report = publish(home, version, DEMO, GENERATED)
    assert list(home.candidate.iterdir()) == []
    folder = home.release / version
    assert json.loads((folder / "report.json").read_text()) == report
    assert report["purpose"] == "demonstration"
    assert report["approvers"] == DEMO
    assert report["published_at"]
    published = content(folder)
    for name in ("patient.parquet", "patient.csv", "README.txt"):
        assert published[name] == prepared[name]
    assert {e["file"]: e["sha256"] for e in report["outputs"]} == {
        name: published[name] for name in ("patient.parquet", "patient.csv", "README.txt")
    }
    assert (folder.stat().st_mode & 0o777) == 0o755
    assert events(home) == ["candidate_prepared", "publishing", "published"]


def test_a_release_never_changes(home: Home, files: list[Path], version: str) -> None:
    report = publish(home, version, DEMO)
    before = content(home.release)
    with pytest.raises(Refused, match="already published"):
        publish(home, version, DEMO)
    assert prepare(home, files) == report
    assert content(home.release) == before
    assert list(home.candidate.iterdir()) == []


@pytest.mark.parametrize(
    ("approvers", "deliveries", "purpose"),
    [
        ([], GENERATED, None),
        (["Ada"], GENERATED, None),
        (["Ada", "  "], GENERATED, None),
        (["Ada Lovelace", " ada  LOVELACE "], GENERATED, None),
        (["demo-approver-1", "DEMO-approver-1"], GENERATED, None),
        (["demo-approver-1", "Ada"], GENERATED, None),
        (["demo-approver-1", "demo-approver-2", "Ada"], GENERATED, None),
        (["demo-approver-1", "demo-approver-3"], GENERATED, None),
        (DEMO, REAL, None),
        (DEMO, [], None),
        (DEMO, [{"id": "x"}], None),
        (DEMO, [{"id": "x", "generated": "yes"}], None),
        (DEMO, GENERATED, "research"),
        (PEOPLE, REAL, "demonstration"),
    ],
)
def test_approvals_that_are_not_two_people_are_refused(
    home: Home,
    templates: Path,
    approvers: list[str],
    deliveries: list[dict[str, Any]],
    purpose: str | None,
) -> None:
    version = prepared_in(home, deliveries, templates)["version"]
    with pytest.raises(Refused):
        publish(home, version, approvers, deliveries, purpose)
    assert list(home.release.iterdir()) == []
    assert (home.candidate / version).is_dir()


def test_two_people_publish_real_deliveries(home: Home, real: str) -> None:
    report = publish(home, real, PEOPLE, REAL, "open data")
    assert (report["approvers"], report["purpose"]) == (PEOPLE, "open data")


def test_deliveries_that_do_not_match_the_candidate_are_refused(home: Home, real: str) -> None:
    with pytest.raises(Refused, match="do not match"):
        publish(home, real, DEMO, GENERATED)


@pytest.mark.parametrize("name", ["patient.csv", "patient.parquet", "README.txt", "report.json"])
def test_a_candidate_changed_after_the_gate_is_refused(home: Home, version: str, name: str) -> None:
    path = home.candidate / version / name
    path.chmod(0o644)
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(Refused, match="not what was prepared"):
        publish(home, version, DEMO)
    assert list(home.release.iterdir()) == []


def test_a_folder_put_by_hand_into_candidate_is_refused(home: Home, version: str) -> None:
    (home.candidate / version).rename(home.candidate / "2021-00000000")
    with pytest.raises(Refused, match="not what was prepared"):
        publish(home, "2021-00000000", PEOPLE)


def test_a_candidate_that_is_a_link_is_refused(home: Home, version: str, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (home.candidate / version).rename(elsewhere)
    (home.candidate / version).symlink_to(elsewhere)
    with pytest.raises(Refused, match="not what was prepared"):
        publish(home, version, DEMO)
    assert list(home.release.iterdir()) == []


def test_the_gate_judges_again_before_publication(home: Home, version: str) -> None:
    with pytest.raises(Refused, match="gate_process"):
        publish(home, version, DEMO, gate_command=[sys.executable, "-c", "raise SystemExit(1)"])
    assert list(home.release.iterdir()) == []
    assert publish(home, version, DEMO)["version"] == version


@pytest.mark.parametrize("name", ["2021-12345678", "../release", "", "2021-1234567g"])
def test_an_unknown_version_is_wrong_use(home: Home, name: str) -> None:
    with pytest.raises(UsageError):
        publish(home, name, PEOPLE)


def test_a_second_recoding_of_the_same_people_is_refused(
    home: Home, files: list[Path], version: str
) -> None:
    publish(home, version, DEMO)
    second = prepare(home, files, k=15)["version"]
    with pytest.raises(Refused, match="intersected"):
        publish(home, second, DEMO)


def test_status_lists_candidates_and_releases(
    home: Home, files: list[Path], templates: Path
) -> None:
    assert list_releases(home) == []
    published = prepared_in(home, GENERATED, templates)["version"]
    publish(home, published, DEMO)
    waiting = prepare(home, files, build_id="b2")["version"]
    (home.release / "2020-00000000").mkdir()
    listed = {entry["version"]: entry for entry in list_releases(home)}
    assert listed[published]["state"] == "release"
    assert listed[published]["purpose"] == "demonstration"
    assert listed[waiting]["state"] == "candidate"
    assert listed[waiting]["k"] >= 12
    assert listed["2020-00000000"]["readable"] is False


# Processes that are killed come from one that has imported what they need, and started no thread.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["openchronic_assets.anonymisation.release", __name__])


def killed(home: Home, version: str, where: str, nth: int) -> None:
    """Prepare or publish, and die at a place: to be run in a process of its own."""
    # What the gate says is tested elsewhere; one that accepts saves a process each.
    release.run_gate = lambda *_: Verdict(True, ())  # type: ignore[assignment]

    def killed_at(owner: Any, name: str, nth: int = 1, after: bool = False) -> None:
        original, calls = getattr(owner, name), [0]

        def stand_in(*args: Any, **kwargs: Any) -> Any:
            calls[0] += 1
            if calls[0] == nth and not after:
                os._exit(9)
            result = original(*args, **kwargs)
            if calls[0] == nth:
                os._exit(9)
            return result

        setattr(owner, name, stand_in)

    points: dict[str, Callable[[], None]] = {
        "table written": lambda: killed_at(release, "run_gate"),
        "report written": lambda: killed_at(release, "_seal"),
        "before the journal": lambda: killed_at(journal, "append"),
        "before the rename": lambda: killed_at(journal, "append", after=True),
        "after the rename": lambda: killed_at(release, "_sync", nth=nth),
        "copied": lambda: killed_at(release, "_requests"),
        "published": lambda: killed_at(release, "_remove"),
        "last journal line": lambda: killed_at(journal, "append", nth=2),
    }
    points[where]()
    if version == "-":
        prepare_candidate(home, [home.builds / "b1/patient/patient.parquet"], 2021, "b1", ONE)
    else:
        publish(home, version, DEMO)


def kill(home: Home, version: str, where: str, nth: int = 1) -> None:
    process = FORKS.Process(target=killed, args=(home, version, where, nth))
    process.start()
    process.join(240)
    assert process.exitcode == 9


ONE = [{"id": "a", "generated": True}]


@pytest.mark.parametrize(
    ("where", "nth", "visible"),
    [
        pytest.param("table written", 1, False, marks=pytest.mark.slow),
        pytest.param("report written", 1, False, marks=pytest.mark.slow),
        pytest.param("before the journal", 1, False, marks=pytest.mark.slow),
        ("before the rename", 1, False),
        # Four files and the attempt folder are synced before the rename, the zone after it.
        ("after the rename", 6, True),
    ],
)
def test_a_preparation_killed_anywhere_can_be_done_again(
    home: Home, files: list[Path], where: str, nth: int, visible: bool
) -> None:
    kill(home, "-", where, nth)
    named = [path for path in home.candidate.iterdir() if not path.name.startswith(".")]
    assert bool(named) is visible
    # Rows of people, as a kill leaves them while tables and cube are made.
    (home.scratch / "release-0").mkdir()
    report = prepare(home, files, deliveries=ONE)
    assert not (home.scratch / "release-0").exists()
    assert [path.name for path in home.candidate.iterdir()] == [report["version"]]
    assert publish(home, report["version"], DEMO)["purpose"] == "demonstration"


@pytest.mark.parametrize(
    ("where", "nth", "visible"),
    [
        ("copied", 1, False),
        ("report written", 1, False),
        ("before the journal", 1, False),
        ("before the rename", 1, False),
        ("after the rename", 6, True),
        ("last journal line", 1, True),
        ("published", 1, True),
    ],
)
def test_a_publication_killed_anywhere_is_done_or_undone(
    home: Home, templates: Path, where: str, nth: int, visible: bool
) -> None:
    version = prepared_in(home, ONE, templates)["version"]
    kill(home, version, where, nth)
    # Nothing half-done, not even hidden: a web server may show the folder.
    assert bool(list(home.release.iterdir())) is visible
    if visible:
        with pytest.raises(Refused, match="already published"):
            publish(home, version, DEMO)
    else:
        publish(home, version, DEMO)
    assert [path.name for path in home.release.iterdir()] == [version]
    assert list(home.candidate.iterdir()) == []
    assert events(home).count("published") == 1


def test_the_journal_is_chained_and_forgets_a_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    journal.append(path, "one", version="v")
    journal.append(path, "two")
    with path.open("ab") as file:
        file.write(b'{"seq": 3, "eve')
    assert [entry["event"] for entry in journal.read(path)] == ["one", "two"]
    journal.append(path, "three")
    entries = journal.read(path)
    assert [entry["seq"] for entry in entries] == [1, 2, 3]
    assert entries[2]["previous"] == entries[1]["sha256"]
    lines = path.read_text().splitlines()
    for changed in (
        [lines[0].replace('"v"', '"w"'), *lines[1:]],
        [lines[0], lines[2]],
        [lines[1], lines[0], lines[2]],
        ["not json", *lines[1:]],
    ):
        path.write_text("\n".join(changed) + "\n")
        with pytest.raises(OpenChronicError, match="broken at line"):
            journal.read(path)


def test_nothing_about_a_person_reaches_vault_or_reports(
    home: Home, files: list[Path], version: str
) -> None:
    person = pq.read_table(files[0])["person_id"][0].as_py()
    with pytest.raises(Refused):
        prepare(home, files, k=5)
    publish(home, version, DEMO)
    for zone in (home.vault, home.release):
        for path in zone.rglob("*"):
            if path.is_file():
                assert person.encode() not in path.read_bytes()
