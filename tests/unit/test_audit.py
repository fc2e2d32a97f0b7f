"""The audit journal: every change of what was written is seen, and everything is written."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_deliveries import openchronic, row, write

from openchronic_assets.access import audit
from openchronic_assets.anonymisation import journal
from openchronic_assets.errors import OpenChronicError, Refused
from openchronic_assets.ingestion import spark
from openchronic_assets.ingestion.run import ingest
from openchronic_assets.settings import Home

ENTRIES = 6


def in_this_process(
    session: Any, function: Callable[[Any], Any], items: Sequence[Any], progress: Any = None
) -> list[Any]:
    return [function(item) for item in items]


def written(home: Home, entries: int = ENTRIES) -> list[str]:
    for number in range(entries):
        audit.record(home, "query", query=f"select {number}", rows=number)
    return audit.path_of(home).read_text(encoding="utf-8").splitlines()


def put(home: Home, lines: list[str]) -> None:
    audit.path_of(home).write_text("".join(f"{each}\n" for each in lines), encoding="utf-8")


def test_an_untouched_journal_is_whole(home: Home) -> None:
    written(home)
    found = audit.verify(home)
    assert found["entries"] == ENTRIES and found["events"] == {"query": ENTRIES}
    assert audit.verify(home, [found["head"], f"0:{journal.START}"])["head"] == found["head"]


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_line_edited_removed_moved_or_cut_off_is_seen(home: Home, data: st.DataObject) -> None:
    for each in home.vault.glob("journal.*"):
        each.unlink()
    lines = written(home)
    place = data.draw(st.integers(0, ENTRIES - 1))
    what = data.draw(st.sampled_from(["edited", "removed", "moved", "cut", "torn", "doubled"]))
    changed = list(lines)
    if what == "edited":
        entry = json.loads(changed[place])
        entry[data.draw(st.sampled_from(sorted(set(entry) - {"sha256"})))] = "other"
        if data.draw(st.booleans()):
            entry["sha256"] = journal.digest(entry)
        changed[place] = json.dumps(entry)
    elif what == "removed":
        del changed[place]
    elif what == "moved":
        other = data.draw(st.integers(0, ENTRIES - 1).filter(lambda n: n != place))
        changed[place], changed[other] = changed[other], changed[place]
    elif what == "cut":
        del changed[place:]
    elif what == "doubled":
        changed.insert(place, changed[place])
    if what == "torn":
        cut = data.draw(st.integers(1, len(lines[-1].encode())))
        audit.path_of(home).write_bytes(audit.path_of(home).read_bytes()[: -cut - 1])
    else:
        put(home, changed)
    with pytest.raises(OpenChronicError):
        audit.verify(home)
    with pytest.raises(OpenChronicError):
        audit.record(home, "query", query="select 1", rows=1)


def test_a_chain_written_again_is_seen_by_a_head_noted_elsewhere(home: Home) -> None:
    written(home)
    noted = audit.verify(home)["head"]
    for each in home.vault.glob("journal.*"):
        each.unlink()
    for number in range(ENTRIES):
        audit.record(home, "query", query=f"select {number}", rows=-1)
    audit.verify(home)
    with pytest.raises(OpenChronicError, match="as it was noted"):
        audit.verify(home, [noted])


def test_the_head_alone_removed_is_seen(home: Home) -> None:
    written(home)
    (home.vault / "journal.head").unlink()
    with pytest.raises(OpenChronicError, match="head is missing"):
        audit.verify(home)
    # As after an upgrade: sealed once, and the journal tells it.
    assert audit.seal(home) == ["journal.jsonl"] and audit.seal(home) == []
    assert audit.verify(home)["events"] == {"journal_sealed": 1, "query": ENTRIES}


def test_an_entry_whose_head_a_kill_left_out_counts(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(home)

    def killed(path: Path, head: journal.Head) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(journal, "_keep_head", killed)
        with pytest.raises(KeyboardInterrupt):
            audit.record(home, "query", query="last", rows=1)
    assert audit.verify(home)["entries"] == ENTRIES + 1
    audit.record(home, "query", query="next", rows=1)
    assert audit.verify(home)["entries"] == ENTRIES + 2


def _many(root: str) -> None:
    for _ in range(15):
        audit.record(Home(Path(root)), "query", query="select 1", rows=1)


def test_processes_that_write_at_once_make_one_chain(home: Home) -> None:
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_many, args=(str(home.root),)) for _ in range(3)]
    for each in workers:
        each.start()
    for each in workers:
        each.join(60)
    assert audit.verify(home)["entries"] == 45


def test_the_command_tells_a_broken_journal_by_its_exit_code(home: Home) -> None:
    lines = written(home)
    assert openchronic("audit", "verify", "--home", home.root, "--json").json()["entries"] == 6
    put(home, lines[1:])
    said = openchronic("audit", "verify", "--home", home.root, "--json")
    assert said.code == 1 and "broken at line 1" in said.json()["error"]["message"]


# --- what is written ----------------------------------------------------------------------------


def test_a_delivery_is_written_once_whatever_the_runs(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spark, "spread", in_this_process)
    bad = row("ER_PRS_F", 2019) | {"PRS_PAI_MNT": "SECRET-OF-A-LINE"}
    write(tmp_path / "d", "ER_PRS_F_201903.csv", [row("ER_PRS_F", 2019), bad])
    for _ in range(2):
        ingest(home, tmp_path / "d", session=lambda: None)  # type: ignore[arg-type,return-value]
    (entry,) = journal.read(audit.path_of(home))
    assert entry["event"] == "delivery_ingested" and entry["user"] == audit.account()
    assert entry["rows"] == {"rows_read": 2, "kept": 1, "quarantined": 1}
    audit.path_of(home).unlink()
    (home.vault / "journal.head").unlink()
    ingest(home, tmp_path / "d", session=lambda: None)  # type: ignore[arg-type,return-value]
    assert len(journal.read(audit.path_of(home))) == 1

    asked = ("quarantine", "er_prs_f", "--home", home.root)
    assert openchronic(*asked).code == 2
    assert openchronic(*asked, "--purpose", " ").code == 2
    assert len(journal.read(audit.path_of(home))) == 1
    said = openchronic(*asked, "--purpose", "structure of March")
    assert said.code == 0 and "SECRET-OF-A-LINE" in said.out
    last = journal.read(audit.path_of(home))[-1]
    assert (last["event"], last["table"], last["rows"]) == ("quarantine_read", "ER_PRS_F", 1)
    assert "SECRET-OF-A-LINE" not in audit.path_of(home).read_text()


def test_the_review_lists_rights_used_unused_and_undeclared(home: Home, tmp_path: Path) -> None:
    year = date.today().year
    (home.vault / "access.yaml").write_text(ACCESS.format(year=year), encoding="utf-8")
    audit.record(home, "query", user="alice", project="diabetes", query="select 1", rows=1)
    audit.record(home, "query", user="=mallory", query="select 1", rows=1)
    audit.record(home, "omop_exported", user="carol")
    audit.record(home, "publishing", approvers=["Dora", "Emil"])
    rows = {(each["user"], each["right"]): each for each in audit.rights(home, year)}
    assert rows["alice", "read"]["uses"] == 1 and rows["alice", "read"]["remark"] == ""
    assert "never used" in rows["bob", "read"]["remark"]
    assert "without a project" in rows["=mallory", "query"]["remark"]
    assert rows["carol", "export"]["uses"] == 1
    assert {("Dora", "release"), ("Emil", "release")} <= set(rows)
    assert ("old", "read") not in rows
    target = tmp_path / "rights.csv"
    asked = ("audit", "rights", "--year", year, "--home", home.root, "--out", target)
    assert openchronic(*asked).code == 0
    text = target.read_text(encoding="utf-8-sig")
    assert "alice;diabetes" in text and "\n=mallory" not in text
    assert openchronic(*asked).code == 2


ACCESS = """
projects:
  diabetes:
    {{organisation: O, purpose: p, authorisation: a, starts: {year}-01-01, ends: {year}-12-31,
      users: [alice, bob], first_year: 2019, last_year: 2020, departments: all}}
  done:
    {{organisation: O, purpose: p, authorisation: a, starts: 2001-01-01, ends: 2001-12-31,
      users: [old], first_year: 2019, last_year: 2020, departments: all}}
"""


# --- zones --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "mode"), [("vault", 0o750), ("vault", 0o701), ("lake/quarantine", 0o750),
                       ("lake/raw", 0o755), ("landing", 0o770), ("candidate", 0o757)],
)  # fmt: skip
def test_a_zone_that_is_open_too_wide_is_refused(home: Home, zone: str, mode: int) -> None:
    (home.root / zone).chmod(mode)
    with pytest.raises(Refused, match=zone):
        home.create()


def test_a_zone_may_be_closed_further_and_have_a_group(home: Home) -> None:
    home.landing.chmod(0o700)
    home.lake.chmod(0o2750)
    home.create()
