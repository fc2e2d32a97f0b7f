"""What a risk model predicts, of whom, when, and from how long a past (indicators 7.1, 7.2)."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from typing import Literal

from openchronic_assets.errors import UsageError

ANY = "any"
READMISSION = "readmission_30d"
# Groups of ALD that are predicted, with what people call them.
ALD_GROUPS = {
    8: "Diabète",
    30: "Tumeur maligne",
    13: "Maladie coronaire",
    5: "Insuffisance cardiaque, troubles du rythme, cardiopathies graves",
    1: "Accident vasculaire cérébral invalidant",
    3: "Artériopathie avec manifestations ischémiques",
    14: "Insuffisance respiratoire chronique grave",
    15: "Maladie d'Alzheimer et autres démences",
    23: "Affections psychiatriques de longue durée",
    19: "Néphropathie chronique grave",
}
ADULT = 18
YOUNGEST = {23: 15}  # psychiatric conditions begin earlier
MONTHS_AT_LEAST = 12  # of the past, or a landmark is left out
COVID = 2020

Kind = Literal["ald_onset", "readmission"]
Information = Literal["known", "dated"]


def outcome_of(number: int) -> str:
    """Return the name of the outcome of an ALD number."""
    return f"ald_{number:02d}"


OUTCOMES: dict[str, tuple[str, ...]] = {
    "ald_onset": (ANY, *(outcome_of(number) for number in ALD_GROUPS)),
    "readmission": (READMISSION,),
}
LABELS = {
    ANY: "Première ALD, quelle qu'elle soit",
    READMISSION: "Réhospitalisation à 30 jours",
} | {outcome_of(number): f"ALD {number} : {label}" for number, label in ALD_GROUPS.items()}
# Above it a model is suspected to know the future (indicators 7.6).
PLAUSIBLE = {"ald_onset": 0.92, "readmission": 0.80}


@dataclass(frozen=True)
class Study:
    """One design.

    Attributes:
        kind: ``ald_onset`` (people at landmarks) or ``readmission`` (index stays at discharge).
        look_back_months: how far features look; less where the data begin later, never under 12.
        gap_days: days after the landmark in which an onset is not counted, and excludes.
        horizon_days: days after the landmark that are predicted.
        information: ``known``: what the base held on the day (``known_at``); ``dated``: what had
            happened by then, as it is told today (complete claims, not real time).
        set_aside: years of landmarks that are neither trained nor tested on, but told apart, as
            long as enough others are left.
        seed: of every draw.
    """

    kind: Kind
    look_back_months: int = 24
    gap_days: int = 30
    horizon_days: int = 365
    information: Information = "known"
    set_aside: tuple[int, ...] = (COVID,)
    seed: int = 20
    landmarks: tuple[datetime.date, ...] = field(default=())

    def __post_init__(self) -> None:
        if self.kind not in OUTCOMES:
            raise UsageError(f"no study {self.kind!r}; there are: {', '.join(OUTCOMES)}")
        if self.information not in ("known", "dated"):
            raise UsageError(f"information is known or dated, not {self.information!r}")
        if not 0 <= self.gap_days < self.horizon_days:
            raise UsageError(f"a gap of {self.gap_days} days leaves no horizon; use 0 to 364")
        if self.look_back_months < MONTHS_AT_LEAST:
            raise UsageError(
                f"features look back {MONTHS_AT_LEAST} months at least, not {self.look_back_months}"
            )

    @property
    def outcomes(self) -> tuple[str, ...]:
        """The outcomes of this kind, in the order of the report."""
        return OUTCOMES[self.kind]


def standard(kind: Kind) -> Study:
    """Return the design of a kind as it is documented.

    Readmission takes complete claims: the annual files of hospitals, which hold every stay of the
    past months, come after the year, so nothing of a discharge is known on its day.
    """
    return Study(kind, information="known" if kind == "ald_onset" else "dated")


def months_before(day: datetime.date, months: int) -> datetime.date:
    """Return the same day of a month some months earlier; days after the 28th are cut to it."""
    place = day.year * 12 + day.month - 1 - months
    return datetime.date(place // 12, place % 12 + 1, min(day.day, 28))


def landmarks(
    first_day: datetime.date, last_day: datetime.date, study: Study
) -> tuple[tuple[datetime.date, ...], int]:
    """Return 1 January and 1 July of each year that the data allow, and the months of past.

    ``first_day`` and ``last_day`` bound the data. A landmark needs ``MONTHS_AT_LEAST`` months
    before it and its whole horizon after it. All landmarks look back as far as the first of them
    can, so that a feature means the same at each.

    Raises:
        UsageError: no landmark fits.
    """
    horizon = datetime.timedelta(days=study.horizon_days)
    wanted = study.landmarks or tuple(
        datetime.date(year, month, 1)
        for year in range(first_day.year, last_day.year + 1)
        for month in (1, 7)
    )
    kept = tuple(
        sorted(
            day
            for day in set(wanted)
            if months_before(day, MONTHS_AT_LEAST) >= first_day
            # A year of 366 days: the horizon of 1 January ends on 31 December or before.
            and day + horizon - datetime.timedelta(days=1) <= last_day
        )
    )
    if not kept:
        raise UsageError(
            f"no landmark has {MONTHS_AT_LEAST} months of data before it and {study.horizon_days} "
            f"days after it between {first_day} and {last_day}: build more years"
        )
    depth = study.look_back_months
    while months_before(kept[0], depth) < first_day:
        depth -= 1
    return kept, depth
