"""The definition card of each indicator, in Markdown, French with an English twin.

One text for everybody who asks: the command line, files, the documentation of the tables and the
assets of Dagster.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from openchronic_assets.errors import OpenChronicError
from openchronic_assets.indicators import conditions
from openchronic_assets.indicators.loader import catalogue, families
from openchronic_assets.indicators.model import Benchmark, Family, Indicator, Text

LANGUAGES = ("fr", "en")

# Several versions of a code list are kept: a card shows the first codes and counts the others.
MOST_CODES = 60

_FLAGS = {
    "V": Text("lu dans la source nommée", "read in the source named"),
    "K": Text("de mémoire, à vérifier dans la source", "recalled, to be checked in the source"),
    "A": Text("choix d'Open Chronic", "a choice of Open Chronic"),
}
_KINDS = {
    "proportion": Text("proportion", "proportion"),
    "rate": Text("taux", "rate"),
    "mean": Text("moyenne", "mean"),
    "ratio": Text("rapport de deux sommes", "ratio of two sums"),
    "quantile": Text("quantile", "quantile"),
}
_INTERVALS = {
    "proportion": Text("Wilson, à 95 %", "Wilson, 95%"),
    "rate": Text("Byar, à 95 %", "Byar, 95%"),
    "mean": Text(
        "loi normale, à 95 %, à partir de 200 unités", "normal law, 95%, from 200 units on"
    ),
    "ratio": Text(
        "variance linéarisée, à 95 %, à partir de 200 unités",
        "linearised variance, 95%, from 200 units on",
    ),
    "quantile": Text("statistiques d'ordre, à 95 %", "order statistics, 95%"),
}
_STANDARDS = {
    "direct": Text(
        "directe sur la population européenne de 2013, par âge et sexe, intervalle de Dobson",
        "direct, on the European population of 2013, by age and sex, with Dobson's interval",
    ),
    "indirect": Text(
        "indirecte : observé sur attendu aux taux du pays par âge et sexe, intervalle de Byar",
        "indirect: observed over expected at the country's rates by age and sex, Byar's interval",
    ),
}
_DENOMINATORS = {
    "eligible": Text("les unités examinées", "the units examined"),
    "consumers": Text("les consommants de l'année", "the consumers of the year"),
    "consumer_years": Text(
        "les années d'observation des consommants", "the years over which consumers are observed"
    ),
    "resident_population": Text(
        "les habitants (fichier fourni)", "the residents (file to be supplied)"
    ),
    "insured_population": Text(
        "les assurés (fichier fourni)", "the insured people (file to be supplied)"
    ),
}
_UNITS = {
    "person": Text("personne", "person"),
    "stay": Text("séjour", "stay"),
    "visit": Text("passage ou contact", "visit"),
    "dispensing": Text("délivrance", "dispensing"),
    "amount": Text("montant", "amount"),
}
_WORDS = {
    "identifier": Text("Identifiant", "Identifier"),
    "says": Text("Ce que dit l'indicateur", "What the indicator says"),
    "numerator": Text("Numérateur", "Numerator"),
    "denominator": Text("Dénominateur", "Denominator"),
    "exclusions": Text("Exclusions", "Exclusions"),
    "none": Text("Aucune.", "None."),
    "method": Text("Méthode", "Method"),
    "limits": Text("Limites connues", "Known limits"),
    "codes": Text("Codes lus", "Codes read"),
    "tables": Text("Tables lues", "Tables read"),
    "sources": Text("Source de la règle", "Source of the rule"),
    "published": Text("Chiffres publiés", "Published figures"),
    "query": Text("Exemple de requête", "Example query"),
    "version": Text("version", "version"),
    "kind": Text("Nature", "Kind"),
    "unit": Text("Unité affichée", "Unit shown"),
    "scale": Text("valeur stockée multipliée par", "stored value multiplied by"),
    "counted": Text("Unité comptée", "Unit counted"),
    "by": Text("Rapporté à", "Measured against"),
    "interval": Text("Intervalle", "Interval"),
    "standard": Text("Standardisation", "Standardisation"),
    "no_standard": Text("aucune", "none"),
    "ages": Text("Âges visés", "Target ages"),
    "years": Text("Années de définition", "Years in which it is defined"),
    "conditions": Text("Conditions", "Conditions"),
    "own": Text(
        "chaque ligne porte la sienne (une ALD, une pathologie)",
        "each row is about its own (a long-term condition, a pathology)",
    ),
    "places": Text("Lieux", "Places"),
    "usual_places": Text(
        "pays, régions, départements, territoires fournis",
        "country, regions, departments, territories supplied",
    ),
    "establishments": Text("établissements", "establishments"),
    "more": Text("et {n} autres", "and {n} others"),
    "from": Text("à partir de", "from"),
    "to": Text("jusqu'à", "to"),
    "year": Text("Année", "Year"),
    "value": Text("Valeur publiée", "Published value"),
    "perimeter": Text("Périmètre", "Perimeter"),
    "source": Text("Source", "Source"),
    "gap": Text("Pourquoi la nôtre peut différer", "Why ours may differ"),
    "table": Text("Lignes dans la table", "Rows in table"),
    "measure": Text("mesure", "measure"),
    "index": Text("Catalogue des indicateurs", "Catalogue of indicators"),
    "indicator": Text("Indicateur", "Indicator"),
}  # fmt: skip


def card(one: Indicator, language: str = "fr", level: int = 1) -> str:
    """Return the card of an indicator in Markdown.

    Args:
        one: what the catalogue says of it.
        language: ``fr`` or ``en``.
        level: of its heading, so that a card can be a part of a longer text.
    """
    word = {name: _in(text, language) for name, text in _WORDS.items()}
    mark, colon = "#" * level, _colon(language)
    parts = [
        f"{mark} {plain(_in(one.label, language))}",
        f"{word['identifier']}{colon}`{one.id}`, {word['version']} {plain(one.version)}. "
        f"{word['table']} `{one.table}`, {word['measure']} `{one.measure}`.",
        plain(_in(one.says, language)),
        f"**{word['numerator']}.** {plain(_in(one.numerator, language))}",
        f"**{word['denominator']}.** {plain(_in(one.denominator, language))}",
        f"**{word['exclusions']}.**",
        _list(f"`{each.code}`{colon}{plain(_in(each.text, language))}" for each in one.exclusions)
        or word["none"],
        f"**{word['method']}.**",
        _list(_method(one, language)),
        f"**{word['limits']}.** {plain(_in(one.limits, language))}",
    ]
    if one.codes:
        parts += [f"**{word['codes']}.**", _list(_codes(one, language))]
    parts += [
        f"**{word['tables']}.** " + ", ".join(f"`{each}`" for each in one.tables),
        f"**{word['sources']}.**",
        _list(
            f"{plain(each.text)} ({_in(_FLAGS[each.flag], language)} [{each.flag}])"
            for each in one.sources
        ),
    ]
    if one.benchmarks:
        parts += [f"**{word['published']}.**", _published(one, language)]
    parts += [f"**{word['query']}.**", _fenced(one.query, "sql")]
    return "\n\n".join(parts) + "\n"


def family_cards(family: Family, language: str = "fr", level: int = 2) -> str:
    """Return the cards of a family, one after the other."""
    return "\n".join(card(one, language, level) for one in family.indicators)


def index(found: Iterable[Indicator], language: str = "fr") -> str:
    """Return a table of indicators: identifier, label, family."""
    word = {name: _in(text, language) for name, text in _WORDS.items()}
    rows = [
        [f"`{one.id}`", plain(_in(one.label, language)), f"`{one.table}`", plain(one.unit)]
        for one in found
    ]
    return table([word["identifier"], word["indicator"], "Table", word["unit"]], rows)


def described(model: str) -> str:
    """Return what a model's documentation says more, in both languages: '' for most models.

    A table of measures carries the cards of its family, the table of indicators lists them all.
    """
    if model == "indicator":
        return "\n\n".join(
            f"## {_in(_WORDS['index'], language)}\n\n{index(catalogue().values(), language)}"
            for language in LANGUAGES
        )
    family = families().get(model.removeprefix("measure_"))
    if family is None or not model.startswith("measure_"):
        return ""
    return "\n\n".join(
        f"# {plain(_in(family.label, language))}\n\n{family_cards(family, language)}"
        for language in LANGUAGES
    )


def write(folder: Path) -> list[Path]:
    """Write one card a language for each indicator, and an index; return the files.

    Raises:
        OpenChronicError: the folder cannot be written.
    """
    written: list[Path] = []
    try:
        for language in LANGUAGES:
            place = folder / language
            place.mkdir(parents=True, exist_ok=True)
            texts = {f"{one.id}.md": card(one, language) for one in catalogue().values()}
            title = _in(_WORDS["index"], language)
            texts["index.md"] = f"# {title}\n\n{index(catalogue().values(), language)}\n"
            for name, text in texts.items():
                (place / name).write_text(text, encoding="utf-8")
                written.append(place / name)
    except OSError as error:
        raise OpenChronicError(f"cards cannot be written in {folder}: {error.strerror}") from error
    return sorted(written)


def table(heads: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table of cells in Markdown: texts of others go through ``plain``."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def plain(text: str) -> str:
    """Return a text that Markdown shows as it stands: no markup, no HTML."""
    return re.sub(r"([\\`*\[\]<>#|]|(?<![^\W_])_|_(?![^\W_]))", r"\\\1", " ".join(text.split()))


def number(value: float, language: str = "fr", digits: int = 4) -> str:
    """Return a number to so many significant digits, as the language writes it."""
    text = f"{value:.{digits}g}"
    if "e" in text:
        text = f"{value:.0f}" if abs(value) >= 1 else f"{value:.10f}".rstrip("0")
    if language == "en":
        return text
    whole, _, decimals = text.partition(".")
    grouped = f"{int(whole):,}".replace(",", "\u202f") if len(whole.lstrip("-")) > 3 else whole
    return f"{grouped},{decimals}" if decimals else grouped


def _method(one: Indicator, language: str) -> list[str]:
    word = {name: _in(text, language) for name, text in _WORDS.items()}
    said = [
        (word["kind"], _in(_KINDS[one.kind], language)
         + (f" {number(one.quantile, language)}" if one.quantile is not None else "")),
        (word["unit"], f"{plain(one.unit)} ({word['scale']} {number(one.scale, language)})"),
        (word["counted"], _in(_UNITS[one.unit_counted], language)),
        (word["by"], " ; ".join(_in(_DENOMINATORS[each], language) for each in one.denominators)),
        (word["interval"], _in(_INTERVALS[one.kind], language)),
        (word["standard"], " ; ".join(_in(_STANDARDS[each], language) for each in one.standardise)
         or word["no_standard"]),
    ]  # fmt: skip
    for name, low, high in (
        ("ages", one.age_from, one.age_to),
        ("years", one.year_from, one.year_to),
    ):
        if low is not None or high is not None:
            spans = [f"{word['from']} {low}"] if low is not None else []
            spans += [f"{word['to']} {high}"] if high is not None else []
            said.append((word[name], " ".join(spans)))
    said.append((word["conditions"], _conditions(one, language)))
    places = word["usual_places"]
    if one.by_establishment:
        places += f", {word['establishments']}"
    said.append((word["places"], places))
    colon = _colon(language)
    return [f"{name}{colon}{what}" for name, what in said]


def _conditions(one: Indicator, language: str) -> str:
    if one.conditions == ("own",):
        return _in(_WORDS["own"], language)
    known = conditions.conditions()
    labels = [plain(_in(known[name].label, language)) for name in conditions.of(one)]
    shown = labels[:6]
    if len(labels) > len(shown):
        shown.append(_in(_WORDS["more"], language).format(n=len(labels) - len(shown)))
    return " ; ".join(shown)


def _codes(one: Indicator, language: str) -> list[str]:
    lines = []
    for each in one.codes:
        shown = ", ".join(f"`{code}`" for code in each.codes[:MOST_CODES])
        if len(each.codes) > MOST_CODES:
            more = _in(_WORDS["more"], language).format(n=len(each.codes) - MOST_CODES)
            shown = f"{shown} {more}"
        what = f"{plain(_in(each.what, language))} ({plain(each.system)})"
        lines.append(f"{what}{_colon(language)}{shown}")
    return lines


def _published(one: Indicator, language: str) -> str:
    word = {name: _in(text, language) for name, text in _WORDS.items()}
    heads = [word[name] for name in ("year", "value", "perimeter", "source", "gap")]
    return table(
        heads,
        [
            [
                str(each.year),
                f"{number(each.value * one.scale, language)} {plain(one.unit)}",
                _perimeter(each, language),
                f"{plain(each.source)} ({_in(_FLAGS[each.flag], language)} [{each.flag}])",
                plain(_in(each.tolerance, language)),
            ]
            for each in one.benchmarks
        ],
    )


def _perimeter(each: Benchmark, language: str) -> str:
    known = conditions.conditions().get(each.condition)
    parts = [_in(each.perimeter, language)]
    if known is not None and each.condition != "all":
        parts.append(_in(known.label, language))
    return plain(", ".join([*parts, *([each.ages] if each.ages else [])]))


def _in(text: Text, language: str) -> str:
    return text.fr if language == "fr" else text.en


def _colon(language: str) -> str:
    return " : " if language == "fr" else ": "


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _fenced(text: str, kind: str) -> str:
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{kind}\n{text}\n{fence}"
