"""French words and numbers of the run report."""

from __future__ import annotations

from decimal import Decimal

REASONS = {
    "field_count": "la ligne n'a pas autant de champs que l'en-tête",
    "undecodable_byte": "la ligne contient un octet illisible",
    "nul_byte": "la ligne contient un octet nul",
    "line_too_long": "la ligne dépasse 16 Mio",
    "line_feed": "une valeur contient un saut de ligne",
    "empty_line": "la ligne est vide",
    "missing_key": "une colonne de clé est vide",
    "not_an_integer": "la valeur n'est pas un nombre entier",
    "not_a_decimal": "la valeur n'est pas un nombre",
    "too_many_decimals": "la valeur a plus de décimales que le contrat : la charger l'arrondirait",
    "not_a_date": "la valeur n'est pas une date au format de sa colonne",
    "not_a_year": "la valeur n'est pas une année à quatre chiffres",
    "not_a_month": "la valeur n'est pas un mois",
    "missing_column": "l'en-tête n'a pas une colonne exigée cette année-là",
    "column_twice": "l'en-tête nomme deux fois une colonne",
    "not_this_table": "l'en-tête n'est pas celui de la table",
    "structure_of_another_year": "l'en-tête a la structure d'une autre année",
}
STATES = {
    "loaded": "chargé",
    "refused": "refusé : sa structure est fausse, ses lignes sont en quarantaine",
    "unreadable": "illisible : rien n'en est chargé",
    "duplicate": "mêmes octets qu'un autre fichier, chargé une seule fois",
}
MONTHS = ("janv.", "févr.", "mars", "avril", "mai", "juin", "juil.", "août", "sept.", "oct.",
          "nov.", "déc.")  # fmt: skip
_NARROW = "\u202f"  # no line break inside a number


def number(value: int) -> str:
    """Return a whole number as French writes it: ``1 234``, with a narrow no-break space."""
    return f"{value:,}".replace(",", _NARROW)


def euros(value: Decimal) -> str:
    """Return an exact amount as French writes it, all its decimals kept: ``-1 234,50 €``."""
    whole, _, decimals = f"{value:,f}".partition(".")
    whole = whole.replace(",", _NARROW).replace("-", "−")
    return f"{whole},{decimals.rstrip('0').ljust(2, '0')}\u00a0€"


def share(part: int, whole: int) -> str:
    """Return a percentage; what is not nothing is never written ``0 %``, nor all ``100 %``."""
    if not whole:
        return "–"
    value = 100 * part / whole
    if part and value < 0.1:
        return "<\u00a00,1\u00a0%"
    if part < whole and value > 99.9:
        return ">\u00a099,9\u00a0%"
    return f"{value:.1f}\u00a0%".replace(".", ",").replace(",0\u00a0", "\u00a0")


def change(now: int, before: int) -> str:
    """Return how a count changed: ``+12,3 %``."""
    if now == before:
        return "="
    if not before:
        return "nouveau"
    return f"{100 * (now - before) / before:+.1f}\u00a0%".replace(".", ",").replace("-", "−")


def month(text: str) -> str:
    """Return a month in words: ``2019-03`` is ``mars 2019``; what is no month stays."""
    year, _, digits = text.partition("-")
    if len(year) == 4 and digits.isdigit() and 1 <= int(digits) <= 12:
        return f"{MONTHS[int(digits) - 1]} {year}"
    return "sans mois" if text == "none" else text
