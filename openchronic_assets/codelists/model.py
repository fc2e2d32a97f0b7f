"""The typed form of code lists and algorithms, and what makes them well formed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from openchronic_assets.errors import UsageError

SYSTEMS = {
    "CIM10": r"[A-Z][0-9]{2}[0-9A-Z+]*",
    "ATC": r"[A-Z]([0-9]{2}([A-Z]([A-Z]([0-9]{2})?)?)?)?",
    "CCAM": r"[A-Z]{4}[0-9]{3}|[A-Z]{2,4}[0-9]{0,3}",
    "GHM": r"[0-9]{2}[A-Z]?[0-9]{0,2}[A-Z0-9]?",
}
"""Nomenclatures of codes, each with the form of a prefix of one of its codes."""

FLAGS = ("V", "A")
"""V: read in a public source. A: our encoding of its prose, to be reviewed."""

SOURCES = {
    "ald": "CIM10",
    "stay": "CIM10",
    "psychiatry": "CIM10",
    "drug": "ATC",
    "act": "CCAM",
    "group": "GHM",
}
"""Where evidence comes from, each with the nomenclature of its codes."""

POSITIONS = ("DP", "DP_RUM", "DR", "DA")


class CodeListError(UsageError):
    """A code list or an algorithm is not well formed, or does not exist."""


@dataclass(frozen=True)
class CodeList:
    """A set of codes: those that begin with one of ``codes`` and with none of ``exclude``.

    Attributes:
        name: identifier, lower case.
        system: nomenclature, a key of ``SYSTEMS``.
        codes: prefixes, no dot, upper case.
        exclude: prefixes left out.
        label_fr, label_en: what it is.
        flag: ``V`` or ``A``.
        source: where the codes come from.
        author, reviewed_by, reviewed_on: who wrote and who checked it; None where nobody did.
        valid_from, valid_to: first and last year for which it is meant.
        concordance: identifiers of the same list elsewhere, by registry.
    """

    name: str
    system: str
    codes: tuple[str, ...]
    label_fr: str
    label_en: str
    flag: str
    source: str
    exclude: tuple[str, ...] = ()
    author: str | None = None
    reviewed_by: str | None = None
    reviewed_on: str | None = None
    valid_from: int | None = None
    valid_to: int | None = None
    concordance: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        where = f"code list {self.name}"
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.name):
            raise CodeListError(f"{where}: a name is lower-case letters, digits and _")
        if self.system not in SYSTEMS:
            raise CodeListError(f"{where}: system is one of {', '.join(SYSTEMS)}")
        if self.flag not in FLAGS:
            raise CodeListError(f"{where}: flag is V (read in a source) or A (our encoding)")
        if not self.codes:
            raise CodeListError(f"{where}: it holds no code")
        form = re.compile(SYSTEMS[self.system])
        for code in (*self.codes, *self.exclude):
            if not form.fullmatch(code):
                raise CodeListError(
                    f"{where}: {code!r} is no {self.system} code or prefix; write it in upper case "
                    "without dot"
                )
        for code in self.exclude:
            if not code.startswith(self.codes):
                raise CodeListError(f"{where}: {code} is excluded from what it does not hold")
        if len(set(self.codes)) != len(self.codes):
            raise CodeListError(f"{where}: a code stands twice")

    def holds(self, code: str | None) -> bool:
        """Whether a code, dots and case aside, is in the list; no code is in none."""
        if not code:
            return False
        plain = code.replace(".", "").strip().upper()
        return plain.startswith(self.codes) and not (
            bool(self.exclude) and plain.startswith(self.exclude)
        )


@dataclass(frozen=True)
class Criterion:
    """One way in which a person shows a disease in year n.

    Attributes:
        source: a key of ``SOURCES``.
        codes: name of the code list.
        window: first and last year, relative to n.
        positions: of a stay's diagnosis, any of ``POSITIONS``.
        beside: a second list that the same stay must hold, in ``beside_positions``.
        beside_positions: see ``beside``.
        started: first and last year, relative to n, in which the ALD began; None for no bound.
        dates: fewest different dates of dispensing (or of act).
        dates_large_pack: fewest dates where at least one pack is large; None where it is no matter.
        span: fewest days between the first and the last date.
        flag: ``V`` or ``A``.
    """

    source: str
    codes: str
    window: tuple[int, int] = (0, 0)
    positions: tuple[str, ...] = ()
    beside: str | None = None
    beside_positions: tuple[str, ...] = ()
    started: tuple[int | None, int | None] | None = None
    dates: int = 1
    dates_large_pack: int | None = None
    span: int = 0
    flag: str = "A"

    def __post_init__(self) -> None:
        where = f"criterion {self.source} of {self.codes}"
        if self.source not in SOURCES:
            raise CodeListError(f"{where}: source is one of {', '.join(SOURCES)}")
        if self.window[0] > self.window[1] or self.window[1] > 0:
            raise CodeListError(f"{where}: a window goes from an earlier year to at most n")
        of_stay = self.source in ("stay", "psychiatry")
        if of_stay != bool(self.positions) or not set(self.positions) <= set(POSITIONS):
            raise CodeListError(
                f"{where}: a stay, and nothing else, has positions: {', '.join(POSITIONS)}"
            )
        if (self.beside is None) != (not self.beside_positions):
            raise CodeListError(f"{where}: beside and beside_positions go together")
        if self.started is not None and self.source != "ald":
            raise CodeListError(f"{where}: only an ALD has a start")
        if self.dates < 1 or self.span < 0:
            raise CodeListError(f"{where}: dates is from 1, span from 0")
        if self.flag not in FLAGS:
            raise CodeListError(f"{where}: flag is V or A")


@dataclass(frozen=True)
class Algorithm:
    """Who is treated for a disease in a year: any criterion, except who has another disease.

    Attributes:
        name: the name of the top, as in the cartographie.
        label_fr, label_en: what it is.
        group: super-group.
        criteria: one is enough.
        requires: other algorithms that must hold too.
        unless: other algorithms that take precedence.
        sex: ``1`` men, ``2`` women, None both.
        note: the doubt that users must know.
    """

    name: str
    label_fr: str
    label_en: str
    group: str
    criteria: tuple[Criterion, ...]
    requires: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    sex: str | None = None
    note: str | None = None

    def __post_init__(self) -> None:
        where = f"algorithm {self.name}"
        if not self.criteria:
            raise CodeListError(f"{where}: it has no criterion")
        if self.sex not in (None, "1", "2"):
            raise CodeListError(f"{where}: sex is 1, 2 or left out")

    @property
    def flag(self) -> str:
        """``V`` where every criterion was read in a source, else ``A``."""
        return "V" if all(each.flag == "V" for each in self.criteria) else "A"
