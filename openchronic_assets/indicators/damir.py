"""The questions that users ask of Open DAMIR: regressions over its 13 regions, and a report.

The points are those of the mart ``damir_question``; here is only what SQL cannot do. A slope is a
weighted one with a robust interval (HC3), beside the range that it takes when any one region is
left out: with 13 points, one region can make the answer. They are associations between regions,
never effects on people. Source: indicators 3.6; MacKinnon and White 1985 for HC3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats  # type: ignore[import-untyped]

from openchronic_assets import warehouse
from openchronic_assets.errors import UsageError
from openchronic_assets.settings import Home

CLAIMED_SLOPE = 0.005
"""Published claim, source not found: 100 doctors more for 100,000 people, 0.5 visit more a year."""

REGIONS = 13
FEWEST = 5
"""Fewer points than this carry no line."""

SETTLED = 6
"""Months of flux after the month of care from which a month is taken as complete."""

Row = dict[str, Any]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Question:
    """A question: its words, the units of its axes, and the slope that somebody claims."""

    title: str
    x: str
    y: str
    per: float = 1.0  # x is told by so many units
    claim: float | None = None
    caution: str = ""


QUESTIONS: Mapping[str, Question] = {
    "gp_density_visits": Question(
        "Densité de généralistes et visites de généraliste",
        "généralistes pour 100 000 personnes",
        "visites par assuré et par an",
        per=100,
        claim=CLAIMED_SLOPE,
    ),
    "gp_density_visits_standardised": Question(
        "La même, visites standardisées sur l'âge et le sexe",
        "généralistes pour 100 000 personnes",
        "visites standardisées par assuré et par an",
        per=100,
        claim=CLAIMED_SLOPE,
    ),
    "gp_density_visits_reached": Question(
        "La même, densité des régions où les habitants consultent",
        "généralistes pour 100 000 personnes, là où l'on consulte",
        "visites par assuré et par an",
        per=100,
        claim=CLAIMED_SLOPE,
    ),
    "specialist_density_overrun": Question(
        "Dépassements des spécialistes et densité de spécialistes",
        "spécialistes pour 100 000 personnes",
        "dépassements sur base de remboursement",
        per=100,
        caution="Le secteur conventionnel, non retenu ici, porte l'essentiel des dépassements.",
    ),
    "city_emergency": Question(
        "Visites de généraliste et passages aux urgences",
        "visites de généraliste par assuré et par an",
        "forfaits d'urgence (ATU) par assuré et par an",
        caution="Les urgences publiques sont dans le PMSI : Open DAMIR n'en montre qu'une petite "
        "part, celle des cliniques. Une pente nulle ou inverse n'y dit rien des urgences du pays.",
    ),
    "development_spend": Question(
        "Dépense et indice de développement",
        "indice de développement, fichier de l'utilisateur",
        "euros de dépense par assuré et par an",
        caution="L'âge des régions n'est pas corrigé.",
    ),
}

UNANSWERABLE = (
    "Corpulence, tabac, activité physique, alimentation : aucune mesure du corps ni du mode de vie "
    "n'est dans Open DAMIR.",
    "Maladies : ni diagnostic ni personne ; une exonération pour ALD ne dit pas laquelle.",
    "Parcours d'un patient, nombre de patients, récidive : les lignes sont des sommes, un même "
    "patient y est compté à chaque soin.",
    "Hôpital public : ses séjours sont dans le PMSI, ses urgences et consultations n'y sont qu'en "
    "partie.",
    "Complémentaires santé : la part du patient est avant leur remboursement.",
    "Départements et communes : 13 régions, l'outre-mer réuni, la Corse avec "
    "Provence-Alpes-Côte d'Azur.",
)
"""What this source cannot answer, in French."""

REASONS = {
    "no_damir": "aucune ligne d'Open DAMIR pour ses habitants",
    "no_population": "aucun habitant dans les fichiers de population",
    "no_insured_population": "aucun assuré dans OPEN_INSURED_POPULATION",
    "no_professionals": "aucun effectif dans OPEN_PROFESSIONALS",
    "no_index": "aucun indice dans OPEN_DEVELOPMENT_INDEX",
    "no_value": "rien à diviser, ou âges manquants",
}


@dataclass(frozen=True)
class Fit:
    """A line through regions: slope by unit of x, its interval, and what one region changes.

    ``without`` is the region whose absence moves the slope most; ``lowest`` and ``highest`` are the
    slopes that leaving out one region gives.
    """

    points: int
    intercept: float
    slope: float
    standard_error: float
    low: float
    high: float
    r_squared: float | None
    lowest: float
    highest: float
    without: str


def fit(x: ArrayLike, y: ArrayLike, weight: ArrayLike, names: Sequence[str]) -> Fit:
    """Fit y on x by weighted least squares, interval at 95 % by HC3 and Student's law on n - 2.

    Raises:
        ValueError: too few points, a weight that is not positive, a value that is not finite, or no
            spread in x, alone or once a region is left out.
    """
    xs, ys, ws = (np.asarray(each, np.float64) for each in (x, y, weight))
    if len({len(xs), len(ys), len(ws), len(names)}) != 1:
        raise ValueError("x, y, weight and names must be as long as each other")
    if len(xs) < FEWEST:
        raise ValueError(f"fewer than {FEWEST} points")
    if not (np.isfinite([xs, ys, ws]).all() and (ws > 0).all()):
        raise ValueError("values must be finite and weights positive")
    ws = ws / ws.mean()
    (intercept, slope), error, residual = _line(xs, ys, ws)
    reach = float(stats.t.ppf(0.975, len(xs) - 2)) * error
    spread = float(ws @ (ys - (ws @ ys) / ws.sum()) ** 2)
    others = [
        _line(*(np.delete(each, place) for each in (xs, ys, ws)))[0][1] for place in range(len(xs))
    ]
    return Fit(
        points=len(xs),
        intercept=intercept,
        slope=slope,
        standard_error=error,
        low=slope - reach,
        high=slope + reach,
        r_squared=1 - float(ws @ residual**2) / spread if spread > 0 else None,
        lowest=min(others),
        highest=max(others),
        without=names[int(np.argmax(np.abs(np.array(others) - slope)))],
    )


def _line(x: Floats, y: Floats, w: Floats) -> tuple[tuple[float, float], float, Floats]:
    """Return intercept and slope, the slope's HC3 error, and residuals."""
    middle = float(w @ x) / float(w.sum())
    apart = x - middle
    squares = float(w @ apart**2)
    if squares <= 1e-18 * max(1.0, float(w @ x**2)):
        raise ValueError("x is the same everywhere")
    slope = float(w @ (apart * y)) / squares
    level = float(w @ y) / float(w.sum())
    residual = y - level - slope * apart
    leverage = w * (1 / w.sum() + apart**2 / squares)
    if (leverage > 1 - 1e-9).any():
        raise ValueError("one point alone makes the line")
    error = float(np.sqrt(np.sum((w * apart * residual / (1 - leverage)) ** 2))) / squares
    return (level - slope * middle, slope), error, residual


def answer(question: str, points: Sequence[Row]) -> Row:
    """Return what the points of a question say, or the reason why they say nothing."""
    asked = QUESTIONS[question]
    placed = [point for point in points if point["absent_reason"] is None]
    absent = {p["label"]: p["absent_reason"] for p in points if p["absent_reason"] is not None}
    found: Row = {
        "question": question, "title": asked.title, "x": asked.x, "y": asked.y,
        "points": len(placed), "absent": absent, "fit": None, "reason": None, "claim": None,
    }  # fmt: skip
    try:
        line = fit(
            [p["x"] for p in placed], [p["y"] for p in placed], [p["weight"] for p in placed],
            [p["label"] for p in placed],
        )  # fmt: skip
    except ValueError as error:
        found["reason"] = str(error)
        return found
    found["fit"] = asdict(line)
    if asked.claim is not None:
        found["claim"] = {"slope": asked.claim, "verdict": _verdict(line, asked.claim)}
    return found


def _verdict(line: Fit, claim: float) -> str:
    """Return how a claimed slope stands to an interval: the claim itself, and no slope at all."""
    if line.low <= claim <= line.high:
        return "undecided" if line.low <= 0 <= line.high else "compatible"
    return "lower" if line.high < claim else "higher"


def long_difference(points: Sequence[Row]) -> Row | None:
    """Return the fit of the change in visits on that in density, first year to last; None if one.

    A difference removes what a region always is; density moves slowly, so the years are those
    farthest apart of which the regions are known.
    """
    placed = [p for p in points if p["absent_reason"] is None]
    years = sorted({p["year"] for p in placed})
    if len(years) < 2:
        return None
    first, last = (
        {p["region"]: p for p in placed if p["year"] == y} for y in (years[0], years[-1])
    )
    changes = [
        {
            "label": last[region]["label"], "absent_reason": None,
            "x": last[region]["x"] - first[region]["x"],
            "y": last[region]["y"] - first[region]["y"],
            "weight": (last[region]["weight"] + first[region]["weight"]) / 2,
        }
        for region in sorted(first.keys() & last.keys())
    ]  # fmt: skip
    return answer("gp_density_visits", changes) | {"from": years[0], "to": years[-1]}


def changes(months: Sequence[Row]) -> list[Row]:
    """Return months with their patient share, and the change against the same month a year before.

    A change is told between two months that both have ``SETTLED`` months of flux behind them: else
    it would be that of the delay of processing, and ``reason`` says ``incomplete`` or ``no_month``.
    """
    known = {month["care_month"]: month for month in months}
    found = []
    for when, month in sorted(known.items()):
        before = known.get(when.replace(year=when.year - 1))
        reason = None
        if before is None:
            reason = "no_month"
        elif min(month["follow_up_months"], before["follow_up_months"]) < SETTLED:
            reason = "incomplete"
        spend = float(month["spend_amount"])
        past = float(before["spend_amount"]) if before and reason is None else 0.0
        found.append(
            month
            | {
                "patient_share": float(month["patient_amount"]) / spend if spend > 0 else None,
                "spend_change": spend / past - 1 if past > 0 else None,
                "reason": reason,
            }
        )
    return found


def gather(home: Home, year: int | None = None) -> Row:
    """Return every answer for a year (the newest that has lines, without one), from the build.

    Raises:
        UsageError: nothing is built, or the build holds no Open DAMIR for the year.
    """
    with warehouse.connect(home) as connection:
        years = [
            row[0]
            for row in connection.execute(
                "select year from damir_density where absent_reason is null "
                "or absent_reason <> 'no_damir' group by year order by year"
            ).fetchall()
        ]
        if not years or (year is not None and year not in years):
            told = ", ".join(map(str, years)) or "none"
            raise UsageError(
                f"the build holds no Open DAMIR {f'of {year} ' if year else ''}"
                f"(years with lines: {told}); ingest files A2019MM.csv.gz and run: openchronic run"
            )
        when = year or years[-1]

        def rows(sql: str, *values: object) -> list[Row]:
            found: list[Row] = connection.execute(sql, list(values)).to_arrow_table().to_pylist()
            return found

        points = rows(
            "select question, year, region, label_fr as label, x, y, weight, absent_reason "
            "from damir_question join ref_damir_region using (region) "
            "order by question, year, region"
        )
        density = rows(
            "select label_fr as label, damir_density.* "
            "from damir_density join ref_damir_region using (region) where year = ? "
            "order by region",
            when,
        )
        regimes = rows(
            "select exemption, sum(spend_amount) as spend_amount, sum(base_amount) as base_amount, "
            "sum(reimbursed_amount) as reimbursed_amount, "
            "sum(supplement_amount) as supplement_amount, sum(patient_amount) as patient_amount, "
            "sum(overrun_amount) as overrun_amount from damir_exemption where year = ? "
            "group by exemption order by exemption",
            when,
        )
        months = rows(
            "select care_month, min(follow_up_months) as follow_up_months, "
            "sum(spend_amount) as spend_amount, sum(patient_amount) as patient_amount "
            "from damir_exemption where care_month is not null and year between ? and ? "
            "group by care_month order by care_month",
            when - 1,
            when,
        )
    of_year = [point for point in points if point["year"] == when]
    return {
        "year": when,
        "years": years,
        "regions": density,
        "points": of_year,
        "answers": [
            answer(name, [p for p in of_year if p["question"] == name]) for name in QUESTIONS
        ],
        "long_difference": long_difference(
            [p for p in points if p["question"] == "gp_density_visits"]
        ),
        "regimes": regimes,
        "months": [m for m in changes(months) if m["care_month"].year == when],
        "cannot_answer": list(UNANSWERABLE),
    }
