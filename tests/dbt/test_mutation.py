"""The tests of the models notice faults planted into the SQL of the models."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from model_runner import ModelRunner
from mutants import Mutant, mutants, planted
from mutation import Trial, checks, equivalents, score, stratified

HERE = Path(__file__).parent
BAR = 0.80
SQL = """
with a as (
    select x.k, coalesce(x.v, 0) as v, row_number() over (partition by x.k order by x.d desc) as n
    from x left join y on x.k = y.k and x.g = y.g
    where x.code = '41' and (x.v < 90 or x.d >= date '2011-01-19')
)

select k, sum(v) as total from a group by k
union all
select k, v from a
"""


def tried(cache: Path, *arguments: str) -> dict[str, Any]:
    """Run the script and return its report."""
    script = str(HERE / "mutation.py")
    outcome = subprocess.run(
        [sys.executable, script, *arguments, "--cache", str(cache)],
        capture_output=True, text=True, check=False, cwd=HERE,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert outcome.stdout, outcome.stderr[-2000:]
    report: dict[str, Any] = json.loads(outcome.stdout)
    assert report["broken"] == [], "these fail without any fault"
    return report


def test_each_kind_of_fault_is_planted_alone() -> None:
    found = {(each.kind, each.before, each.after): each for each in mutants("m", SQL)}
    for kind, before, after, written in (
        ("boundary", "x.v < 90", "x.v <= 90", "x.v <= 90"),
        ("boundary", "x.v < 90", "x.v < 91", "x.v < 91"),
        ("null", "COALESCE(x.v, 0)", "x.v", "x.v AS v"),
        ("code", "x.code = '41'", "x.code = '42'", "x.code = '42'"),
        ("negation", "x.code = '41'", "x.code <> '41'", "x.code <> '41'"),
    ):
        match = [m for (k, b, a), m in found.items() if k == kind and before in b and after in a]
        assert match, (kind, before)
        assert written in planted(SQL, match[0])
    texts = {each.kind: planted(SQL, each) for each in found.values()}
    assert set(texts) == {
        "aggregate", "boundary", "code", "condition", "connective", "join", "key", "negation",
        "null", "order", "union",
    }  # fmt: skip
    assert any("x.g = y.g" not in planted(SQL, m) for (k, *_), m in found.items() if k == "key")
    assert any("INNER JOIN" in planted(SQL, m) for (k, *_), m in found.items() if k == "join")
    assert "UNION ALL" not in texts["union"]
    unchanged = planted(SQL, found[next(iter(found))])
    assert all(planted(SQL, each) != SQL for each in found.values()) and unchanged


def test_a_fault_that_changes_nothing_by_its_place_is_not_planted() -> None:
    def kinds(sql: str) -> set[str]:
        return {each.kind for each in mutants("m", sql)}

    # A left join whose new rows a later clause drops; one whose new rows stay.
    joined = "select x.a from x inner join y on x.k = y.k where {}"
    assert "join" not in kinds(joined.format("not y.b is null"))
    assert "join" not in kinds(joined.format("x.a > 1 and y.b = 'z'"))
    assert "join" not in kinds(joined.format("x.a > 1 and not y.flag"))
    assert "join" not in kinds(joined.format("y.flag"))
    assert "join" in kinds(joined.format("x.a > 1"))
    assert "join" in kinds(joined.format("y.b is null"))
    assert "join" in kinds(joined.format("y.b = 'z' or x.a > 1"))
    # A union whose repeated rows are dropped after; one where they count.
    united = "with u as (select k, v from x union all select k, v from y) select {} from u {}"
    assert "union" not in kinds(united.format("distinct k", ""))
    assert "union" not in kinds(united.format("k, max(v)", "group by k"))
    assert "union" in kinds(united.format("k, sum(v)", "group by k"))
    assert "union" in kinds(united.format("k", ""))
    # NULLs among what is never NULL.
    ordered = "select row_number() over (order by {}) as n from x"
    assert len(list(mutants("m", ordered.format("source_line")))) == 1
    assert len(list(mutants("m", ordered.format("k")))) == 2


def test_a_mutant_keeps_its_name_when_other_places_change() -> None:
    before = {each.id for each in mutants("m", SQL) if "90" in each.before}
    after = {each.id for each in mutants("m", SQL.replace("'41'", "'45'")) if "90" in each.before}
    narrow = {each for each in before if each in after}
    assert narrow and len(before) >= 4


def test_a_sample_goes_round_kinds_and_models() -> None:
    listed = [
        Mutant(f"{model}:{kind}:{n}", model, kind, "", "", "", n, 0)
        for model in "abc"
        for kind in ("join", "null")
        for n in range(5)
    ]
    sample = stratified(listed, 6, 1)
    assert {(each.model, each.kind) for each in sample} == {
        (model, kind) for model in "abc" for kind in ("join", "null")
    }
    assert sample == stratified(listed, 6, 1) and len(stratified(listed, 99, 1)) == 30


def test_the_score_counts_who_survived() -> None:
    one, two = (Mutant(f"m:join:{n}", "m", "join", "", "a", "b", n, 0) for n in range(2))
    found = score([Trial(one, "unit test x"), Trial(two, None)])
    assert (found["score"], found["by_kind"]) == (0.5, {"join": [1, 2]})
    assert found["survivors"] == ["m:join:1 [] a  ->  b"]


def test_each_equivalent_mutant_has_a_reason() -> None:
    assert all(len(reason) > 20 for reason in equivalents().values())
    assert len(equivalents()) <= 60


@pytest.mark.long
def test_faults_that_an_oracle_noticed_are_still_noticed(
    compiled_models: Path, model_runner: ModelRunner
) -> None:
    """A few mutants round the kinds, each on the oracle that once killed it."""
    report = tried(compiled_models, "--noticed")
    assert report["mutants"] >= 15, f"write the list again: {report['gone']} are gone"
    assert report["score"] >= BAR, json.dumps(report["survivors"], indent=1)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_sample_of_sixty_mutants_is_killed(
    compiled_models: Path, model_runner: ModelRunner, tmp_path: Path
) -> None:
    # Compiled here, where the project is parsed already; the script finds both in the cache.
    assert len(checks(tmp_path, compiled_models).data) > 300
    report = tried(compiled_models, "--sample", "60")
    assert report["mutants"] == 60
    assert report["score"] >= BAR, json.dumps(report["survivors"], indent=1)


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_all_mutants_are_killed(compiled_models: Path) -> None:
    report = tried(compiled_models, "--all")
    assert report["left"] == 0 and report["mutants"] > 1000
    assert report["score"] >= BAR, json.dumps(report["survivors"], indent=1)
