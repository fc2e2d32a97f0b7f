"""Who may approve a release: two named people, neither of them who made it."""

from __future__ import annotations

import contextlib
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from typing import Any

from openchronic_assets.errors import Refused

DEMO_APPROVERS = ("demo-approver-1", "demo-approver-2")
DEMONSTRATION = "demonstration"
JOB = "refresh_years"
"""The job that makes candidates; it signs them and can approve none."""

_TITLES = frozenset(("dr", "docteur", "pr", "prof", "professeur", "m", "mr", "mme", "mlle", "ms"))
_producing: ContextVar[bool] = ContextVar("producing", default=False)


@contextlib.contextmanager
def producing() -> Iterator[None]:
    """Mark the block as the job that makes candidates: it cannot publish."""
    token = _producing.set(True)
    try:
        yield
    finally:
        _producing.reset(token)


def is_producing() -> bool:
    """Tell whether this is the job that makes candidates."""
    return _producing.get()


def same_person(one: str, other: str) -> bool:
    """Tell whether two names may be one person's.

    Case, accents, order, titles, marks, the domain of an address and initials make no difference:
    ``A. Lovelace``, ``LOVELACE Ada`` and ``ada.lovelace@example.org`` are one person.
    """
    left, right = _parts(one), _parts(other)
    if sorted(left) == sorted(right):
        return True
    short, long = sorted((left, right), key=lambda parts: (len(parts), sum(map(len, parts))))
    rest = list(long)
    whole = 0
    for part in sorted(short, key=len, reverse=True):
        match = next((r for r in rest if r == part), None)
        whole += match is not None
        if match is None and len(part) == 1:
            match = next((r for r in rest if r.startswith(part)), None)
        if match is None:
            match = next((r for r in rest if len(r) == 1 and part.startswith(r)), None)
        if match is None:
            return False
        rest.remove(match)
    # Something more than initials must agree, and a lone word is not a person of two names.
    return whole > 0 and len(short) == len(long)


def _parts(name: str) -> list[str]:
    text = unicodedata.normalize("NFKD", name.split("@")[0]).casefold()
    letters = "".join(
        c for c in text if not unicodedata.combining(c) and unicodedata.category(c) != "Cf"
    )
    found = re.findall(r"[^\W_]+", letters)
    return [part for part in found if part not in _TITLES] or found


def approved(
    approvers: Sequence[str],
    deliveries: Sequence[Mapping[str, Any]],
    purpose: str | None,
    makers: Sequence[str] = (),
) -> tuple[list[str], str]:
    """Return the approvers' names and the purpose, or refuse.

    Args:
        approvers: as given.
        deliveries: ``{id, generated}`` of each delivery behind the release.
        purpose: as given.
        makers: the job and the account that made the candidate.

    Raises:
        Refused: fewer than two different people, one of them made it, or the demonstration
            approvers, who come together and only for generated people, are misused.
    """
    names = [" ".join(unicodedata.normalize("NFKC", name).split()) for name in approvers]
    folded = {name.casefold() for name in names}
    if len(names) < 2 or not all(_parts(name) for name in names):
        raise Refused("two different approvers are needed, each with a name")
    generated = bool(deliveries) and all(entry["generated"] is True for entry in deliveries)
    if any(name.startswith("demo-approver") for name in folded):
        if folded != set(DEMO_APPROVERS) or len(names) != 2:
            raise Refused(
                "the demonstration approvers only act together and never with a person; "
                "name two people"
            )
        if not generated:
            raise Refused(
                "the demonstration approvers can only publish generated people, and an input "
                "delivery does not carry the generator's marker; name two people"
            )
        if purpose not in (None, DEMONSTRATION):
            raise Refused("the demonstration approvers can only publish a demonstration")
        return sorted(folded), DEMONSTRATION
    for place, name in enumerate(names):
        if any(same_person(name, other) for other in names[:place]):
            raise Refused("two different approvers are needed: the same person is named twice")
        if any(same_person(name, maker) for maker in makers):
            raise Refused("who made a candidate cannot approve it: two other people are needed")
    if purpose == DEMONSTRATION and not generated:
        raise Refused("a demonstration is made of generated people only")
    return names, purpose or "publication"
