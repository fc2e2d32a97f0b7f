"""Risk models on invented marts: who is observed, what features know, what stops a model."""

from __future__ import annotations

import dataclasses
import datetime
import importlib.util
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pytest
import skops.io
from sklearn.svm import SVC

from openchronic_assets.analytics.risk import (
    features,
    guards,
    metrics,
    models,
    run,
    sequence,
    sources,
    store,
    subjects,
)
from openchronic_assets.analytics.risk.features import Extra
from openchronic_assets.analytics.risk.study import Study, landmarks, standard
from openchronic_assets.bench.analytics_marts import make
from openchronic_assets.errors import OpenChronicError, Refused, UsageError
from openchronic_assets.settings import Home

DAY = datetime.date
ONSET = standard("ald_onset")
QUICK = ("age_sex", "boosting")


@pytest.fixture(scope="module", autouse=True)
def one_day_checked() -> Iterator[None]:
    """Compute features again for one day, not three: each costs a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(guards, "DAYS", 1)
        patch.setattr(guards, "CHECKED", 300)
        yield


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Four thousand people over four years, whose drugs tell their frailty."""
    home = Home(tmp_path_factory.mktemp("risk") / "home").create()
    make(home.catalogue, 4000, seed=3, trace=2.0)
    return home


@pytest.fixture(scope="module")
def design(base: Home) -> run.Design:
    with run.opened(base) as connection:
        return run.design(connection, ONSET, check=False)


@pytest.fixture(scope="module")
def trained(base: Home) -> run.Trained:
    return run.train(base, ONSET, rungs=QUICK, outcomes=("any", "ald_13"), replicates=20)


@pytest.fixture
def tiny(base: Home, tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The marts of a few people, to be filled by hand."""
    path = tmp_path / "tiny.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"attach '{base.catalogue}' as big (read_only)")
        connection.execute("create schema intermediate")
        for schema, name in connection.execute(
            "select schema_name, table_name from duckdb_tables() where database_name = 'big'"
        ).fetchall():
            if schema in ("main", "intermediate"):
                kept = "" if name.startswith("ref_") else "where false"
                connection.execute(
                    f"create table {schema}.{name} as from big.{schema}.{name} {kept}"
                )
        connection.execute("insert into scheme_coverage values ('01C', 2005), ('02A', 2019)")
        yield connection


T, SEEN = DAY(2020, 1, 1), DAY(2019, 6, 1)


def person(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    born: int = 1950,
    death: DAY | None = None,
    scheme: str = "01C",
    seen: DAY | None = SEEN,
) -> None:
    connection.execute(
        "insert into person values (?, '1', ?, 1, ?, ?)", [name, born, scheme, death]
    )
    if seen:
        connection.execute(
            "insert into event_log (person_id, event_type, start_date, known_at) "
            "values (?, 'visit_gp', ?, ?)",
            [name, seen, seen],
        )


def label(connection: duckdb.DuckDBPyConnection, outcome: str = "ald_08") -> dict[str, int | None]:
    sources.open_views(connection)
    subjects.make_subjects(connection, ONSET, (T,), 12)
    return dict(connection.execute(f"select person_id, label_{outcome} from subject").fetchall())


@pytest.mark.parametrize(
    ("start", "known", "expected"),
    [
        (None, None, 0),
        (DAY(2020, 1, 31), DAY(2020, 3, 1), None),  # the 30th day: in the gap
        (DAY(2020, 2, 1), DAY(2020, 3, 1), 1),
        (DAY(2020, 12, 31), DAY(2021, 2, 1), 1),  # the 365th day
        (DAY(2021, 1, 1), DAY(2021, 2, 1), 0),
        (DAY(2010, 1, 1), DAY(2010, 2, 1), None),  # had it
        (DAY(2019, 12, 1), DAY(2020, 6, 1), None),  # had it, nobody knew
        (DAY(2020, 6, 1), DAY(2019, 12, 1), None),  # granted in advance: known
        (DAY(2020, 6, 1), None, 1),
    ],
)
def test_an_onset_counts_between_the_gap_and_the_horizon(
    tiny: duckdb.DuckDBPyConnection, start: DAY | None, known: DAY | None, expected: int | None
) -> None:
    person(tiny, "p")
    if start:
        tiny.execute("insert into ald_episode values ('p', 8, ?, ?)", [start, known])
    assert label(tiny) == {"p": expected}


def test_a_second_episode_is_no_onset_and_another_number_is_none_of_this_one(
    tiny: duckdb.DuckDBPyConnection,
) -> None:
    person(tiny, "again")
    person(tiny, "other")
    tiny.execute(
        "insert into ald_episode values ('again', 8, '2005-01-01', '2005-02-01'), "
        "('again', 8, '2020-06-01', '2020-07-01'), ('other', 30, '2020-06-01', '2020-07-01')"
    )
    assert label(tiny) == {"again": None, "other": 0}
    assert label(tiny, "any") == {"again": None, "other": 1}


def test_who_is_observed_is_alive_seen_old_enough_and_covered(
    tiny: duckdb.DuckDBPyConnection,
) -> None:
    person(tiny, "in")
    person(tiny, "dead", death=DAY(2019, 12, 31))
    person(tiny, "dies", death=DAY(2020, 5, 1))
    person(tiny, "child", born=2006)
    person(tiny, "young", born=2004)
    person(tiny, "unseen", seen=None)
    person(tiny, "seen too early", seen=DAY(2018, 12, 31))
    person(tiny, "seen after", seen=DAY(2020, 1, 1))
    person(tiny, "new scheme", scheme="02A")
    person(tiny, "no scheme", scheme=None)  # type: ignore[arg-type]
    assert label(tiny) == {"in": 0, "dies": 0, "young": None, "no scheme": 0}
    assert label(tiny, "ald_23")["young"] == 0
    died = dict(tiny.execute("select person_id, died from subject").fetchall())
    assert died == {"in": False, "dies": True, "young": False, "no scheme": False}


def test_a_contact_that_was_not_known_that_day_observes_nobody(
    tiny: duckdb.DuckDBPyConnection,
) -> None:
    person(tiny, "late", seen=None)
    tiny.execute(
        "insert into event_log (person_id, event_type, start_date, known_at) "
        "values ('late', 'visit_gp', '2019-12-20', '2020-02-01')"
    )
    assert label(tiny) == {}


def test_landmarks_have_a_year_before_them_and_their_horizon_after() -> None:
    days, depth = landmarks(DAY(2018, 1, 1), DAY(2020, 12, 31), ONSET)
    assert days == (DAY(2019, 1, 1), DAY(2019, 7, 1), DAY(2020, 1, 1))
    assert depth == 12  # all look back as far as the first can
    assert landmarks(DAY(2010, 1, 1), DAY(2020, 12, 31), ONSET)[1] == 12
    later = dataclasses.replace(ONSET, landmarks=(DAY(2012, 1, 1), DAY(2013, 1, 1)))
    assert landmarks(DAY(2010, 1, 1), DAY(2020, 12, 31), later) == (later.landmarks, 24)
    with pytest.raises(UsageError, match="build more years"):
        landmarks(DAY(2019, 1, 1), DAY(2020, 6, 30), ONSET)


def test_features_count_what_happened_before_and_was_known(base: Home, design: run.Design) -> None:
    """A second implementation, row by row in Python."""
    wanted = ("visit_gp_count", "visit_gp_recent", "drug_A10", "drug_C07_recent", "continuity")
    found = {name: design.matrix.column(name) for name in wanted}
    with run.opened(base) as connection:
        for row in range(0, len(design.person), len(design.person) // 40):
            name, day = design.person_id[row], design.landmark[row].astype(DAY)
            window, recent = day.replace(year=day.year - 1), _half_year_before(day)
            visits: dict[str, int] = {}
            counts = dict.fromkeys(wanted[:4], 0)
            for kind, date, provider, known in connection.execute(
                "select event_type, start_date, provider_id, known_at from event_log "
                "where person_id = ?",
                [name],
            ).fetchall():
                if not (window <= date < day and known <= day):
                    continue
                if kind == "visit_gp":
                    counts["visit_gp_count"] += 1
                    counts["visit_gp_recent"] += date >= recent
                if kind in ("visit_gp", "visit_specialist"):
                    # A provider of two kinds of visits is told twice.
                    visits[provider + kind] = visits.get(provider + kind, 0) + 1
            for atc, date, known in connection.execute(
                "select atc_code, dispensing_date, known_at from drug_dispensing "
                "where person_id = ?",
                [name],
            ).fetchall():
                if window <= date < day and known <= day:
                    counts["drug_A10"] += atc.startswith("A10")
                    counts["drug_C07_recent"] += atc.startswith("C07") and date >= recent
            for each, value in counts.items():
                assert found[each][row] == value, (each, row)
            total = sum(visits.values())
            expected = (
                (sum(n * n for n in visits.values()) - total) / (total * (total - 1))
                if total >= 4
                else np.nan
            )
            assert found["continuity"][row] == pytest.approx(expected, nan_ok=True)


def _half_year_before(day: DAY) -> DAY:
    return DAY(day.year - (day.month <= 6), (day.month + 5) % 12 + 1, 1)


def test_a_stay_soon_after_another_is_told_as_a_return() -> None:
    connection = duckdb.connect()
    connection.execute(
        """
        create table told as select *, date '2020-06-01' as until, date '2019-06-01' as window_from,
            date '9999-12-31' as known_until
        from (values (0, 'p30', 'I500', 'h'), (1, 'p31', 'I500', 'h'), (2, 'none', 'I500', 'h'),
            (3, 'transfer', 'I500', 'h'), (4, 'unknown', null, null), (5, 'two', 'I500', 'h'),
            (6, 'day case', 'I500', 'h')) as t(subject, person_id, main_diagnosis, finess)
        """
    )
    connection.execute(
        """
        create table src_stay as select *, 'mco' as field, discharge_date as known_at
        from (values ('p30', date '2020-05-02', 'I500', 'k', true),
            ('p30', date '2020-01-02', 'J440', 'h', true),
            ('p31', date '2020-05-01', 'I500', 'h', true),
            ('transfer', date '2020-06-01', 'I500', 'h', true),
            ('unknown', date '2020-05-20', null, 'h', true),
            ('two', date '2020-05-20', 'J440', 'h', true),
            ('two', date '2020-05-20', 'I500', 'k', true),
            ('day case', date '2020-05-20', 'I500', 'h', false),
            ('none', date '2019-05-31', 'I500', 'h', true))
            as t(person_id, discharge_date, main_diagnosis, finess, is_full_stay)
        """
    )
    wanted = [each for each in features.features(True) if each.block == "previous"]
    listed = ", ".join(each.sql for each in wanted)
    rows = connection.execute(
        f"select place, {listed} from ({features._previous()}) group by place order by place"
    ).fetchall()
    assert [each.name for each in wanted] == [
        "days_since_stay", "is_return", "is_return_same_diagnosis", "is_return_same_hospital",
    ]  # fmt: skip
    assert rows == [(0, 30, 1, 1, 0), (1, 31, 0, 0, 0), (4, 12, 1, 0, 0), (5, 12, 1, 1, 1)]


@pytest.mark.parametrize("rung", ["age_sex", "logistic", "forest", "boosting"])
def test_a_rung_is_fitted_again_on_both_parts_as_it_was_tuned(
    rung: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "TREES", 10)
    rng = np.random.default_rng(3)
    names = ("age", "is_woman", "drug_count", "finess")
    values = np.column_stack(
        [rng.integers(20, 90, 900), rng.integers(0, 2, 900), rng.poisson(3, 900),
         rng.integers(0, 4, 900)]
    ).astype(np.float32)  # fmt: skip
    y = (rng.random(900) < 1 / (1 + np.exp(3 - values[:, 2] / 2))).astype(float)
    train, held = models.Part(values[:600], y[:600]), models.Part(values[600:], y[600:])
    tuned = models.fit(rung, names, train, held, 1)
    again = models.refit(tuned, names, models.Part(values, y), 1)
    assert (again.rung, again.columns) == (tuned.rung, tuned.columns)
    assert not np.array_equal(again.risk(names, values), tuned.risk(names, values))
    if rung == "logistic":
        chosen, kept = (each.classifier.named_steps["logistic"].C for each in (tuned, again))
        assert kept == chosen
        monkeypatch.setattr(models, "STRENGTHS", (chosen,))
        alone = models.fit(rung, names, models.Part(values, y), held, 1)
        assert np.array_equal(again.risk(names, values), alone.risk(names, values))
    if rung == "boosting":
        best = int(np.argmax(tuned.classifier.validation_score_))
        assert again.classifier.n_iter_ == best < tuned.classifier.n_iter_
    if rung == "forest":
        assert again.calibrator is tuned.calibrator is not None


def test_no_person_is_in_two_uses_and_training_ends_before_the_test(design: run.Design) -> None:
    parts = run.split(design)
    people = [
        set(design.person[rows].tolist()) for rows in (parts.train, parts.validation, parts.test)
    ]
    assert all(people)
    assert not people[0] & people[1] and not people[0] & people[2] and not people[1] & people[2]
    horizon = np.timedelta64(ONSET.horizon_days, "D")
    assert (design.landmark[parts.train] + horizon).max() <= design.landmark[parts.test].min()
    years = design.landmark[parts.aside].astype("datetime64[Y]").astype(int) + 1970
    assert set(years.tolist()) == {2020}
    used = parts.train | parts.validation | parts.test
    assert not (used & parts.aside).any()


HONEST = Extra(
    "last_month",
    "select observed.subject, count(*) as value from observed inner join src_event as e "
    "on e.person_id = observed.person_id and e.start_date < observed.until "
    "and e.start_date >= observed.until - 30 and e.known_at <= observed.known_until "
    "group by observed.subject",
)
NEXT_MONTH = Extra(
    "next_month",
    "select observed.subject, count(*) as value from observed inner join src_event as e "
    "on e.person_id = observed.person_id and e.start_date >= observed.until "
    "and e.start_date < observed.until + 30 group by observed.subject",
)
LATE = Extra(
    "late_lines",
    "select observed.subject, count(*) as value from observed inner join src_event as e "
    "on e.person_id = observed.person_id and e.start_date < observed.until "
    "and e.start_date >= observed.until - 60 group by observed.subject",
)
FUTURE_ALD = Extra(
    "ald_to_come",
    "select observed.subject, count(*) as value from observed inner join main.ald_episode as e "
    "on e.person_id = observed.person_id and e.start_date > observed.until "
    "and e.start_date < observed.until + 400 group by observed.subject",
)


@pytest.mark.long
def test_a_feature_of_the_past_passes(base: Home) -> None:
    with run.opened(base) as connection:
        assert run.design(connection, ONSET, (HONEST,)).matrix.column("last_month").sum() > 0


@pytest.mark.parametrize(
    "leak",
    [NEXT_MONTH, pytest.param(LATE, marks=pytest.mark.long)],
    ids=lambda each: each.name,
)
def test_a_feature_that_changes_without_the_future_is_refused_by_name(
    base: Home, leak: Extra
) -> None:
    with run.opened(base) as connection, pytest.raises(Refused, match=leak.name) as caught:
        run.design(connection, ONSET, (HONEST, leak))
    assert "last_month" not in str(caught.value)


@pytest.mark.long
def test_what_is_late_is_no_leak_where_facts_are_taken_at_their_date(base: Home) -> None:
    with run.opened(base) as connection:
        run.design(connection, dataclasses.replace(ONSET, information="dated"), (LATE,))


@pytest.mark.long
def test_a_feature_that_is_the_outcome_stops_the_run_by_name_and_keeps_nothing(
    base: Home, tmp_path: Path
) -> None:
    home = Home(tmp_path / "home").create()
    home.catalogue.symlink_to(base.catalogue)
    with pytest.raises(Refused, match=r"ald_to_come \((0\.9|1\.0)"):
        run.train(home, ONSET, extra=(FUTURE_ALD,), rungs=("age_sex",), outcomes=("any",))
    assert not list(home.analytics.rglob("*")) and not list(home.reports.rglob("*"))


def test_a_guard_that_lets_the_canary_through_stops_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    y = np.tile([0.0, 1.0], 50)
    values = np.zeros((100, 1), np.float32)
    guards.no_feature_knows(ONSET, "any", ("nothing",), values, y)
    monkeypatch.setattr(guards, "separations", lambda names, *_: np.full(len(names), 0.5))
    with pytest.raises(OpenChronicError, match="canary"):
        guards.no_feature_knows(ONSET, "any", ("nothing",), values, y)


@pytest.mark.parametrize(
    ("kind", "areas", "refused"),
    [
        ("readmission", {"age_sex": 0.6, "boosting": 0.79}, False),
        ("readmission", {"age_sex": 0.6, "boosting": 0.81}, True),
        ("ald_onset", {"age_sex": 0.7, "boosting": 0.93}, True),
        # A disease of old age: age alone is near the band, which follows it.
        ("ald_onset", {"age_sex": 0.91, "boosting": 0.93}, False),
        ("ald_onset", {"age_sex": 0.91, "boosting": 0.97}, True),
    ],
)
def test_an_auroc_above_the_plausible_band_is_refused(
    kind: str, areas: dict[str, float], refused: bool
) -> None:
    outcome = "any" if kind == "ald_onset" else "readmission_30d"
    study = Study(kind)  # type: ignore[arg-type]
    assert (guards.too_good(study, outcome, areas) is not None) == refused


@pytest.mark.long
def test_a_model_too_good_is_told_and_not_kept(
    base: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path / "home").create()
    home.catalogue.symlink_to(base.catalogue)
    monkeypatch.setitem(guards.PLAUSIBLE, "ald_onset", 0.51)
    monkeypatch.setattr(guards, "ABOVE_TABLE", 0.0)
    monkeypatch.setattr(guards, "no_feature_knows", lambda *_: None)
    with pytest.raises(Refused, match="not released"):
        run.train(home, ONSET, rungs=QUICK, outcomes=("any",), replicates=0)
    place = store.current(home, "ald_onset")
    assert not list(place.glob("*.skops"))
    assert "n'est pas diffusé" in (place / "rapport.html").read_text().replace("&#39;", "'")
    with pytest.raises(UsageError, match="kept no model"):
        run.score(home, "ald_onset")


def test_the_planted_risk_bounds_the_models(
    base: Home, design: run.Design, trained: run.Trained
) -> None:
    (found,) = [each for each in trained.outcomes if each.name == "any"]
    assert found.rows is not None and found.tested is not None
    with run.opened(base) as connection:
        planted = dict(connection.execute("select person_id, risk from truth").fetchall())
    truth = np.array([planted[each] for each in design.person_id[found.rows]])
    best = metrics.auroc(found.tested, truth)
    assert best > found.metrics["age_sex"]["auroc"]
    for rung, risk in found.risks.items():
        gap = metrics.difference(found.tested, truth, risk, np.arange(len(truth)), 1, 200)
        assert gap[2] > 0, rung  # the interval of truth less model reaches above nothing


def test_an_outcome_without_cases_says_so_and_the_others_go_on(trained: run.Trained) -> None:
    told = {each.name: each for each in trained.outcomes}
    assert told["ald_13"].reason and told["ald_13"].metrics == {}
    assert "Aucun cas" in told["ald_13"].reason
    assert told["any"].reason is None and told["any"].chosen in QUICK


@pytest.mark.parametrize(
    ("cases", "reason"),
    [
        ({"train": 0, "validation": 9, "test": 20}, "apprentissage"),
        ({"train": 90, "validation": 9, "test": 0}, "période de test"),
        ({"train": 19, "validation": 9, "test": 20}, "apprendre"),
        ({"train": 90, "validation": 4, "test": 20}, "régler"),
        ({"train": 90, "validation": 9, "test": 10}, "tester"),
    ],
)
def test_too_few_cases_are_told_by_their_use(cases: dict[str, int], reason: str) -> None:
    counts = {f"{use}_cases": n for use, n in cases.items()}
    counts |= {f"{use}_rows": 1000 for use in cases}
    found = run._too_few(counts)
    assert found is not None and reason in found


def test_the_report_opens_without_network_and_shows_no_small_count(trained: run.Trained) -> None:
    assert trained.report is not None and trained.folder is not None
    page = trained.report.read_text(encoding="utf-8")
    assert page == (trained.folder / "rapport.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in page and "http" not in page.replace("http-equiv", "")
    assert not re.search(r"\b(nan|None|inf)\b", page)
    counts = re.findall(r"<td>(\d+)</td>", page)
    assert not [each for each in counts if 1 <= int(each) <= 10]
    for name in ("carte_du_modele.md", "tripod_ai.md"):
        text = (trained.folder / name).read_text(encoding="utf-8")
        assert trained.name in text and not re.search(r"\bnan\b", text)
    manifest = json.loads((trained.folder / store.MANIFEST).read_text())
    assert manifest["build_id"] == "invented"
    assert manifest["outcomes"]["ald_13"]["state"] == "not_computed"


def test_a_model_is_reloaded_with_the_same_risks(
    base: Home, design: run.Design, trained: run.Trained
) -> None:
    kept, _ = store.load(store.current(base, "ald_onset"))
    (found,) = [each for each in trained.outcomes if each.name == "any"]
    assert found.rows is not None and found.chosen is not None
    risk = kept["any"].risk(design.matrix.names, design.matrix.values[found.rows])
    assert np.array_equal(risk, found.risks[found.chosen])


def test_scores_cover_people_at_risk_and_no_holder(base: Home, trained: run.Trained) -> None:
    path, rows = run.score(base, "ald_onset")
    with run.opened(base) as connection:
        table = connection.execute(f"select * from '{path}' order by person_id").fetchall()
        holders = {
            each
            for (each,) in connection.execute(
                "select person_id from ald_episode where known_since <= date '2022-01-01'"
            ).fetchall()
        }
    assert path.name == "scores-2022-01-01.parquet" and len(table) == rows > 1000
    assert path.stat().st_mode & 0o777 == 0o640
    assert not {row[0] for row in table} & holders
    assert all(0 < row[4] < 1 and 1 <= row[5] <= 10 for row in table)
    with pytest.raises(UsageError, match="months back"):
        run.score(base, "ald_onset", DAY(2018, 6, 1))


def test_deciles_by_hand() -> None:
    assert run.deciles(np.arange(20) / 20).tolist() == [n // 2 + 1 for n in range(20)]
    assert run.deciles(np.full(5, 0.1)).tolist() == [1] * 5


def test_a_file_that_was_changed_is_not_opened(trained: run.Trained, tmp_path: Path) -> None:
    assert trained.folder is not None
    place = tmp_path / "model"
    place.mkdir()
    for path in trained.folder.glob("*.[sj]*"):
        (place / path.name).write_bytes(path.read_bytes())
    (model,) = place.glob("*.skops")
    model.write_bytes(model.read_bytes() + b"x")
    with pytest.raises(Refused, match="not the file that was written"):
        store.load(place)


def test_a_file_that_asks_for_another_type_is_not_opened() -> None:
    class Other(SVC):
        pass

    data = skops.io.dumps({"classifier": Other()})
    with pytest.raises(Refused, match="was not opened"):
        store.loads(data, "it")
    with pytest.raises(OpenChronicError, match="not a model"):
        store.loads(b"no zip", "it")


@pytest.mark.long
def test_training_again_gives_the_same_models_and_figures(
    base: Home, trained: run.Trained, tmp_path: Path
) -> None:
    home = Home(tmp_path / "home").create()
    home.catalogue.symlink_to(base.catalogue)
    again = run.train(home, ONSET, rungs=QUICK, outcomes=("any", "ald_13"), replicates=20)
    assert again.name == trained.name
    for one, other in zip(trained.outcomes, again.outcomes, strict=True):
        assert run.summary(one) == run.summary(other)
        assert one.importance == other.importance
        for rung, risk in one.risks.items():
            assert np.array_equal(risk, other.risks[rung])
    assert trained.report is not None and again.report is not None
    assert trained.report.read_bytes() == again.report.read_bytes()


@pytest.mark.long
def test_the_whole_ladder_runs_for_readmission_beside_the_scores(base: Home) -> None:
    found = run.train(base, standard("readmission"), replicates=20)
    (told,) = found.outcomes
    assert told.reason is None
    assert set(told.metrics) == {*models.RUNGS, "lace", "hospital_claims"}
    assert set(told.metrics["lace"]) == {"auroc", "auprc"}
    assert told.model is not None and told.importance
    assert (found.folder / "readmission_30d.skops").is_file()  # type: ignore[operator]


@pytest.fixture
def torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch of the environment, or of the folder ``OPENCHRONIC_TORCH`` (``pip --target``)."""
    beside = os.environ.get("OPENCHRONIC_TORCH")
    if beside:
        # Last: what it brings along takes the place of nothing.
        monkeypatch.setattr(sys, "path", [*sys.path, beside])
    pytest.importorskip("torch", reason="no PyTorch: the extra sequences, or OPENCHRONIC_TORCH")


@pytest.mark.long
@pytest.mark.usefixtures("torch")
def test_the_recurrent_network_beats_chance_and_repeats_itself() -> None:
    rng = np.random.default_rng(1)
    months = rng.poisson(1.0, (2000, 12, 5)).astype(np.float32)
    rate = 1 / (1 + np.exp(2 - 1.5 * (months[:, -3:, 0].mean(axis=1) - 1)))
    y = (rng.random(2000) < rate).astype(float)
    fixed = np.zeros((2000, 2), np.float32)
    rows = {
        "train": np.arange(1000), "validation": np.arange(1000, 1400), "test": np.arange(1400, 2000)
    }  # fmt: skip
    one, other = (sequence.fit_and_predict(months, fixed, y, rows, 3) for _ in range(2))
    assert np.array_equal(one, other)
    assert metrics.auroc(y[1400:], one[1400:]) > 0.6


@pytest.mark.long
@pytest.mark.usefixtures("torch")
def test_the_recurrent_network_is_told_beside_the_ladder_and_never_kept(base: Home) -> None:
    found = run.train(
        base, ONSET, rungs=("age_sex", "gru"), outcomes=("any",), replicates=20, keep=False
    )
    (told,) = found.outcomes
    assert told.metrics["gru"]["auroc"] > 0.5 and "gru" in told.intervals
    assert told.chosen == "age_sex"


def test_without_pytorch_the_network_says_how_to_get_it(
    base: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match=r"openchronic\[sequences\]"):
        run.train(base, ONSET, rungs=("gru",))


@pytest.mark.parametrize(
    ("scores", "chosen"),
    [
        ({"age_sex": 0.70, "logistic": 0.75, "forest": 0.755, "boosting": 0.76}, "logistic"),
        ({"age_sex": 0.70, "logistic": 0.74, "forest": 0.74, "boosting": 0.76}, "boosting"),
        ({"age_sex": 0.70, "logistic": 0.705, "boosting": 0.70}, "age_sex"),
    ],
)
def test_the_simplest_model_near_the_best_is_kept(scores: dict[str, float], chosen: str) -> None:
    assert models.simplest(scores) == chosen


@pytest.mark.long
def test_sequences_hold_what_the_counts_hold(base: Home) -> None:
    with run.opened(base) as connection:
        sources.open_views(connection)
        subjects.make_subjects(connection, ONSET, (DAY(2021, 1, 1),), 12)
        matrix = features.matrix(connection, False)
        months = np.expm1(features.sequences(connection, 12))
    gp = features.SEQUENCE_KINDS.index("visit_gp")
    assert months[:, :, gp].sum(axis=1) == pytest.approx(matrix.column("visit_gp_count"), abs=1e-3)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"kind": "x"}, "no study"),
        ({"information": "x"}, "known or dated"),
        ({"gap_days": 365}, "no horizon"),
        ({"look_back_months": 6}, "12 months at least"),
    ],
)
def test_a_design_that_makes_no_sense_is_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        dataclasses.replace(ONSET, **changes)  # type: ignore[arg-type]


@pytest.mark.long
def test_the_assets_train_the_models_and_score_the_people(
    base: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dagster as dg

    from openchronic_assets.analytics.assets import risk_models

    home = Home(tmp_path / "home").create()
    home.catalogue.symlink_to(base.catalogue)
    monkeypatch.setenv("OPENCHRONIC_HOME", str(home.root))
    monkeypatch.setattr(models, "RUNGS", QUICK)
    wanted = [dg.AssetKey(["analytics", name]) for name in ("risk_ald_onset", "risk_scores")]
    result = dg.materialize([risk_models], selection=wanted, partition_key="2021")
    assert result.success
    assert {event.asset_key for event in result.get_asset_materialization_events()} == set(wanted)
    assert list(store.current(home, "ald_onset").glob("scores-*.parquet"))
