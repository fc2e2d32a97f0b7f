"""Train, evaluate, keep and use the models of a study."""

from __future__ import annotations

import datetime
import hashlib
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from openchronic_assets import progress
from openchronic_assets.analytics.risk import (
    evaluation,
    features,
    guards,
    metrics,
    models,
    sources,
    store,
    subjects,
)
from openchronic_assets.analytics.risk.features import Extra, Matrix
from openchronic_assets.analytics.risk.metrics import Bin, Top
from openchronic_assets.analytics.risk.models import Model, Part
from openchronic_assets.analytics.risk.study import (
    MONTHS_AT_LEAST,
    Study,
    landmarks,
)
from openchronic_assets.errors import OpenChronicError, Refused, UsageError
from openchronic_assets.settings import Home
from openchronic_assets.warehouse import connect

Labels = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

FOLDS, TRAIN_FOLDS, VALIDATION_FOLDS = 10, 6, 2
TRAIN_CASES, VALIDATION_CASES, TEST_CASES = 20, 5, evaluation.LEAST
AGES = ((0, "moins de 18 ans"), (18, "18 à 44 ans"), (45, "45 à 64 ans"), (65, "65 à 74 ans"),
        (75, "75 ans et plus"))  # fmt: skip
SCORES = {"readmission": ("lace", "hospital_claims")}


@dataclass
class Design:
    """The people observed, their features and labels, in the order of subjects."""

    study: Study
    build_id: str
    depth: int
    matrix: Matrix
    person: Ints
    person_id: npt.NDArray[np.object_]
    landmark: npt.NDArray[np.datetime64]
    fold: Ints
    labels: dict[str, Labels]
    late: dict[str, Labels]
    died: Bools
    groups: dict[str, npt.NDArray[np.str_]]
    notes: list[str] = field(default_factory=list)


@dataclass
class Outcome:
    """What became of one outcome: models and figures, or the reason why there are none."""

    name: str
    reason: str | None = None
    refused: bool = False
    counts: dict[str, int] = field(default_factory=dict)
    chosen: str | None = None
    validation: dict[str, float] = field(default_factory=dict)
    metrics: dict[str, dict[str, float]] = field(default_factory=dict)
    intervals: dict[str, dict[str, tuple[float, float]]] = field(default_factory=dict)
    curve: list[Bin] = field(default_factory=list)
    decisions: list[tuple[float, float, float]] = field(default_factory=list)
    tops: list[Top] = field(default_factory=list)
    groups: dict[str, list[evaluation.Group]] = field(default_factory=dict)
    importance: list[tuple[str, float]] = field(default_factory=list)
    regions: list[tuple[str, float]] = field(default_factory=list)
    more: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    model: Model | None = None
    tested: Labels | None = None
    risks: dict[str, Labels] = field(default_factory=dict)
    rows: Ints | None = None


@dataclass
class Trained:
    """A study that was run: its design in figures, its outcomes."""

    study: Study
    build_id: str
    name: str
    split: dict[str, Any]
    outcomes: list[Outcome]
    notes: list[str]
    folder: Path | None = None
    report: Path | None = None


@contextmanager
def opened(home: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the catalogue; what an engine's error quotes stays inside."""
    connection = connect(home)
    try:
        yield connection
    except duckdb.Error as error:
        raise OpenChronicError(
            f"the marts could not be read ({type(error).__name__}): build them again with "
            "openchronic run, or see which model is missing with openchronic status"
        ) from None
    finally:
        connection.close()


def fold_of(person_id: str, seed: int) -> int:
    """Return the fold of a person, 0 to 9: the same whatever the other people are."""
    digest = hashlib.sha256(f"{seed}:{person_id}".encode()).digest()
    return int.from_bytes(digest[:4], "big") % FOLDS


def design(
    connection: duckdb.DuckDBPyConnection,
    study: Study,
    extra: tuple[Extra, ...] = (),
    *,
    check: bool = True,
) -> Design:
    """Observe people, and compute features that know nothing of what came after.

    Raises:
        Refused: a feature knows the future.
        UsageError: the data are too short for the study, or hold nobody.
    """
    readmission = study.kind == "readmission"
    sources.open_views(connection, study.information)
    known = subjects.span(connection)
    days, depth = landmarks(known.first, known.last, study)
    if readmission:
        depth = min(study.look_back_months, MONTHS_AT_LEAST)
    subjects.make_subjects(connection, study, days, depth)
    _observed(connection)
    told = connection.execute("select * from subject order by subject").to_arrow_table()
    if not told.num_rows:
        raise UsageError(
            "nobody can be observed: no person with a year of care before a day of prediction"
        )
    progress.report("features", 0, 1)
    found = features.matrix(connection, readmission, extra=extra)
    landmark = told["landmark"].to_numpy().astype("datetime64[D]")
    if check:
        guards.same_when_cut(connection, study, extra, found, landmark)
    progress.report("features", 1, 1)
    names = told["person_id"].to_numpy(zero_copy_only=False)
    unique, person = np.unique(names.astype(str), return_inverse=True)
    folds = np.array([fold_of(each, study.seed) for each in unique.tolist()], np.int64)
    return Design(
        study,
        _build(connection),
        depth,
        found,
        person.astype(np.int64),
        names,
        landmark,
        folds[person],
        {name: _label(told, f"label_{name}") for name in study.outcomes},
        {name: _label(told, f"late_{name}") for name in study.outcomes},
        told["died"].to_numpy(zero_copy_only=False).astype(bool),
        _groups(told),
        _notes(study, known, days, depth),
    )


def _observed(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the view of the people observed that an analyst's feature reads: never a label."""
    connection.execute(
        "create or replace temp view observed as select subject, person_id, landmark, until, "
        "known_until, window_from, recent_from, age, sex from subject"
    )


def _build(connection: duckdb.DuckDBPyConnection) -> str:
    row = connection.execute("select build_id from meta.build").fetchone()
    return str(row[0]) if row else "unknown"


def _label(told: pa.Table, name: str) -> Labels:
    found: Labels = told[name].cast(pa.float64()).to_numpy(zero_copy_only=False)
    return found


def _groups(told: pa.Table) -> dict[str, npt.NDArray[np.str_]]:
    age = told["age"].to_numpy(zero_copy_only=False).astype(np.int64)
    where = np.searchsorted([low for low, _ in AGES], age, side="right") - 1
    band = np.array([label for _, label in AGES])[where]
    sex = np.where(told["sex"].to_numpy(zero_copy_only=False) == "2", "Femmes", "Hommes")

    def text(name: str, prefix: str) -> npt.NDArray[np.str_]:
        values = told[name].cast(pa.string()).to_pylist()
        return np.array([f"{prefix} {v}" if v is not None else "Inconnu" for v in values])

    return {
        "Sexe": sex,
        "Âge": band,
        "Défavorisation": text("deprivation_quintile", "Quintile"),
        "Région": text("region", "Région"),
    }


def _notes(
    study: Study, known: subjects.Span, days: tuple[datetime.date, ...], depth: int
) -> list[str]:
    found = []
    if study.kind == "ald_onset" and depth < study.look_back_months:
        found.append(
            f"Le passé demandé est de {study.look_back_months} mois ; les données commencent le "
            f"{known.first:%d/%m/%Y} et le premier point de repère n'en a que {depth} : tous "
            "utilisent cette profondeur."
        )
    if study.information == "dated":
        found.append(
            "Information complète, non en temps réel : les faits sont pris à leur date, même "
            "connus après (codage des séjours, fichiers annuels du PMSI). Un usage à la sortie de "
            "l'hôpital demanderait une autre évaluation."
        )
    return found


@dataclass(frozen=True)
class Split:
    """Rows by use: none is in two, no person of one is in another."""

    train: Bools
    validation: Bools
    test: Bools
    aside: Bools
    told: dict[str, Any]
    notes: tuple[str, ...]


def split(of: Design) -> Split:
    """Part rows by person and by time.

    The last year is tested. Training stops where its horizon would run past the first day of the
    test: what is learnt was known then. Years set aside are told apart if enough others are left.
    """
    study, day = of.study, of.landmark
    horizon = np.timedelta64(study.horizon_days if study.kind == "ald_onset" else 30, "D")
    year = day.astype("datetime64[Y]").astype(np.int64) + 1970
    notes: list[str] = []
    last = int(year.max())

    def timed(hidden: Bools) -> tuple[Bools, Bools]:
        tested = (year == year[~hidden].max()) & ~hidden if (~hidden).any() else hidden & False
        begins = day[tested].min() if tested.any() else day.min()
        return (day + horizon <= begins) & ~hidden, tested

    aside = np.isin(year, study.set_aside)
    before, tested = timed(aside)
    if aside.any() and not (before.any() and tested.any()):
        notes.append(
            f"Les années {', '.join(map(str, sorted(set(year[aside].tolist()))))} (Covid) "
            "devraient être mises à part ; sans elles il ne reste pas de quoi apprendre et "
            "tester : elles sont gardées."
        )
        aside = np.zeros(len(day), bool)
        before, tested = timed(aside)
    if not before.any():
        notes.append(
            f"Une seule période ({last}) : pas de test dans le temps, seulement sur d'autres "
            "personnes. Construire plus d'années pour l'avoir."
        )
        before = tested
    train = before & (of.fold < TRAIN_FOLDS)
    validation = before & (of.fold >= TRAIN_FOLDS) & (of.fold < TRAIN_FOLDS + VALIDATION_FOLDS)
    others = of.fold >= TRAIN_FOLDS + VALIDATION_FOLDS
    told = {
        "train_days": _days(day[train]),
        "test_days": _days(day[tested & others]),
        "aside_days": _days(day[aside]),
    }
    return Split(train, validation, tested & others, aside & others, told, tuple(notes))


def _days(day: npt.NDArray[np.datetime64]) -> list[str]:
    found = np.unique(day)
    return [str(found[0]), str(found[-1])] if len(found) else []


def train(
    home: Home,
    study: Study,
    *,
    extra: tuple[Extra, ...] = (),
    rungs: tuple[str, ...] = (),
    outcomes: tuple[str, ...] = (),
    replicates: int = metrics.REPLICATES,
    keep: bool = True,
) -> Trained:
    """Run a study on the current build: guards, ladder, evaluation, report, models kept.

    Args:
        home: where the base is.
        study: the design.
        extra: features of an analyst, checked as ours are.
        rungs: those of the ladder that are tried, all without it; ``gru`` needs PyTorch.
        outcomes: some of the study's; all without it.
        replicates: of the bootstrap.
        keep: write models and report; else only return what was found.

    Raises:
        Refused: a feature knows the future (nothing is written), or a model is too good to be true
            (the report says so; that model is not kept).
        UsageError: the data are too short, or an outcome or rung is unknown.
    """
    wanted, rungs = outcomes or study.outcomes, rungs or models.RUNGS
    if unknown := set(wanted) - set(study.outcomes):
        raise UsageError(
            f"no outcome {', '.join(sorted(unknown))}; there are: {', '.join(study.outcomes)}"
        )
    if unknown := set(rungs) - {*models.RUNGS, "gru"}:
        raise UsageError(
            f"no model {', '.join(sorted(unknown))}; there are: {', '.join(models.RUNGS)}, gru"
        )
    if "gru" in rungs:
        from openchronic_assets.analytics.risk import sequence

        sequence.require()
    with opened(home) as connection:
        of = design(connection, study, extra)
        months = features.sequences(connection, of.depth) if "gru" in rungs else None
    parts = split(of)
    found = []
    for number, name in enumerate(wanted):
        progress.report("models", number, len(wanted))
        found.append(learn(of, parts, name, rungs, replicates, months))
    progress.report("models", len(wanted), len(wanted))
    result = Trained(
        study,
        of.build_id,
        store.identity(study, of.build_id, {each.name: each.sql for each in extra}),
        parts.told | {"depth": of.depth, "people": int(len(np.unique(of.person)))},
        found,
        [*of.notes, *parts.notes],
    )
    if keep:
        _keep(home, of, result, extra)
    refused = [each for each in found if each.refused]
    if refused:
        raise Refused(
            f"not released, too good to be true: {', '.join(each.name for each in refused)}; "
            f"see {result.report or 'the outcome'} and look for what knows the future"
        )
    return result


def learn(
    of: Design,
    parts: Split,
    name: str,
    rungs: tuple[str, ...],
    replicates: int,
    months: features.Floats | None = None,
) -> Outcome:
    """Fit and evaluate the ladder for one outcome, or say why not."""
    of = replace(of, matrix=of.matrix.of_outcome(name))
    study, y = of.study, of.labels[name]
    known = ~np.isnan(y)
    rows = {
        "train": np.flatnonzero(parts.train & known),
        "validation": np.flatnonzero(parts.validation & known),
        "test": np.flatnonzero(parts.test & known),
    }
    told = Outcome(name)
    told.counts = {f"{use}_rows": len(each) for use, each in rows.items()}
    told.counts |= {f"{use}_cases": int(y[each].sum()) for use, each in rows.items()}
    told.counts["test_deaths"] = int((of.died[rows["test"]] & (y[rows["test"]] == 0)).sum())
    told.reason = _too_few(told.counts)
    if told.reason:
        return told
    matrix = of.matrix
    guards.no_feature_knows(
        study, name, matrix.names, matrix.values[rows["train"]], y[rows["train"]]
    )
    train_part, held = (
        Part(matrix.values[rows[use]], y[rows[use]]) for use in ("train", "validation")
    )
    both = np.concatenate([rows["train"], rows["validation"]])
    whole = Part(matrix.values[both], y[both])
    test, labels = matrix.values[rows["test"]], y[rows["test"]]
    fitted: dict[str, Model] = {}
    for rung in rungs:
        if rung == "gru":
            continue
        tuned = models.fit(rung, matrix.names, train_part, held, study.seed)
        told.validation[rung] = metrics.auroc(held.y, tuned.risk(matrix.names, held.values))
        fitted[rung] = models.refit(tuned, matrix.names, whole, study.seed)
        told.risks[rung] = fitted[rung].risk(matrix.names, test)
    if "gru" in rungs and months is not None:
        from openchronic_assets.analytics.risk import sequence

        age = matrix.values[:, [matrix.names.index(n) for n in ("age", "is_woman")]]
        risk = sequence.fit_and_predict(months, age, y, rows, study.seed)
        told.validation["gru"] = metrics.auroc(held.y, risk[rows["validation"]])
        told.risks["gru"] = risk[rows["test"]]
    # A network is compared, never kept: the models kept are scikit-learn's.
    chosen = models.simplest({each: told.validation[each] for each in fitted})
    told.chosen, told.model = chosen, fitted[chosen]
    told.rows, told.tested = rows["test"], labels
    own = np.unique(of.person[rows["test"]], return_inverse=True)[1]
    told.metrics = {rung: metrics.all_metrics(labels, p) for rung, p in told.risks.items()}
    told.intervals = metrics.intervals(labels, told.risks, own, study.seed, replicates)
    _compare_scores(of, told, own, replicates)
    areas = {rung: each["auroc"] for rung, each in told.metrics.items() if rung in fitted}
    reason = guards.too_good(study, name, areas)
    if reason is None:
        reason = guards.too_good(study, name, told.validation)
    if reason:
        told.reason, told.refused, told.model = reason, True, None
        return told
    risk = told.risks[chosen]
    told.curve = metrics.curve(labels, risk)
    told.decisions = evaluation.decisions(labels, risk)
    told.tops = evaluation.tops(labels, risk)
    told.more["calibration_error"] = metrics.calibration_error(labels, risk)
    told.groups = {
        title: evaluation.groups(labels, risk, own, values[rows["test"]], study.seed)
        for title, values in of.groups.items()
    }
    told.importance = evaluation.importance(
        fitted[chosen], matrix.names, test, labels,
        features.families(study.kind == "readmission"), study.seed,
    )  # fmt: skip
    _sensitivity(of, parts, told, fitted[chosen])
    _regions(of, told, rows, chosen)
    if told.counts["train_cases"] < 100 or told.counts["test_cases"] < 100:
        told.warnings.append(
            "Moins de 100 cas pour apprendre ou pour tester : ces chiffres disent que la chaîne "
            "fonctionne, pas ce que vaut le modèle."
        )
    return told


def _too_few(counts: dict[str, int]) -> str | None:
    """Return why nothing can be learnt or tested, in French."""
    if not counts["test_rows"]:
        return "Personne à risque dans la période de test."
    if not counts["train_cases"]:
        return "Aucun cas dans la période d'apprentissage : rien à apprendre."
    if not counts["test_cases"]:
        return "Aucun cas dans la période de test : ni discrimination ni calibration calculables."
    for use, least, label in (
        ("train", TRAIN_CASES, "apprendre"),
        ("validation", VALIDATION_CASES, "régler"),
        ("test", TEST_CASES, "tester"),
    ):
        if min(counts[f"{use}_cases"], counts[f"{use}_rows"] - counts[f"{use}_cases"]) < least:
            return (
                f"Trop peu de cas, ou de non-cas, pour {label} : il en faut au moins {least}. "
                "Construire plus d'années ou prendre plus de personnes."
            )
    return None


def _compare_scores(of: Design, told: Outcome, own: Ints, replicates: int) -> None:
    """Add the discrimination of the published scores, which give points and no risk."""
    assert told.rows is not None and told.tested is not None
    for score in SCORES.get(of.study.kind, ()):
        points = of.matrix.column(score)[told.rows].astype(np.float64)
        area = metrics.auroc(told.tested, points)
        told.metrics[score] = {"auroc": area, "auprc": metrics.auprc(told.tested, points)}
        found = metrics.intervals(
            told.tested, {score: points / 100}, own, of.study.seed, min(replicates, 200)
        )[score]
        told.intervals[score] = {key: found[key] for key in ("auroc", "auprc") if key in found}


def _sensitivity(of: Design, parts: Split, told: Outcome, model: Model) -> None:
    """Add what another label, and the years set aside, would have said."""
    assert told.rows is not None and told.chosen is not None
    late = of.late[told.name][told.rows]
    known = ~np.isnan(late)
    risk = told.risks[told.chosen]
    if _both(late[known]):
        told.more["late_auroc"] = metrics.auroc(late[known], risk[known])
    y = of.labels[told.name]
    aside = np.flatnonzero(parts.aside & ~np.isnan(y))
    if _both(y[aside]):
        found = model.risk(of.matrix.names, of.matrix.values[aside])
        told.more["aside_auroc"] = metrics.auroc(y[aside], found)
        told.more["aside_observed_expected"] = metrics.observed_expected(y[aside], found)


def _both(y: Labels) -> bool:
    return bool(min(y.sum(), len(y) - y.sum()) >= evaluation.LEAST)


def _regions(of: Design, told: Outcome, rows: dict[str, Ints], chosen: str) -> None:
    """Leave each region out of training and test on it alone."""
    region = of.groups["Région"]
    y, matrix = of.labels[told.name], of.matrix
    known = sorted(set(region[rows["test"]].tolist()) - {"Inconnu"})
    if len(known) < 2:
        told.warnings.append(
            "Une seule région : le modèle n'a pas pu être testé sur une région laissée de côté."
        )
        return
    skipped = 0
    for each in known:
        inside = rows["test"][region[rows["test"]] == each]
        outside = {use: rows[use][region[rows[use]] != each] for use in ("train", "validation")}
        enough = (
            y[outside["train"]].sum() >= TRAIN_CASES
            and y[outside["validation"]].sum() >= VALIDATION_CASES
        )
        if not (_both(y[inside]) and enough):
            skipped += 1
            continue
        own, held = (Part(matrix.values[rest], y[rest]) for rest in outside.values())
        model = models.fit(chosen, matrix.names, own, held, of.study.seed)
        told.regions.append(
            (each, metrics.auroc(y[inside], model.risk(matrix.names, matrix.values[inside])))
        )
    if skipped:
        told.warnings.append(f"{skipped} région(s) avec trop peu de cas : non testée(s) à part.")


def _keep(home: Home, of: Design, found: Trained, extra: tuple[Extra, ...]) -> None:
    from openchronic_assets.analytics.risk import cards, report

    kept = {each.name: each.model for each in found.outcomes if each.model is not None}
    manifest = {
        "study": asdict(found.study),
        "build_id": found.build_id,
        "depth": of.depth,
        "levels": of.matrix.levels,
        "extra": {each.name: each.sql for each in extra},
        "split": found.split,
        "notes": found.notes,
        "versions": versions(),
        "outcomes": {each.name: summary(each) for each in found.outcomes},
    }
    page = report.page(found)
    texts = {
        "rapport.html": page,
        "carte_du_modele.md": cards.model_card(found),
        "tripod_ai.md": cards.tripod(found),
    }
    found.folder = store.save(home, found.study.kind, found.name, kept, manifest, texts)
    found.report = report.write(home, found.study.kind, page)


def summary(of: Outcome) -> dict[str, Any]:
    """Return what a manifest tells of an outcome: no count under 11, no value that is none."""
    return {
        "state": "refused" if of.refused else "not_computed" if of.reason else "kept",
        "reason": of.reason,
        "chosen": of.chosen,
        "validation_auroc": _finite(of.validation),
        "metrics": {rung: _finite(each) for rung, each in of.metrics.items()},
        "intervals": of.intervals,
        "cases": {
            use: of.counts.get(f"{use}_cases", 0)
            if of.counts.get(f"{use}_cases", 0) >= evaluation.LEAST
            else None
            for use in ("train", "validation", "test")
        },
    }


def _finite(values: dict[str, float]) -> dict[str, float | None]:
    return {key: value if math.isfinite(value) else None for key, value in values.items()}


def versions() -> dict[str, str]:
    """Return the versions of what a model depends on."""
    from importlib.metadata import version

    return {name: version(name) for name in ("openchronic", "scikit-learn", "numpy", "duckdb")}


def score(
    home: Home, kind: str, day: datetime.date | None = None, name: str | None = None
) -> tuple[Path, int]:
    """Give each person at risk their chances with a model that was kept; return file and rows.

    Args:
        home: where the base and the models are.
        kind: of the study.
        day: on which people are observed (onset of an ALD): the day after the data without it.
            For a readmission all index stays that have a past are scored.
        name: of the model; the last trained without it.

    Raises:
        UsageError: there is no model, or its past is longer than the data's.
    """
    place = store.current(home, kind, name)
    kept, manifest = store.load(place)
    told = manifest["study"]
    study = replace(
        Study(kind, information=told["information"]),  # type: ignore[arg-type]
        look_back_months=told["look_back_months"],
        gap_days=told["gap_days"],
        horizon_days=told["horizon_days"],
        seed=told["seed"],
    )
    if not kept:
        raise UsageError(f"{place} kept no model: its report says why")
    with opened(home) as connection:
        sources.open_views(connection, study.information)
        known = subjects.span(connection)
        when = day or known.last + datetime.timedelta(days=1)
        first = subjects.earliest(known, manifest["depth"])
        if when < first:
            raise UsageError(
                f"the model looks {manifest['depth']} months back: score {first} or later"
            )
        subjects.make_subjects(
            connection, study, (when,), manifest["depth"], labelled=kind == "readmission"
        )
        _observed(connection)
        extra = tuple(Extra(*each) for each in manifest["extra"].items())
        found = features.matrix(connection, kind == "readmission", manifest["levels"], extra)
        people = connection.execute("select * from subject order by subject").to_arrow_table()
        build = _build(connection)
    tables = []
    for outcome, model in sorted(kept.items()):
        at_risk = np.flatnonzero(~np.isnan(_label(people, f"label_{outcome}")))
        if not len(at_risk):
            continue
        risk = model.risk(found.names, found.values[at_risk])
        chosen = people.take(pa.array(at_risk))
        tables.append(
            pa.table(
                {
                    "person_id": chosen["person_id"],
                    "landmark": chosen["landmark"].cast(pa.date32()),
                    "unit_id": chosen["episode_id"]
                    if kind == "readmission"
                    else pa.nulls(len(at_risk), pa.string()),
                    "outcome": pa.array([outcome] * len(at_risk)),
                    "risk": pa.array(risk),
                    "decile": pa.array(deciles(risk), pa.int32()),
                }
            )
        )
    if not tables:
        raise UsageError("nobody is at risk on that day: see the years that are built")
    table = pa.concat_tables(tables).sort_by(
        [("person_id", "ascending"), ("outcome", "ascending"), ("landmark", "ascending"),
         ("unit_id", "ascending")]
    )  # fmt: skip
    table = table.replace_schema_metadata({"model": place.name, "build_id": build})
    path = place / f"scores-{when.isoformat()}.parquet"
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    pq.write_table(table, aside)
    aside.chmod(0o640)
    aside.replace(path)
    return path, table.num_rows


def deciles(risk: Labels) -> Ints:
    """Return the decile of each risk among these, 1 the lowest; equal risks share theirs."""
    ordered = np.sort(risk)
    below = np.searchsorted(ordered, risk, side="left")
    found: Ints = 1 + 10 * below // max(len(risk), 1)
    return np.minimum(found, 10)
