"""The frontier between privacy and utility: what each choice of k, limit and method costs.

One reading of the table serves all points. Risks are those of
:mod:`~openchronic_assets.anonymisation.battery`; utility is the loss, the discernibility, the
average class size and the error of random count queries.

The rule of choice is written before the figures are seen: among the points whose every risk is at
most its threshold, the one with the least loss; ties by the larger k, then the smaller suppression.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from openchronic_assets.anonymisation.any_table import Plan, Prepared, describe, plan
from openchronic_assets.anonymisation.battery import measure_sensitive
from openchronic_assets.anonymisation.criteria import Number, criteria
from openchronic_assets.anonymisation.cube import Cube
from openchronic_assets.anonymisation.hierarchies import Hierarchy
from openchronic_assets.anonymisation.local_recoding import classes_of
from openchronic_assets.anonymisation.metrics import Metrics
from openchronic_assets.errors import Refused, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

KS = (5, 11, 12, 20, 50)
LIMITS: tuple[Number, ...] = ("0", "0.01", "0.02", "0.05")
MAX_RISK = 0.09
"""Highest probability of singling somebody out in a public file (EMA policy 0070)."""
MAX_SUPPRESSED = 0.02
MAX_T = 0.3
"""Largest distance of a class from the table, for each sensitive column."""
MAX_EPSILON = 6.0
"""Largest epsilon of a differentially private point."""

_QUERIES = 200
# A count below this share of the table is compared with it: an error of 1 on a count of 1 is not
# an error of 100 % to anybody.
_SANITY = 0.001


@dataclass(frozen=True)
class Thresholds:
    """The written rule: what a point must not be above.

    Attributes:
        risk: highest probability of singling somebody out.
        suppressed: share of records removed.
        t: distance of a class from the table, where there is a sensitive column.
        epsilon: of a differentially private point.
    """

    risk: float = MAX_RISK
    suppressed: float = MAX_SUPPRESSED
    t: float = MAX_T
    epsilon: float = MAX_EPSILON


@dataclass(frozen=True)
class Point:
    """One choice and what it gives; None where a figure has no meaning or there is no solution.

    Attributes:
        method: ``full-domain``, ``local`` or ``dp``.
        k: smallest class.
        limit: share of records that may be suppressed.
        epsilon: of a differentially private point.
        figures: ``loss, suppressed_share, prosecutor_max, prosecutor_average, marketer,
            discernibility, class_size, query_error, classes`` and, for the worst sensitive
            column, ``l, entropy_l, t``.
        admissible: whether every risk is at most its threshold.
        pareto: whether no other point has both a lower risk and a lower loss.
        chosen: whether the rule takes it.
    """

    method: str
    k: int | None = None
    limit: str | None = None
    epsilon: float | None = None
    figures: dict[str, float | None] = field(default_factory=dict)
    admissible: bool = False
    pareto: bool = False
    chosen: bool = False

    @property
    def solved(self) -> bool:
        """Whether something satisfies what was asked."""
        return self.figures.get("loss") is not None


def frontier(
    prepared: Prepared,
    *,
    ks: Sequence[int] = KS,
    limits: Sequence[Number] = LIMITS,
    methods: Sequence[str] = ("full-domain", "local"),
    l: Number | None = None,  # noqa: E741
    t: Number | None = None,
    weights: Mapping[str, float] | None = None,
    thresholds: Thresholds | None = None,
    epsilons: Sequence[float] = (),
    private: Callable[[float], Mapping[str, float]] | None = None,
) -> list[Point]:
    """Compute every point of a grid.

    Args:
        prepared: the table.
        ks: smallest classes.
        limits: suppression limits of full-domain recoding; local recoding suppresses nothing.
        methods: of recoding.
        l: distinct diversity asked of each point.
        t: closeness asked of each point.
        weights: of the columns in the loss.
        thresholds: the written rule; the product's own when not given.
        epsilons: budgets of differentially private points.
        private: makes the figures of such a point from its epsilon: ``loss`` and
            ``query_error`` at least.

    Returns:
        The points, marked; at most one is chosen.

    Raises:
        UsageError: a parameter is out of range, or ``epsilons`` comes without ``private``.
    """
    rule = thresholds or Thresholds()
    if epsilons and private is None:
        raise UsageError("a point with an epsilon needs the function that makes it")
    queries = _Queries(prepared.cube)
    points = []
    for method in methods:
        for k in ks:
            for limit in limits if method == "full-domain" else ("0",):
                asked = criteria(k, l=l, t=t)
                try:
                    chosen = plan(
                        prepared, asked, method=method, suppression=limit, weights=weights
                    )
                except Refused:
                    points.append(Point(method, k, str(limit)))
                    continue
                points.append(
                    Point(method, k, str(limit), None, _figures(prepared, chosen, method, queries))
                )
    for epsilon in epsilons:
        assert private is not None
        points.append(Point("dp", None, None, float(epsilon), dict(private(float(epsilon)))))
    return _marked(points, rule)


RULE = (
    "Parmi les réglages dont chaque risque est au plus égal à son seuil, celui dont la perte est "
    "la plus faible ; à égalité, le plus grand k, puis le moins de personnes retirées."
)


def compared(tried: Mapping[int, Metrics], used: int) -> dict[str, Any]:
    """Return the frontier of one method over k, with the rule and what it takes.

    Args:
        tried: smallest class aimed at to the figures of the table that it gives.
        used: the k of the table at hand.

    Returns:
        ``rule``, ``thresholds``, ``points``, ``chosen`` (the k that the rule takes, None where
        every point is too risky), ``used`` and ``follows_rule``.
    """
    rule = Thresholds()
    points = [
        Point(
            "local",
            k,
            None,
            None,
            {
                "loss": found.loss,
                "suppressed_share": found.suppressed_share,
                "prosecutor_max": found.max_risk,
                "prosecutor_average": found.average_risk,
                "marketer": found.average_risk,
                "class_size": found.average_class / k,
                "classes": float(found.classes),
                "k": float(found.k),
            }
            if found.rows
            else {},
        )
        for k, found in sorted(tried.items())
    ]
    points = _marked(points, rule)
    chosen = next((point.k for point in points if point.chosen), None)
    return {
        "rule": RULE,
        "thresholds": {"risk": rule.risk, "suppressed": rule.suppressed},
        "points": [
            {
                "method": point.method,
                "k": point.k,
                **point.figures,
                "admissible": point.admissible,
                "pareto": point.pareto,
                "chosen": point.chosen,
            }
            for point in points
        ],
        "chosen": chosen,
        "used": used,
        "follows_rule": chosen == used,
    }


def points_of(compared_: Mapping[str, Any]) -> list[Point]:
    """Return the points that :func:`compared` told, to draw them."""
    known = {"method", "k", "admissible", "pareto", "chosen"}
    return [
        Point(
            row["method"],
            row["k"],
            None,
            None,
            {name: value for name, value in row.items() if name not in known} | {"k": row["k"]},
            row["admissible"],
            row["pareto"],
            row["chosen"],
        )
        for row in compared_["points"]
    ]


def _figures(
    prepared: Prepared, chosen: Plan, method: str, queries: _Queries
) -> dict[str, float | None]:
    told = describe(prepared, chosen, method)
    figures: dict[str, float | None] = {
        "loss": told["loss"],
        "suppressed_share": told["suppressed_share"],
        "prosecutor_max": told["risk"]["prosecutor_max"],
        "prosecutor_average": told["risk"]["prosecutor_average"],
        "marketer": told["risk"]["prosecutor_average"],
        "discernibility": float(told["discernibility"]),
        "class_size": told["average_class"] / told["k"],
        "classes": float(told["classes"]),
        "k": float(told["k"]),
        "query_error": queries.error(chosen),
    }
    cube = prepared.cube
    if cube.sensitive:
        owner = queries.classes(chosen)[0]
        measured = [measure_sensitive(classes_of(each, owner)) for each in cube.sensitive]
        figures["l"] = min(each["l"] for each in measured)
        figures["entropy_l"] = min(each["entropy_l"] for each in measured)
        figures["t"] = max(each["t"] for each in measured)
    return figures


def _marked(points: Sequence[Point], rule: Thresholds) -> list[Point]:
    """Mark what is admissible, what no other point beats, and what the rule takes."""

    def risk(point: Point) -> float:
        return point.figures.get("prosecutor_max") or 0.0

    def admissible(point: Point) -> bool:
        if not point.solved:
            return False
        if point.method == "dp":
            return (point.epsilon or 0) <= rule.epsilon
        distance = point.figures.get("t")
        return (
            risk(point) <= rule.risk
            and (point.figures["suppressed_share"] or 0) <= rule.suppressed
            and (distance is None or distance <= rule.t)
        )

    def beaten(point: Point) -> bool:
        loss = point.figures["loss"]
        assert loss is not None
        for other in points:
            if not other.solved or other.method == "dp" or other is point:
                continue
            theirs = other.figures["loss"]
            assert theirs is not None
            if (
                risk(other) <= risk(point)
                and theirs <= loss
                and (risk(other) < risk(point) or theirs < loss)
            ):
                return True
        return False

    # Microdata alone: a cube with an epsilon is another kind of output, with another loss.
    usable = [point for point in points if admissible(point) and point.method != "dp"]
    best = min(
        usable,
        key=lambda p: (
            round(p.figures["loss"] or 0, 12),
            -(p.k or 0),
            p.figures["suppressed_share"] or 0,
        ),
        default=None,
    )
    return [
        Point(
            point.method,
            point.k,
            point.limit,
            point.epsilon,
            point.figures,
            admissible(point),
            point.solved and point.method != "dp" and not beaten(point),
            point is best,
        )
        for point in points
    ]


class _Queries:
    """Random counts over two or three columns, each at a random level of its hierarchy.

    A published row stands for each of the leaves under its values alike; a removed row for none.
    The draw has a fixed seed: every point answers the same questions.
    """

    def __init__(self, cube: Cube):
        self.cube = cube
        draw = np.random.default_rng(20220322)
        dimensions = len(cube.hierarchies)
        self.asked: list[list[tuple[int, int]]] = []
        for _ in range(_QUERIES):
            wanted = min(dimensions, int(draw.integers(2, 4)))
            conditions = []
            for d in sorted(draw.choice(dimensions, wanted, replace=False).tolist()):
                hierarchy = cube.hierarchies[d]
                level = int(draw.integers(0, max(1, hierarchy.height - 1)))
                leaf = int(draw.integers(0, len(hierarchy.leaves)))
                conditions.append((d, int(hierarchy.label_codes[level, leaf])))
            self.asked.append(conditions)
        self.overlap = [_overlap(h) for h in cube.hierarchies]
        leaves = np.column_stack(
            [h.label_codes[0][cube.codes[:, d]] for d, h in enumerate(cube.hierarchies)]
        )
        self.truth = self._answers(leaves, cube.counts)

    def _answers(self, labels: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.float64]:
        result = np.zeros(len(self.asked))
        for number, conditions in enumerate(self.asked):
            weight = counts.astype(np.float64)
            for d, value in conditions:
                weight = weight * self.overlap[d][value][labels[:, d]]
            result[number] = weight.sum()
        return result

    def classes(
        self, chosen: Plan
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Return the class of each tuple (-1: none), and the labels and counts of the classes."""
        cube = self.cube
        kept = chosen.levels[:, 0] >= 0
        labels = np.column_stack(
            [
                h.label_codes[chosen.levels[kept, d], cube.codes[kept, d]]
                for d, h in enumerate(cube.hierarchies)
            ]
        )
        found, inverse = np.unique(labels, axis=0, return_inverse=True)
        owner = np.full(len(kept), -1, dtype=np.int64)
        owner[kept] = inverse.ravel()
        counts = np.bincount(inverse.ravel(), weights=cube.counts[kept]).astype(np.int64)
        return owner, found, counts

    def error(self, chosen: Plan) -> float:
        """Return the median relative error of the answers."""
        _, labels, counts = self.classes(chosen)
        answers = self._answers(labels, counts)
        scale = np.maximum(self.truth, _SANITY * self.cube.records)
        return float(np.median(np.abs(answers - self.truth) / scale))


def _overlap(hierarchy: Hierarchy) -> NDArray[np.float64]:
    """Return an array (labels, labels): the part of the second's leaves that the first covers."""
    size = len(hierarchy.labels)
    covers = np.zeros((size, len(hierarchy.leaves)), dtype=bool)
    for codes in hierarchy.label_codes:
        covers[codes, np.arange(len(hierarchy.leaves))] = True
    shared = covers.astype(np.float64) @ covers.T.astype(np.float64)
    return np.asarray(shared / hierarchy.label_leaves[None, :])


def rows_of(points: Sequence[Point]) -> list[dict[str, Any]]:
    """Return the points as flat rows, for a table."""
    rows = []
    for point in points:
        row = asdict(point)
        figures = row.pop("figures")
        names = (
            "loss", "query_error", "suppressed_share", "prosecutor_max", "prosecutor_average",
            "marketer", "discernibility", "class_size", "classes", "l", "entropy_l", "t",
        )  # fmt: skip
        rows.append(row | {name: figures.get(name) for name in names})
    return rows
