"""The ladder: from a table by age and sex to boosted trees, all on the same matrix.

Each rung gives calibrated risks without resampling the classes. What is tuned is tuned on people
of the validation folds; nothing is fitted on the people it is tested on.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import SplineTransformer, StandardScaler, TargetEncoder
from threadpoolctl import ThreadpoolController

from openchronic_assets.analytics.risk import metrics
from openchronic_assets.analytics.risk.features import CATEGORICAL, Floats

Labels = npt.NDArray[np.float64]

RUNGS = ("age_sex", "logistic", "forest", "boosting")
RUNG_LABELS = {
    "age_sex": "Table âge × sexe",
    "logistic": "Régression logistique (elastic net)",
    "forest": "Forêt aléatoire",
    "boosting": "Gradient boosting",
    "gru": "Réseau récurrent (GRU)",
    "lace": "LACE",
    "hospital_claims": "HOSPITAL, variante sans biologie",
}
WITHIN = 0.01  # the simplest model so near the best AUROC is kept
TREES, LEAF = 500, 50
STRENGTHS = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.3)
THREADED_ROWS = 50_000
FOREST_ROWS = 100_000  # each tree draws that many at most


class AgeSexTable(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Rates by sex and five-year age group, drawn to the mean by ``prior`` people.

    Columns: age, is_woman.
    """

    def __init__(self, prior: float = 50.0) -> None:
        self.prior = prior

    def fit(self, X: Floats, y: Labels) -> AgeSexTable:
        """Count the people and the cases of each cell."""
        cell = self._cell(X)
        people = np.bincount(cell, minlength=50).astype(np.float64)
        cases = np.bincount(cell, y, minlength=50)
        self.rate_ = (cases + self.prior * y.mean()) / (people + self.prior)
        self.classes_ = np.array([0, 1])
        return self

    def predict_proba(self, X: Floats) -> Labels:
        """Return (no, yes) for each row."""
        risk = self.rate_[self._cell(X)]
        found: Labels = np.column_stack([1 - risk, risk])
        return found

    @staticmethod
    def _cell(X: Floats) -> npt.NDArray[np.int64]:
        age = np.clip(np.nan_to_num(X[:, 0]), 0, 124).astype(np.int64) // 5
        return age + 25 * (X[:, 1] > 0).astype(np.int64)


@dataclass
class Model:
    """A fitted rung: its columns, an encoder of categories, the classifier, a calibrator.

    All are scikit-learn objects, kept without pickle by ``store``.
    """

    rung: str
    columns: tuple[str, ...]
    encoder: Any
    classifier: Any
    calibrator: Any = None

    def risk(self, names: tuple[str, ...], values: Floats) -> Labels:
        """Return the risk of each row of a matrix with these columns."""
        place = {name: number for number, name in enumerate(names)}
        x = values[:, [place[name] for name in self.columns]]
        if self.encoder is not None:
            x = self.encoder.transform(_plain(self.columns, x))
        with _threads(len(x)):
            found = self.classifier.predict_proba(x)[:, 1]
        if self.calibrator is not None:
            found = self.calibrator.predict(found)
        result: Labels = np.asarray(found, np.float64)
        return result


@dataclass(frozen=True)
class Part:
    """Rows of the design: matrix, labels."""

    values: Floats
    y: Labels


def _plain(names: tuple[str, ...], values: Floats) -> Floats:
    """Return the matrix with unknown categories as -1, which encoders take for none of theirs."""
    found = values.copy()
    for number, name in enumerate(names):
        if name in CATEGORICAL:
            column = found[:, number]
            column[np.isnan(column)] = -1.0
    return found


def usable(names: tuple[str, ...], values: Floats, least: float = 0.001) -> tuple[str, ...]:
    """Return the columns that tell people apart: not constant, not empty, not nearly so."""
    kept = []
    for number, name in enumerate(names):
        column = values[:, number]
        known = column[~np.isnan(column)]
        if not len(known):
            continue
        middle = np.median(known)
        if (known != middle).sum() > max(least * len(column), 10):
            kept.append(name)
    return tuple(kept)


def fit(rung: str, names: tuple[str, ...], train: Part, validation: Part, seed: int) -> Model:
    """Fit one rung on the training part; tune and calibrate it on the validation part."""
    with _threads(len(train.y)):
        return _FIT[rung](names, train, validation, seed)


def refit(tuned: Model, names: tuple[str, ...], whole: Part, seed: int) -> Model:
    """Fit a rung once more, as it was tuned, on the training and validation parts together.

    Its columns, its strength or number of trees, and its calibrator stay what they were.
    """
    with _threads(len(whole.y)):
        return _REFIT[tuned.rung](tuned, names, whole, seed)


def _threads(rows: int) -> Any:
    """Hold to one thread on few rows, where threads wait for each other longer than they work."""
    return _pools().limit(limits=1 if rows < THREADED_ROWS else None, user_api="openmp")


@cache
def _pools() -> Any:
    """Find the libraries that thread, once."""
    return ThreadpoolController()


def simplest(scores: dict[str, float]) -> str:
    """Return the first rung of the ladder within ``WITHIN`` of the best AUROC of validation."""
    best = max(scores.values())
    order = [*RUNGS, "gru"]
    return min((rung for rung, score in scores.items() if score >= best - WITHIN), key=order.index)


def _encoded(
    names: tuple[str, ...], train: Part, seed: int, columns: tuple[str, ...]
) -> tuple[Any, Floats, Floats]:
    """Replace categories by rates, those of the other folds in training; return encoder, matrix."""
    place = [names.index(name) for name in columns]
    x = _plain(columns, train.values[:, place])
    categories = [number for number, name in enumerate(columns) if name in CATEGORICAL]
    if not categories:
        return None, x, x
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    encoder = ColumnTransformer(
        [("rate", TargetEncoder(target_type="binary", cv=folds), categories)],
        remainder="passthrough",
    )
    # Cross-fitted here, whole later: a row never sees its own label.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        fitted = encoder.fit_transform(x, train.y.astype(np.int64))
    return encoder, np.asarray(fitted, np.float32), x


def _fit_age_sex(names: tuple[str, ...], train: Part, validation: Part, seed: int) -> Model:
    columns = ("age", "is_woman")
    place = [names.index(name) for name in columns]
    return Model("age_sex", columns, None, AgeSexTable().fit(train.values[:, place], train.y))


def _refit_age_sex(tuned: Model, names: tuple[str, ...], whole: Part, seed: int) -> Model:
    return _fit_age_sex(names, whole, whole, seed)


def _fit_logistic(names: tuple[str, ...], train: Part, validation: Part, seed: int) -> Model:
    columns = usable(names, train.values)
    encoder, steps, ready = _prepared(names, columns, train, seed)
    held = steps.transform(_held(names, columns, encoder, validation))
    best: tuple[float, Any] | None = None
    for strength in STRENGTHS:
        model = _elastic_net(ready, train.y, strength, seed)
        loss = metrics.log_loss(validation.y, model.predict_proba(held)[:, 1])
        if best is None or loss < best[0]:
            best = loss, model
    assert best is not None
    return Model("logistic", columns, encoder, Pipeline([*steps.steps, ("logistic", best[1])]))


def _refit_logistic(tuned: Model, names: tuple[str, ...], whole: Part, seed: int) -> Model:
    encoder, steps, ready = _prepared(names, tuned.columns, whole, seed)
    model = _elastic_net(ready, whole.y, tuned.classifier.named_steps["logistic"].C, seed)
    return Model("logistic", tuned.columns, encoder, Pipeline([*steps.steps, ("logistic", model)]))


def _prepared(
    names: tuple[str, ...], columns: tuple[str, ...], train: Part, seed: int
) -> tuple[Any, Pipeline, Floats]:
    """Return the encoder, the steps before the regression, and the matrix that they make."""
    encoder, x, _ = _encoded(names, train, seed, columns)
    # The encoder moves categories to the front.
    order = [n for n in columns if n in CATEGORICAL] + [n for n in columns if n not in CATEGORICAL]
    if encoder is None:
        order = list(columns)
    age = [order.index("age")] if "age" in order else []
    counts = [
        number for number, name in enumerate(order) if name not in CATEGORICAL and name != "age"
    ]
    rates = [number for number, name in enumerate(order) if name in CATEGORICAL]
    prepare = ColumnTransformer(
        [
            ("age", SplineTransformer(n_knots=6, degree=3, extrapolation="linear"), age),
            ("count", make_pipeline(_Log(), SimpleImputer(strategy="median")), counts),
            ("rate", "passthrough", rates),
        ]
    )
    steps = Pipeline([("prepare", prepare), ("scale", StandardScaler())])
    return encoder, steps, steps.fit_transform(x)


def _elastic_net(x: Floats, y: Labels, strength: float, seed: int) -> LogisticRegression:
    model = LogisticRegression(
        solver="saga", l1_ratio=0.5, C=strength, max_iter=60, tol=1e-3, random_state=seed
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(x, y.astype(np.int64))


class _Log(BaseEstimator):  # type: ignore[misc]
    """log(1 + x) of counts and amounts, negative amounts as 0; a fitted step without a state."""

    def fit(self, X: Floats, y: Labels | None = None) -> _Log:
        """Learn nothing."""
        self.fitted_ = True
        return self

    def transform(self, X: Floats) -> Floats:
        """Return the logarithms."""
        found: Floats = np.log1p(np.maximum(X, 0))
        return found

    def fit_transform(self, X: Floats, y: Labels | None = None) -> Floats:
        """Return the logarithms."""
        return self.fit(X).transform(X)


def _held(names: tuple[str, ...], columns: tuple[str, ...], encoder: Any, part: Part) -> Floats:
    x = _plain(columns, part.values[:, [names.index(name) for name in columns]])
    found: Floats = x if encoder is None else np.asarray(encoder.transform(x), np.float32)
    return found


def _fit_forest(names: tuple[str, ...], train: Part, validation: Part, seed: int) -> Model:
    columns = usable(names, train.values)
    encoder, forest = _trees(names, columns, train, seed)
    held = forest.predict_proba(_held(names, columns, encoder, validation))[:, 1]
    calibrator = IsotonicRegression(y_min=1e-5, y_max=1 - 1e-5, out_of_bounds="clip")
    calibrator.fit(held, validation.y)
    return Model("forest", columns, encoder, forest, calibrator)


def _refit_forest(tuned: Model, names: tuple[str, ...], whole: Part, seed: int) -> Model:
    return Model(
        "forest", tuned.columns, *_trees(names, tuned.columns, whole, seed), tuned.calibrator
    )


def _trees(
    names: tuple[str, ...], columns: tuple[str, ...], train: Part, seed: int
) -> tuple[Any, RandomForestClassifier]:
    encoder, x, _ = _encoded(names, train, seed, columns)
    forest = RandomForestClassifier(
        TREES, min_samples_leaf=LEAF, max_features="sqrt", n_jobs=-1, random_state=seed,
        max_samples=min(FOREST_ROWS, len(x)) if len(x) > FOREST_ROWS else None,
    )  # fmt: skip
    return encoder, forest.fit(x, train.y.astype(np.int64))


def _fit_boosting(names: tuple[str, ...], train: Part, validation: Part, seed: int) -> Model:
    columns = usable(names, train.values)
    encoder, x, _ = _encoded(names, train, seed, columns)
    model = HistGradientBoostingClassifier(
        **_BOOSTING, max_iter=300, early_stopping=True, n_iter_no_change=20, random_state=seed
    )
    model.fit(
        x,
        train.y.astype(np.int64),
        X_val=_held(names, columns, encoder, validation),
        y_val=validation.y.astype(np.int64),
    )
    return Model("boosting", columns, encoder, model)


def _refit_boosting(tuned: Model, names: tuple[str, ...], whole: Part, seed: int) -> Model:
    encoder, x, _ = _encoded(names, whole, seed, tuned.columns)
    # The trees after the best one only waited for the end: as many as were of use.
    scores = tuned.classifier.validation_score_
    trees = max(1, int(np.argmax(scores)))
    model = HistGradientBoostingClassifier(
        **_BOOSTING, max_iter=trees, early_stopping=False, random_state=seed
    )
    return Model("boosting", tuned.columns, encoder, model.fit(x, whole.y.astype(np.int64)))


_BOOSTING: dict[str, Any] = {
    "learning_rate": 0.05, "max_leaf_nodes": 15, "min_samples_leaf": LEAF,
    "l2_regularization": 5.0, "max_features": 0.3,
}  # fmt: skip
_FIT: dict[str, Callable[[tuple[str, ...], Part, Part, int], Model]] = {
    "age_sex": _fit_age_sex,
    "logistic": _fit_logistic,
    "forest": _fit_forest,
    "boosting": _fit_boosting,
}
_REFIT: dict[str, Callable[[Model, tuple[str, ...], Part, int], Model]] = {
    "age_sex": _refit_age_sex,
    "logistic": _refit_logistic,
    "forest": _refit_forest,
    "boosting": _refit_boosting,
}
