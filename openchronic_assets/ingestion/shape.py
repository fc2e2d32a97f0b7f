"""The shape of a refused value: what may be shown of it in a report or a mail to the provider."""

from __future__ import annotations

LENGTH = 40  # characters of a shape


def shape_sql(text: str) -> str:
    """Return the SQL of a text's shape: ``31/02/2019`` is ``99/99/9999``, ``Abc-1`` is ``Aaa-9``.

    Letters and digits of any script, and whatever is not plain ASCII, are masked; what is left is
    punctuation. A shape holds no part of the value, so it may leave the quarantine.
    """
    small = r"[\p{Ll}\p{Lt}\p{Lm}\p{Lo}\p{M}]"
    masks = (r"\p{Nd}", "9"), (r"\p{Lu}", "A"), (small, "a"), ("[^ -~]", "?")
    shape = f"left({text}, {LENGTH})"
    for pattern, mask in masks:
        shape = f"regexp_replace({shape}, '{pattern}', '{mask}', 'g')"
    return f"{shape} || case when length({text}) > {LENGTH} then '…' else '' end"
