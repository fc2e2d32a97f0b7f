"""What the catalogue says of an indicator."""

from __future__ import annotations

from dataclasses import dataclass, field

from openchronic_assets.errors import UsageError

KINDS = ("proportion", "rate", "mean", "ratio", "quantile")
"""A share of units; events over time or people; a mean, a ratio of sums, a quantile of units."""

ELIGIBLE = "eligible"
POPULATIONS = ("consumers", "consumer_years", "resident_population", "insured_population")
"""Denominators counted apart from the measure's rows (domain decision 6)."""

SUPPLIED = ("resident_population", "insured_population")
"""Those that the user supplies as a file."""

STANDARDS = ("direct", "indirect")
UNITS_COUNTED = ("person", "stay", "visit", "dispensing", "amount")
FLAGS = ("V", "K", "A")
"""How sure a fact is: read in the named source, recalled, our own choice."""

CONDITION_SETS = ("all", "ald", "ald_numbers", "pathologies", "own")


class CatalogueError(UsageError):
    """A file of the catalogue cannot be used; the message names it and the place."""


@dataclass(frozen=True)
class Text:
    """A text in French and English."""

    fr: str
    en: str


@dataclass(frozen=True)
class Exclusion:
    """Why a unit of the target population is not counted, as ``excl_code`` writes it."""

    code: str
    text: Text


@dataclass(frozen=True)
class Source:
    """Where a rule comes from, and how sure that is."""

    text: str
    flag: str


@dataclass(frozen=True)
class Benchmark:
    """A published figure to compare with, unscaled as ``indicator.value`` is."""

    value: float
    year: int
    perimeter: Text
    source: str
    flag: str
    condition: str = "all"
    denominator: str = ""
    ages: str = ""
    tolerance: Text = Text("", "")


@dataclass(frozen=True)
class Codes:
    """Codes that the rule reads."""

    system: str
    codes: tuple[str, ...]
    what: Text


@dataclass(frozen=True)
class Indicator:
    """An indicator: its rows are those of ``measure`` in ``measure_<family>``.

    ``denominators`` lists how it is published; the first is the main one, by which it is broken
    down by sex and age. ``age_from`` and ``age_to`` cut the standard population.
    """

    id: str
    family: str
    version: str
    label: Text
    kind: str
    measure: str
    unit: str
    scale: float
    unit_counted: str
    denominators: tuple[str, ...]
    standardise: tuple[str, ...]
    conditions: tuple[str, ...]
    says: Text
    numerator: Text
    denominator: Text
    limits: Text
    sources: tuple[Source, ...]
    tables: tuple[str, ...]
    query: str
    quantile: float | None = None
    age_from: int | None = None
    age_to: int | None = None
    year_from: int | None = None
    year_to: int | None = None
    by_establishment: bool = False
    exclusions: tuple[Exclusion, ...] = ()
    benchmarks: tuple[Benchmark, ...] = ()
    codes: tuple[Codes, ...] = ()

    @property
    def table(self) -> str:
        """The measure table."""
        return f"measure_{self.family}"


@dataclass(frozen=True)
class Family:
    """The indicators that one measure table holds."""

    name: str
    label: Text
    indicators: tuple[Indicator, ...] = field(default_factory=tuple)
