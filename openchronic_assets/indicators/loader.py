"""Reading the catalogue of indicators, strictly: what is not understood is refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from openchronic_assets.indicators.model import (
    CONDITION_SETS,
    ELIGIBLE,
    FLAGS,
    KINDS,
    POPULATIONS,
    STANDARDS,
    SUPPLIED,
    UNITS_COUNTED,
    Benchmark,
    CatalogueError,
    Codes,
    Exclusion,
    Family,
    Indicator,
    Source,
    Text,
)

_HERE = Path(__file__).parent / "catalogue"
# The same loader in C where there is one, many times faster.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
_CONDITION = re.compile(r"all|ald|no_ald|ald_\d\d|top_[a-z0-9_]+")
_REQUIRED = (
    "id", "version", "label", "kind", "unit", "scale", "unit_counted", "denominators", "says",
    "numerator", "denominator", "limits", "sources", "tables",
)  # fmt: skip
_OPTIONAL = (
    "quantile", "measure", "standardise", "ages", "years", "conditions", "by_establishment",
    "exclusions", "benchmarks", "codes", "query",
)  # fmt: skip


@cache
def families() -> dict[str, Family]:
    """Return the families that ship, by name, sorted."""
    return read(_HERE)


@cache
def catalogue() -> dict[str, Indicator]:
    """Return the indicators that ship, by identifier, family by family."""
    return {one.id: one for family in families().values() for one in family.indicators}


def indicator(name: str) -> Indicator:
    """Return an indicator.

    Raises:
        CatalogueError: there is none of that name.
    """
    if name not in catalogue():
        raise CatalogueError(f"there is no indicator {name}; see: openchronic indicators list")
    return catalogue()[name]


def read(folder: Path) -> dict[str, Family]:
    """Read every family of a folder.

    Raises:
        CatalogueError: a file is not well formed, or two indicators share a name.
    """
    found: dict[str, Family] = {}
    owners: dict[str, str] = {}
    for path in sorted(folder.glob("*.yaml")):
        family = read_family(path)
        for one in family.indicators:
            if one.id in owners:
                raise CatalogueError(f"{path.name}: {one.id} is already in {owners[one.id]}")
            owners[one.id] = path.name
        found[family.name] = family
    for family in found.values():
        own = {one.id for one in family.indicators if one.measure == one.id}
        for one in family.indicators:
            if one.measure not in own:
                raise CatalogueError(
                    f"{family.name}.yaml: {one.id}: measure {one.measure} is of no indicator there"
                )
    return found


def read_family(path: Path) -> Family:
    """Read the indicators of one family.

    Raises:
        CatalogueError: the file is not well formed; the message names it and the place.
    """
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise CatalogueError(f"{path.name} cannot be read as YAML") from error
    where = path.name
    top = _mapping(document, where, ("family", "label", "indicators"))
    name = str(top["family"])
    if name != path.stem or not _NAME.match(name):
        raise CatalogueError(f"{where}: family must be the name of the file, {path.stem}")
    if not isinstance(top["indicators"], list) or not top["indicators"]:
        raise CatalogueError(f"{where}: indicators must be a list, not empty")
    return Family(
        name=name,
        label=_text(top["label"], f"{where}: label"),
        indicators=tuple(
            _indicator(each, name, f"{where}: indicator {n}")
            for n, each in enumerate(top["indicators"], 1)
        ),
    )


def _indicator(given: object, family: str, where: str) -> Indicator:
    one = _mapping(given, where, _REQUIRED, _OPTIONAL)
    name = str(one["id"])
    where = f"{where.split(':')[0]}: {name}"
    if not _NAME.match(name):
        raise CatalogueError(f"{where}: id must be lower case letters, digits and _")
    kind = _among(one["kind"], KINDS, f"{where}: kind")
    quantile = one.get("quantile")
    if (kind == "quantile") != (quantile is not None):
        raise CatalogueError(f"{where}: quantile goes with kind quantile, and only with it")
    if quantile is not None and not 0 < float(quantile) < 1:
        raise CatalogueError(f"{where}: quantile must be between 0 and 1")
    denominators = _all_among(
        one["denominators"], (ELIGIBLE, *POPULATIONS), f"{where}: denominators"
    )
    if not denominators:
        raise CatalogueError(f"{where}: at least one denominator")
    if kind in ("mean", "ratio", "quantile") and denominators != (ELIGIBLE,):
        raise CatalogueError(f"{where}: a {kind} has the denominator {ELIGIBLE}")
    if ELIGIBLE in denominators and len(denominators) > 1:
        raise CatalogueError(f"{where}: {ELIGIBLE} goes with no other denominator")
    conditions = _strings(one.get("conditions", ["all"]), f"{where}: conditions")
    for each in conditions:
        if each not in CONDITION_SETS and not _CONDITION.fullmatch(each):
            raise CatalogueError(f"{where}: {each} is no condition nor set of conditions")
    if "own" in conditions and conditions != ("own",):
        raise CatalogueError(f"{where}: own goes with no other condition")
    expanded = set(conditions) - {"all", "own"}
    if expanded and set(denominators) & set(SUPPLIED):
        raise CatalogueError(
            f"{where}: a supplied population is not known by condition; "
            f"take {ELIGIBLE} or consumers, or only the condition all"
        )
    standardise = _all_among(one.get("standardise", []), STANDARDS, f"{where}: standardise")
    if kind in ("ratio", "quantile") and standardise:
        raise CatalogueError(f"{where}: a {kind} is not standardised")
    if kind == "mean" and "indirect" in standardise:
        raise CatalogueError(f"{where}: a mean is standardised directly only")
    scale = one["scale"]
    if not isinstance(scale, int | float) or isinstance(scale, bool) or scale <= 0:
        raise CatalogueError(f"{where}: scale must be a positive number")
    establishment = one.get("by_establishment", False)
    if not isinstance(establishment, bool):
        raise CatalogueError(f"{where}: by_establishment must be true or false")
    if establishment and denominators != (ELIGIBLE,):
        raise CatalogueError(f"{where}: by_establishment goes with the denominator {ELIGIBLE}")
    ages = _range(one.get("ages"), f"{where}: ages")
    years = _range(one.get("years"), f"{where}: years")
    return Indicator(
        id=name,
        family=family,
        version=str(one["version"]),
        label=_text(one["label"], f"{where}: label"),
        kind=kind,
        measure=str(one.get("measure", name)),
        unit=str(one["unit"]),
        scale=float(scale),
        unit_counted=_among(one["unit_counted"], UNITS_COUNTED, f"{where}: unit_counted"),
        denominators=denominators,
        standardise=standardise,
        conditions=conditions,
        says=_text(one["says"], f"{where}: says"),
        numerator=_text(one["numerator"], f"{where}: numerator"),
        denominator=_text(one["denominator"], f"{where}: denominator"),
        limits=_text(one["limits"], f"{where}: limits"),
        sources=tuple(_source(each, f"{where}: sources") for each in _list(one["sources"], where)),
        tables=_strings(one["tables"], f"{where}: tables"),
        query=str(one.get("query", "")).strip() or _query(name),
        quantile=None if quantile is None else float(quantile),
        age_from=ages[0],
        age_to=ages[1],
        year_from=years[0],
        year_to=years[1],
        by_establishment=establishment,
        exclusions=tuple(
            _exclusion(each, f"{where}: exclusions")
            for each in _list(one.get("exclusions", []), where)
        ),
        benchmarks=tuple(
            _benchmark(each, f"{where}: benchmarks")
            for each in _list(one.get("benchmarks", []), where)
        ),
        codes=tuple(_codes(each, f"{where}: codes") for each in _list(one.get("codes", []), where)),
    )


def _query(name: str) -> str:
    return (
        "select year, geo_code, sex, numerator, denominator, value, ci_low, ci_high\n"
        "from indicator\n"
        f"where indicator_id = '{name}' and geo_level = 'region' and age_group = 'all'\n"
        "  and std_method = 'none' and condition = 'all'\n"
        "order by year, geo_code, sex"
    )


def _exclusion(given: object, where: str) -> Exclusion:
    one = _mapping(given, where, ("code", "fr", "en"))
    if not _NAME.match(str(one["code"])):
        raise CatalogueError(f"{where}: a code is lower case letters, digits and _")
    return Exclusion(str(one["code"]), _text({k: one[k] for k in ("fr", "en")}, where))


def _source(given: object, where: str) -> Source:
    one = _mapping(given, where, ("text", "flag"))
    return Source(str(one["text"]).strip(), _among(one["flag"], FLAGS, f"{where}: flag"))


def _benchmark(given: object, where: str) -> Benchmark:
    one = _mapping(
        given, where, ("value", "year", "perimeter", "source", "flag"),
        ("condition", "denominator", "ages", "tolerance"),
    )  # fmt: skip
    return Benchmark(
        value=float(one["value"]),
        year=int(one["year"]),
        perimeter=_text(one["perimeter"], f"{where}: perimeter"),
        source=str(one["source"]).strip(),
        flag=_among(one["flag"], FLAGS, f"{where}: flag"),
        condition=str(one.get("condition", "all")),
        denominator=str(one.get("denominator", "")),
        ages=str(one.get("ages", "")),
        tolerance=_text(one.get("tolerance", {"fr": "", "en": ""}), where, may_be_empty=True),
    )


def _codes(given: object, where: str) -> Codes:
    one = _mapping(given, where, ("system", "codes", "what"))
    return Codes(
        str(one["system"]),
        _strings(one["codes"], f"{where}: codes"),
        _text(one["what"], f"{where}: what"),
    )


def _mapping(
    given: object, where: str, required: tuple[str, ...], optional: tuple[str, ...] = ()
) -> Mapping[str, Any]:
    if not isinstance(given, dict):
        raise CatalogueError(f"{where}: expected keys {', '.join(required)}")
    if missing := [key for key in required if key not in given]:
        raise CatalogueError(f"{where}: {', '.join(missing)} is missing")
    if unknown := sorted(str(key) for key in given if key not in (*required, *optional)):
        raise CatalogueError(f"{where}: {', '.join(unknown)} is not a key of the catalogue")
    return given


def _text(given: object, where: str, may_be_empty: bool = False) -> Text:
    one = _mapping(given, where, ("fr", "en"))
    text = Text(*(" ".join(str(one[language] or "").split()) for language in ("fr", "en")))
    if not may_be_empty and not (text.fr and text.en):
        raise CatalogueError(f"{where}: both fr and en must be written")
    return text


def _list(given: object, where: str) -> list[Any]:
    if not isinstance(given, list):
        raise CatalogueError(f"{where}: expected a list")
    return given


def _strings(given: object, where: str) -> tuple[str, ...]:
    found = _list(given, where)
    if not all(isinstance(each, str) for each in found):
        raise CatalogueError(f"{where}: expected a list of texts (put codes in quotes)")
    if len(set(found)) != len(found):
        raise CatalogueError(f"{where}: one is written twice")
    return tuple(found)


def _among(given: object, allowed: tuple[str, ...], where: str) -> str:
    if given not in allowed:
        raise CatalogueError(f"{where}: not one of {', '.join(allowed)}")
    return str(given)


def _all_among(given: object, allowed: tuple[str, ...], where: str) -> tuple[str, ...]:
    return tuple(_among(each, allowed, where) for each in _strings(given, where))


def _range(given: object, where: str) -> tuple[int | None, int | None]:
    if given is None:
        return None, None
    one = _mapping(given, where, (), ("from", "to"))
    for value in one.values():
        if not isinstance(value, int) or isinstance(value, bool):
            raise CatalogueError(f"{where}: from and to are whole numbers")
    low, high = one.get("from"), one.get("to")
    if low is not None and high is not None and low > high:
        raise CatalogueError(f"{where}: from is after to")
    return low, high
