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
        absent: a list that the same stay must not hold, in ``absent_positions``.
        absent_positions: see ``absent``.
        pooled: other sources and their lists, whose dates are counted together with these.
        started: first and last year, relative to n, in which the ALD began; None for no bound. As
            an ALD of year n began in n or before, one bound at least is (…, 0) or (None, …).
        dates: fewest different dates of dispensing (or of act; a stay of sessions counts them).
        dates_large_pack: fewest dates where at least one pack is large; None where it is no matter.
        span: fewest days between the first and the last date.
        requires: other algorithms whose criteria must be met too for this criterion to count.
        unless: other algorithms whose criteria, when met, make this one not count.
        parameter: the criterion counts only where the user sets this parameter.
        flag: ``V`` or ``A``.
    """

    source: str
    codes: str
    window: tuple[int, int] = (0, 0)
    positions: tuple[str, ...] = ()
    beside: str | None = None
    beside_positions: tuple[str, ...] = ()
    absent: str | None = None
    absent_positions: tuple[str, ...] = ()
    pooled: tuple[tuple[str, str], ...] = ()
    started: tuple[int | None, int | None] | None = None
    dates: int = 1
    dates_large_pack: int | None = None
    span: int = 0
    requires: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    parameter: str | None = None
    flag: str = "A"

    def __post_init__(self) -> None:
        where = f"criterion {self.source} of {self.codes}"
        for source in (self.source, *(each[0] for each in self.pooled)):
            if source not in SOURCES:
                raise CodeListError(f"{where}: source is one of {', '.join(SOURCES)}")
        if self.window[0] > self.window[1] or self.window[1] > 0:
            raise CodeListError(f"{where}: a window goes from an earlier year to at most n")
        of_stay = self.source in ("stay", "psychiatry")
        if of_stay != bool(self.positions) or not set(self.positions) <= set(POSITIONS):
            raise CodeListError(
                f"{where}: a stay, and nothing else, has positions: {', '.join(POSITIONS)}"
            )
        for name in ("beside", "absent"):
            positions = getattr(self, f"{name}_positions")
            if (getattr(self, name) is None) != (not positions):
                raise CodeListError(f"{where}: {name} and {name}_positions go together")
            if positions and (not of_stay or not set(positions) <= set(POSITIONS)):
                raise CodeListError(
                    f"{where}: only a stay has codes {name}, in positions: {', '.join(POSITIONS)}"
                )
        together = (self.source, *(each[0] for each in self.pooled))
        if self.pooled and {"stay", "psychiatry", "ald"} & set(together):
            raise CodeListError(f"{where}: only drugs, acts and groups are pooled")
        if self.started is not None:
            if self.source != "ald":
                raise CodeListError(f"{where}: only an ALD has a start")
            if self.window != (0, 0):
                raise CodeListError(
                    f"{where}: an ALD with a start is that of year n: window [0, 0]"
                )
            first, last = self.started
            if first is not None and last != 0:
                raise CodeListError(
                    f"{where}: started is [years, 0] (began since) or [null, years] (began before)"
                )
        if self.dates < 1 or self.span < 0:
            raise CodeListError(f"{where}: dates is from 1, span from 0")
        if self.dates_large_pack is not None and self.source != "drug":
            raise CodeListError(f"{where}: only drugs come in large packs")
        if self.flag not in FLAGS:
            raise CodeListError(f"{where}: flag is V or A")


@dataclass(frozen=True)
class Residual:
    """What no other algorithm of the version claims in year n.

    Attributes:
        source: ``ald`` (a long-term condition whose code no ``ald`` criterion names) or ``stay`` (a
            stay whose main diagnosis and group no criterion names).
        numbers: of the long-term condition; 0 stands for an unresolved one. None is any.
    """

    source: str
    numbers: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.source not in ("ald", "stay"):
            raise CodeListError("a residual is of source ald or stay")
        if (self.numbers and self.source != "ald") or not set(self.numbers) <= set(range(33)):
            raise CodeListError(
                "a residual of source ald has numbers from 0 to 32, a stay has none"
            )


@dataclass(frozen=True)
class Algorithm:
    """Who is treated for a disease in a year: any criterion, except who has another disease.

    Attributes:
        name: the name of the top, as in the cartographie; ``fact_…`` is a helper that others
            require and that is not published.
        label_fr, label_en: what it is.
        group: super-group.
        criteria: one is enough.
        residual: in place of criteria, what no other algorithm claims.
        members: in place of criteria, the algorithms of which this one is the union.
        requires: other algorithms that must hold too.
        unless: other algorithms that take precedence.
        sex: ``1`` men, ``2`` women, None both.
        note: the doubt that users must know.
    """

    name: str
    label_fr: str
    label_en: str
    group: str
    criteria: tuple[Criterion, ...] = ()
    residual: Residual | None = None
    members: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    sex: str | None = None
    note: str | None = None

    def __post_init__(self) -> None:
        where = f"algorithm {self.name}"
        ways = bool(self.criteria) + (self.residual is not None) + bool(self.members)
        if not ways and not self.requires:
            raise CodeListError(f"{where}: it has no criterion")
        if ways > 1:
            raise CodeListError(f"{where}: it has criteria, or a residual, or members")
        if self.members and (self.requires or self.unless or self.sex):
            raise CodeListError(f"{where}: a union takes its members as they are")
        if self.sex not in (None, "1", "2"):
            raise CodeListError(f"{where}: sex is 1, 2 or left out")

    @property
    def flag(self) -> str:
        """``V`` where every criterion was read in a source, else ``A``."""
        read = bool(self.criteria) and all(each.flag == "V" for each in self.criteria)
        return "V" if read else "A"

    @property
    def is_published(self) -> bool:
        """Whether it is a result, not a helper of others."""
        return not self.name.startswith("fact_")

    @property
    def is_chronic(self) -> bool:
        """Whether it counts in multimorbidity: a lasting disease of the cartographie."""
        return (
            self.name.startswith("top_")
            and not self.name.endswith(("_aig", "_med"))
            and self.group not in ("sup_Materni_cat", "sup_Covid_cat")
        )
