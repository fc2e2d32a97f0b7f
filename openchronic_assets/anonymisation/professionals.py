"""Nothing by doctor leaves, even under a pseudonym: what a column of professionals looks like."""

from __future__ import annotations

import re
from collections.abc import Iterable

from openchronic_assets.errors import Refused

_NAMED = re.compile(
    r"(^|[_\W])(doctors?|docteurs?|physicians?|medecins?|médecins?|gp|generalistes?|providers?|"
    r"practitioners?|praticiens?|prescribers?|prescripteurs?|performers?|executants?|exécutants?|"
    r"professionals?|professionnels?|rpps|adeli|pfs|psp|mtt)($|[_\W])",
    re.IGNORECASE,
)
# A pseudonym (hexadecimal), RPPS (11 digits), ADELI or a practitioner's number (8 or 9).
_PSEUDONYM = re.compile(r"(?=.*[a-f])(?=.*\d)[0-9a-f]{16,}", re.IGNORECASE)
_NUMBER = re.compile(r"\d{8,9}|\d{11}")

CATEGORIES = 12
"""A column named after professionals with more values than this tells them one by one."""


def refuse(columns: Iterable[tuple[str, Iterable[object]]], what: str) -> None:
    """Refuse a table that tells professionals one by one.

    Told by a column of pseudonyms, or by one named after professionals that holds their numbers or
    more than ``CATEGORIES`` values. A column of kinds (a specialty, yes or no) passes.

    Args:
        columns: names with their values.
        what: the table, for the message.

    Raises:
        Refused: a column tells professionals one by one.
    """
    for name, values in columns:
        told = {str(value).strip() for value in values if value is not None}
        many = _NAMED.search(name) is not None and (
            len(told) > CATEGORIES or any(_NUMBER.fullmatch(each) for each in told)
        )
        if many or any(_PSEUDONYM.fullmatch(each) for each in told):
            raise Refused(
                f"{what}: column {name} tells professionals or people one by one; results by "
                "doctor stay in the secure space, even under a pseudonym: take the column out, or "
                "group by place or specialty"
            )
