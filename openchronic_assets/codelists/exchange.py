"""Giving code lists to another institution and taking theirs: no data on people, only codes.

A bundle is one YAML file of cards, with a fingerprint of each list's meaning (its nomenclature and
codes), so that two institutions can tell whether they count the same thing. Lists taken in lie
under ``<registry>/`` of the user and never change one that ships.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from openchronic_assets.codelists.loader import lists, load_list, read_lists
from openchronic_assets.codelists.model import CodeList, CodeListError
from openchronic_assets.errors import Refused, UsageError


@dataclasses.dataclass(frozen=True)
class Difference:
    """How two lists differ: prefixes that one holds and the other does not hold whole.

    Attributes:
        only_first, only_second: prefixes of one list that the other does not cover whole.
        same: whether they hold the same codes.
    """

    only_first: tuple[str, ...]
    only_second: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether both lists hold the same codes."""
        return not self.only_first and not self.only_second


def registry(folder: Path | None) -> dict[str, CodeList]:
    """Return every list that ships and those taken in under ``folder``, by name.

    Raises:
        CodeListError: a file of the folder is not well formed.
    """
    found = {name: load_list(name) for name in lists()}
    if folder is not None and folder.is_dir():
        for path in sorted(folder.glob("*.yaml")):
            found.update({one.name: one for one in read_lists(path)})
    return found


def fingerprint(one: CodeList) -> str:
    """Return what identifies the meaning of a list, whatever its name and labels."""
    included, excluded = _canonical(one)
    text = "\n".join((one.system, *included, "-", *excluded))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _canonical(one: CodeList) -> tuple[list[str], list[str]]:
    """Return prefixes without those that a shorter one already says, sorted."""

    def shortest(codes: Iterable[str]) -> list[str]:
        kept: list[str] = []
        for code in sorted(set(codes)):
            if not (kept and code.startswith(kept[-1])):
                kept.append(code)
        return kept

    excluded = shortest(one.exclude)
    # A prefix that an exclusion takes away whole says nothing.
    included = [c for c in shortest(one.codes) if not c.startswith(tuple(excluded) or ("\0",))]
    return included, [code for code in excluded if code.startswith(tuple(included) or ("\0",))]


def compare(first: CodeList, second: CodeList, codes: Iterable[str] = ()) -> Difference:
    """Compare two lists of one nomenclature.

    Args:
        first: a list.
        second: another.
        codes: every code of the nomenclature, where it is at hand: the comparison is then of the
            codes that each list holds; without it, of prefixes.

    Raises:
        UsageError: the lists are of two nomenclatures.
    """
    if first.system != second.system:
        raise UsageError(
            f"{first.name} is of {first.system} and {second.name} of {second.system}: they cannot "
            "be compared"
        )
    known = sorted(set(codes))
    if known:
        return Difference(
            tuple(code for code in known if first.holds(code) and not second.holds(code)),
            tuple(code for code in known if second.holds(code) and not first.holds(code)),
        )
    return Difference(_beyond(first, second), _beyond(second, first))


def _beyond(one: CodeList, other: CodeList) -> tuple[str, ...]:
    """Return the prefixes under which ``one`` holds codes that ``other`` does not.

    Where two lists are cut at different depths, the cut points of both divide the codes into
    regions that each list holds whole or not at all; a region is named by its prefix, followed by
    ``*`` where deeper cut points are taken out of it.
    """
    cuts = sorted({*one.codes, *one.exclude, *other.codes, *other.exclude})
    return tuple(
        cut + ("*" if any(each != cut and each.startswith(cut) for each in cuts) else "")
        for cut in cuts
        if one.holds(cut) and not other.holds(cut)
    )


def export(found: Mapping[str, CodeList], names: Iterable[str], destination: Path) -> int:
    """Write the cards of lists as one file and return how many; the same lists, the same bytes.

    Raises:
        UsageError: a name is unknown, or the file is there.
    """
    wanted = sorted(set(names))
    if unknown := [name for name in wanted if name not in found]:
        raise UsageError(
            f"there is no code list {', '.join(unknown)}; see: openchronic codelist list"
        )
    if destination.exists():
        raise UsageError(f"{destination} is there already: name a new file")
    document = {
        "fingerprints": {name: fingerprint(found[name]) for name in wanted},
        "lists": [card(found[name]) for name in wanted],
    }
    _write(destination, document)
    return len(wanted)


def take_in(path: Path, folder: Path) -> dict[str, str]:
    """Take the lists of a bundle into a registry; return what became of each: new, same, changed.

    Nothing is taken in unless everything can be: each card is well formed, says what its
    fingerprint says, and does not change a list that ships.

    Raises:
        UsageError: there is no such file.
        CodeListError: a card is not well formed.
        Refused: a fingerprint differs, or a list that ships would change.
    """
    if not path.is_file():
        raise UsageError(f"{path}: there is no such file")
    incoming = read_lists(path)
    if not incoming:
        raise CodeListError(f"{path.name} holds no code list")
    declared = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    declared = declared.get("fingerprints") or {}
    there = registry(folder)
    fate: dict[str, str] = {}
    for one in incoming:
        if one.name in fate:
            raise CodeListError(f"{path.name}: code list {one.name} stands twice")
        meaning = fingerprint(one)
        if declared.get(one.name, meaning) != meaning:
            raise Refused(
                f"{path.name}: the codes of {one.name} are not those that its fingerprint says; "
                "ask for the file again"
            )
        mine = there.get(one.name)
        if mine is None:
            fate[one.name] = "new"
        elif fingerprint(mine) == meaning:
            fate[one.name] = "same"
        elif one.name in lists():
            raise Refused(
                f"{path.name}: {one.name} holds other codes than the list of that name that ships; "
                "have it renamed, then compare the two: openchronic codelist diff"
            )
        else:
            fate[one.name] = "changed"
    folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    for one in incoming:
        if fate[one.name] != "same":
            _write(folder / f"{one.name}.yaml", {"lists": [card(one)]})
    return fate


def card(one: CodeList) -> dict[str, Any]:
    """Return a list as the fields of its card, those left empty left out."""
    fields: dict[str, Any] = {}
    for each in dataclasses.fields(one):
        value = getattr(one, each.name)
        if value not in (None, (), {}):
            fields[each.name] = list(value) if isinstance(value, tuple) else value
    return fields


def _write(path: Path, document: dict[str, Any]) -> None:
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=99)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
