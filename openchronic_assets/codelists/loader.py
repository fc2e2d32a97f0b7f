"""Reading the code lists and algorithms that ship, and those that an institution brings."""

from __future__ import annotations

import dataclasses
import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from openchronic_assets.codelists.model import (
    SOURCES,
    Algorithm,
    CodeList,
    CodeListError,
    Criterion,
    Residual,
)

_HERE = Path(__file__).parent


@cache
def lists() -> tuple[str, ...]:
    """Return the names of the code lists that ship, sorted."""
    return tuple(sorted(_shipped()))


def load_list(name: str) -> CodeList:
    """Return a code list that ships.

    Raises:
        CodeListError: there is none of that name.
    """
    found = _shipped().get(name)
    if found is None:
        raise CodeListError(f"there is no code list {name}; see: openchronic codelist list")
    return found


@cache
def _shipped() -> dict[str, CodeList]:
    found: dict[str, CodeList] = {}
    for path in sorted((_HERE / "lists").glob("*.yaml")):
        for one in read_lists(path):
            if one.name in found:
                raise CodeListError(f"code list {one.name} is written twice, again in {path.name}")
            found[one.name] = one
    return found


def read_lists(path: Path) -> list[CodeList]:
    """Read the code lists of a YAML file: ``defaults`` for all of them, then ``lists``.

    Raises:
        CodeListError: the file is not well formed; the message names it.
    """
    document = _document(path)
    defaults = document.get("defaults") or {}
    known = {each.name for each in dataclasses.fields(CodeList)}
    found = []
    for number, entry in enumerate(document.get("lists") or [], 1):
        values: dict[str, Any] = {**defaults, **entry} if isinstance(entry, dict) else {}
        where = f"{path.name}, list {number}"
        if unknown := sorted(set(values) - known):
            raise CodeListError(f"{where}: {', '.join(map(str, unknown))} is not a field of a list")
        for field in ("codes", "exclude"):
            values[field] = tuple(
                code for each in values.get(field) or () for code in _expanded(str(each))
            )
        try:
            found.append(CodeList(**values))
        except TypeError as error:
            raise CodeListError(
                f"{where}: a list has at least name, system, codes, label_fr, label_en, flag and "
                "source"
            ) from error
    return found


def _expanded(code: str) -> list[str]:
    """Write a range of categories out: ``I20-I25`` is six prefixes."""
    found = re.fullmatch(r"([A-Z])(\d\d)-\1(\d\d)", code)
    if not found:
        return [code]
    letter, first, last = found.groups()
    return [f"{letter}{number:02}" for number in range(int(first), int(last) + 1)]


def algorithms() -> list[str]:
    """Return the versions of algorithms that ship, sorted: ``G6-like``."""
    return sorted(path.stem for path in (_HERE / "algorithms").glob("*.yaml"))


@cache
def load_algorithms(version: str) -> dict[str, Algorithm]:
    """Return the algorithms of a version by name, in their order.

    Raises:
        CodeListError: there is no such version, or it is not well formed: an unknown code list or
            algorithm, a nomenclature that does not fit its source, a circle of precedences.
    """
    path = _HERE / "algorithms" / f"{version}.yaml"
    if not path.is_file():
        raise CodeListError(
            f"there are no algorithms of version {version}; there are: {', '.join(algorithms())}"
        )
    return read_algorithms(path, _shipped())


def read_algorithms(path: Path, code_lists: dict[str, CodeList]) -> dict[str, Algorithm]:
    """Read the algorithms of a YAML file against the code lists that it may name."""
    document = _document(path)
    found: dict[str, Algorithm] = {}
    if parent := document.get("extends"):
        found.update(read_algorithms(path.with_name(f"{parent}.yaml"), code_lists))
    for entry in document.get("algorithms") or []:
        one = _algorithm(path, entry)
        found[one.name] = one
    for one in found.values():
        _check(path, one, found, code_lists)
    ordered(found)
    for one in found.values():
        _check_order(path, one, found)
    return found


def ordered(found: dict[str, Algorithm]) -> list[str]:
    """Return the names so that each comes after those that it requires or gives way to.

    Raises:
        CodeListError: they go round in a circle.
    """
    order: list[str] = []
    left = dict(found)
    while left:
        ready = [
            name for name, one in left.items() if not any(other in left for other in _named(one))
        ]
        if not ready:
            raise CodeListError(f"these algorithms wait for each other: {', '.join(sorted(left))}")
        order += ready
        for name in ready:
            del left[name]
    return order


def _named(one: Algorithm) -> list[str]:
    """Return the algorithms that one is made from."""
    found = [*one.members, *one.requires, *one.unless]
    for each in one.criteria:
        found += [*each.requires, *each.unless]
    return found


def leaves(name: str, found: dict[str, Algorithm]) -> tuple[str, ...]:
    """Return the algorithms that a union is made from, unions in it taken apart; else itself."""
    one = found[name]
    if not one.members:
        return (name,)
    return tuple(dict.fromkeys(leaf for each in one.members for leaf in leaves(each, found)))


def precedence(one: Algorithm, found: dict[str, Algorithm]) -> tuple[str, ...]:
    """Return the algorithms that take precedence over one, unions taken apart."""
    return tuple(dict.fromkeys(leaf for each in one.unless for leaf in leaves(each, found)))


def _document(path: Path) -> dict[str, Any]:
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise CodeListError(f"{path.name} is not a readable YAML file: correct it") from error
    if not isinstance(document, dict):
        raise CodeListError(f"{path.name} is not a YAML mapping: correct it")
    return document


def _algorithm(path: Path, entry: dict[str, Any]) -> Algorithm:
    values = dict(entry)
    name = values.get("name", "?")
    try:
        criteria = tuple(_criterion(each) for each in values.pop("criteria", ()))
        residual = values.pop("residual", None)
        if residual is not None:
            residual = Residual(residual["source"], tuple(residual.get("numbers") or ()))
        for key in ("members", "requires", "unless"):
            values[key] = tuple(values.get(key) or ())
        return Algorithm(criteria=criteria, residual=residual, **values)
    except (TypeError, KeyError, AttributeError) as error:
        raise CodeListError(
            f"{path.name}, algorithm {name}: a field is missing or unknown"
        ) from error


def _criterion(entry: dict[str, Any]) -> Criterion:
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()
    }
    pooled = values.pop("pooled", None) or ()
    return Criterion(pooled=tuple((each["source"], each["codes"]) for each in pooled), **values)


def _check(
    path: Path, one: Algorithm, found: dict[str, Algorithm], code_lists: dict[str, CodeList]
) -> None:
    where = f"{path.name}, algorithm {one.name}"
    for other in _named(one):
        if other not in found:
            raise CodeListError(f"{where}: there is no algorithm {other}")
    for each in one.criteria:
        coded = [(each.source, name) for name in (each.codes, each.beside, each.absent) if name]
        for source, name in (*coded, *each.pooled):
            if name not in code_lists:
                raise CodeListError(f"{where}: there is no code list {name}")
            system = code_lists[name].system
            if system != SOURCES[source]:
                raise CodeListError(
                    f"{where}: {name} is of {system}, and {source} is coded in {SOURCES[source]}"
                )


def _check_order(path: Path, one: Algorithm, found: dict[str, Algorithm]) -> None:
    """Refuse what cannot be said in one pass: who has met the criteria of another, and no more.

    Evaluation asks whether the criteria of the other algorithm are met, not whether it holds after
    its own precedences. Both are the same where what precedes the other precedes this one too.
    """
    where = f"{path.name}, algorithm {one.name}"
    before = set(precedence(one, found))
    for other in (*one.requires, *before):
        if found[other].members or not (
            set(precedence(found[other], found)) <= before
            and set(found[other].requires) <= {*one.requires}
        ):
            raise CodeListError(
                f"{where}: what {other} requires and gives way to, it must require and give way "
                "to as well"
            )
    for each in one.criteria:
        for other in (*each.requires, *each.unless):
            others = found[other]
            if (
                others.unless
                or others.requires
                or not others.criteria
                or any(inner.requires or inner.unless for inner in others.criteria)
            ):
                raise CodeListError(
                    f"{where}: a criterion requires {other}, which is not plain criteria"
                )
