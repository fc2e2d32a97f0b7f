"""Why a number moved, as one page in French: Markdown, and the same as HTML without network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path

from openchronic_assets.indicators import page
from openchronic_assets.indicators.cards import plain, table
from openchronic_assets.indicators.explain import CAUSES, QUANTITIES, Explanation
from openchronic_assets.indicators.model import Text
from openchronic_assets.settings import Home

LABELS = {
    "rule": Text("Règle de calcul", "Rule"),
    "algorithm": Text("Version des algorithmes et des listes", "Version of algorithms and lists"),
    "late_flux": Text("Flux tardif", "Late flux"),
    "regularisation": Text("Régularisations", "Regularisations"),
    "referential": Text("Révision des référentiels", "Revision of referentials"),
}
_MEANINGS = {
    "rule": "le code des modèles a changé entre les deux builds",
    "algorithm": "les listes de codes, les versions des algorithmes et leurs paramètres ont changé",
    "late_flux": "des remboursements, des séjours ou des décès sont arrivés depuis, ou ont été "
    "livrés à nouveau ; des années voisines ont été construites",
    "regularisation": "des lignes de remboursement reprennent des soins (quantité négative), avec "
    "leurs détails",
    "referential": "un autre millésime des référentiels (bénéficiaires, ALD, populations…) est lu",
}
_NAMES = {"numerator": "Numérateur", "denominator": "Dénominateur", "value": "Valeur"}
_UNDIVIDED = {
    "both": "aucun des deux builds n'a de valeur",
    "before": "le build de départ n'a pas de valeur",
    "after": "le build d'arrivée n'a pas de valeur",
    "between": "un calcul intermédiaire n'a pas de valeur",
}
_DIGITS = 6  # significant digits of the largest figure of a column
_NARROW = "\u202f"


def markdown(found: Explanation) -> str:
    """Return the page: the figures, what each cause adds, and what the two builds read."""
    one = found.indicator
    unit = f"Valeur ({plain(one.unit)})" if one.unit else "Valeur"
    columns = {quantity: _column(found, quantity) for quantity in QUANTITIES}
    heads = ["", _NAMES["numerator"], _NAMES["denominator"], unit]
    names = ["Build de départ", *(LABELS[cause].fr for cause in CAUSES), "Build d'arrivée"]
    rows = []
    for number, name in enumerate(names):
        mark = "**" if number in (0, len(names) - 1) else ""
        cells = [columns[quantity][number] for quantity in QUANTITIES]
        rows.append([f"{mark}{each}{mark}" if each else "" for each in (name, *cells)])
    condition = "" if found.condition == "all" else f", condition `{plain(found.condition)}`"
    parts = [
        f"# Pourquoi ce chiffre a bougé : {plain(one.label.fr)}",
        f"Indicateur `{one.id}`, année {found.year}, France entière{condition}. Du build "
        f"`{plain(found.before)}` au build `{plain(found.after)}`.",
        table(heads, rows),
        "Les lignes s'additionnent exactement : départ, plus chaque cause, égale arrivée. Les "
        "chiffres sont arrondis de façon que la somme reste juste.",
    ]
    parts += [
        f"> {_NAMES[quantity]} : {_UNDIVIDED[where]}, l'écart n'est pas décomposé."
        + _absence(found, where)
        for quantity, where in found.undivided.items()
    ]
    parts += ["## Ce que dit chaque ligne", _list(
        f"**{LABELS[cause].fr}** : {_MEANINGS[cause]}." for cause in CAUSES
    )]  # fmt: skip
    parts += [
        "L'indicateur est recalculé avec le code d'aujourd'hui sur ce que lisait le build de "
        "départ, puis en prenant au build d'arrivée, l'un après l'autre dans l'ordre du tableau, "
        "ses listes, son flux, ses régularisations et ses référentiels. Ce qui tient à deux causes "
        "à la fois est compté avec la plus tardive dans cet ordre. Un code passé ne se rejoue "
        "pas : son effet est ce qui reste entre le chiffre publié et le code d'aujourd'hui.",
        "## Ce qui diffère entre les deux builds",
        _list(_differences(found)),
    ]
    return "\n\n".join(parts) + "\n"


def write(home: Home, found: Explanation) -> tuple[Path, Path]:
    """Write the page under ``lake/reports/indicators`` and return its Markdown and its HTML.

    Raises:
        OpenChronicError: the folder cannot be written.
    """
    name = f"explain-{found.indicator.id}-{found.year}-{found.before}-{found.after}"
    if found.condition != "all":
        name += f"-{found.condition}"
    return page.write(home, name, f"Pourquoi {found.indicator.id} a bougé", markdown(found))


def to_json(found: Explanation) -> dict[str, object]:
    """Return the explanation as JSON types: figures as text, so that they sum exactly."""
    return {
        "indicator": found.indicator.id,
        "year": found.year,
        "condition": found.condition,
        "from": found.before,
        "to": found.after,
        "quantities": {
            quantity: {
                "from": _text(found.first.of(quantity)),
                "to": _text(found.last.of(quantity)),
                "causes": {
                    cause: _text(value) for cause, value in found.parts.get(quantity, {}).items()
                },
                "undivided": found.undivided.get(quantity),
            }
            for quantity in QUANTITIES
        },
        "facts": dict(found.facts),
    }


def rounded(
    first: Decimal, parts: Mapping[str, Decimal], last: Decimal, digits: int
) -> list[Decimal]:
    """Return first, the parts and last, each rounded so that the sum still holds.

    Each part is the distance between two rounded running totals.
    """
    step = Decimal(1).scaleb(-digits)
    total = first
    before = first.quantize(step)
    told = [before]
    for cause in CAUSES:
        total += parts[cause]
        now = total.quantize(step)
        told.append(now - before)
        before = now
    assert total == last
    return [*told, before]


def _column(found: Explanation, quantity: str) -> list[str]:
    first, last = found.first.of(quantity), found.last.of(quantity)
    scale = Decimal(repr(found.indicator.scale)) if quantity == "value" else Decimal(1)
    parts = found.parts.get(quantity)
    if parts is None or first is None or last is None:
        shown = ["absente" if each is None else _number(each * scale, 6) for each in (first, last)]
        return [shown[0], *[""] * len(CAUSES), shown[1]]
    digits = _digits([first * scale, last * scale])
    told = rounded(first * scale, {c: v * scale for c, v in parts.items()}, last * scale, digits)
    return [
        _number(told[0], digits),
        *(_number(each, digits, signed=True) for each in told[1:-1]),
        _number(told[-1], digits),
    ]


def _digits(figures: list[Decimal]) -> int:
    """Return how many decimals to show: none of whole numbers, else enough to see a change."""
    if all(each == each.to_integral_value() for each in figures):
        return 0
    largest = max(abs(each) for each in figures)
    return max(2, _DIGITS - 1 - largest.adjusted())


def _number(value: Decimal, digits: int, signed: bool = False) -> str:
    value = value.quantize(Decimal(1).scaleb(-digits))
    whole, _, decimals = f"{abs(value):,f}".partition(".")
    text = whole.replace(",", _NARROW) + (f",{decimals}" if decimals else "")
    if value < 0:
        return f"−{text}"
    return f"+{text}" if signed and value else text


def _differences(found: Explanation) -> list[str]:
    facts = found.facts
    if facts["taken_over"]:
        return ["Rien : le build d'arrivée a repris cette année telle qu'elle était."]
    cutoffs = [each or "aucun" for each in facts["flux_cutoff"]]
    said = [f"Dernier mois de flux : {cutoffs[0]}, puis {cutoffs[1]}."]
    tables = facts["tables"]
    for cause, words in (
        ("late_flux", "Tables livrées à nouveau ou complétées"),
        ("referential", "Référentiels d'un autre millésime"),
    ):
        listed = ", ".join(f"`{each}`" for each in tables[cause])
        said.append(
            f"{words} : {listed or 'aucune' if cause == 'late_flux' else listed or 'aucun'}."
        )
    lists = ", ".join(f"`{each}`" for each in facts["lists"])
    said.append(f"Listes et paramètres qui diffèrent : {lists or 'aucun'}.")
    versions = facts["openchronic"]
    code = "le même code" if facts["same_code"] else "un autre code"
    said.append(f"Open Chronic {plain(versions[0])}, puis {plain(versions[1])} : {code}.")
    if not any(facts["code_of_today"]):
        said.append(
            "Aucun des deux builds n'a été fait par le code d'aujourd'hui : la ligne « "
            f"{LABELS['rule'].fr} » réunit ce que les changements de code font aux deux bouts."
        )
    return said


def _absence(found: Explanation, where: str) -> str:
    level = found.first if where == "before" else found.last
    return f" Motif : `{plain(level.absence)}`." if level.absence else ""


def _text(value: Decimal | None) -> str | None:
    return None if value is None else f"{value:f}"


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
