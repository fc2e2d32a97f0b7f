"""Giving code lists and algorithms to another institution and taking theirs: no data on people.

A bundle is one YAML file of cards, with a fingerprint of each list's meaning (its nomenclature and
codes), so that two institutions can tell whether they count the same thing. A bundle of a version
of algorithms holds these and every list that they name. What is taken in lies under ``<registry>/``
of the user, algorithms in its folder ``algorithms``, and never changes what ships.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from openchronic_assets.codelists.loader import (
    algorithms,
    lists,
    load_algorithms,
    load_list,
    read_algorithms,
    read_lists,
)
from openchronic_assets.codelists.model import Algorithm, CodeList, CodeListError
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
    """Take a bundle into a registry; return what became of each: new, same, changed.

    Nothing is taken in unless everything can be: each card is well formed, says what its
    fingerprint says, and does not change what ships; algorithms name lists that are there.

    Raises:
        UsageError: there is no such file.
        CodeListError: a card is not well formed.
        Refused: a fingerprint differs, or a list or version that ships would change.
    """
    if not path.is_file():
        raise UsageError(f"{path}: there is no such file")
    incoming = read_lists(path)
    declared = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    version = declared.get("version")
    if not incoming and version is None:
        raise CodeListError(f"{path.name} holds no code list")
    prints = declared.get("fingerprints") or {}
    there = registry(folder)
    fate: dict[str, str] = {}
    for one in incoming:
        if one.name in fate:
            raise CodeListError(f"{path.name}: code list {one.name} stands twice")
        mine = there.get(one.name)
        meaning = fingerprint(one)
        fate[one.name] = _fate(
            path, one.name, meaning, prints.get(one.name, meaning),
            None if mine is None else fingerprint(mine), one.name in lists(),
        )  # fmt: skip
    bundle: dict[str, Algorithm] = {}
    if version is not None:
        _check_version(path, version)
        known = there | {one.name: one for one in incoming}
        bundle = read_algorithms(path, known)
        meaning = version_fingerprint(bundle, known)
        mine_there = version in versions(folder)
        fate[version] = _fate(
            path, version, meaning, prints.get(version, meaning),
            version_fingerprint(find_version(version, folder), there) if mine_there else None,
            version in algorithms(),
        )  # fmt: skip
    folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    for one in incoming:
        if fate[one.name] != "same":
            _write(folder / f"{one.name}.yaml", {"lists": [card(one)]})
    if version is not None and fate[version] != "same":
        (folder / "algorithms").mkdir(mode=0o750, exist_ok=True)
        document = {"algorithms": [algorithm_card(each) for each in bundle.values()]}
        _write(folder / "algorithms" / f"{version}.yaml", document)
    return fate


def _fate(path: Path, name: str, meaning: str, declared: str, mine: str | None, ships: bool) -> str:
    if declared != meaning:
        raise Refused(
            f"{path.name}: the codes of {name} are not those that its fingerprint says; ask for "
            "the file again"
        )
    if mine is None:
        return "new"
    if mine == meaning:
        return "same"
    if ships:
        raise Refused(
            f"{path.name}: {name} holds other codes than that of the same name that ships; have it "
            "renamed, then compare the two: openchronic codelist diff"
        )
    return "changed"


def _check_version(path: Path, version: object) -> None:
    if not isinstance(version, str) or not re.fullmatch(r"[A-Za-z0-9][\w.-]*", version):
        raise CodeListError(f"{path.name}: a version is letters, digits, dots, _ and -")


def versions(folder: Path | None) -> list[str]:
    """Return the versions of algorithms that ship and those taken in under ``folder``, sorted."""
    own = folder.glob("algorithms/*.yaml") if folder is not None else ()
    return sorted({*algorithms(), *(path.stem for path in own)})


def find_version(version: str, folder: Path | None) -> dict[str, Algorithm]:
    """Return the algorithms of a version, that ships or was taken in.

    Raises:
        CodeListError: there is no such version, or it is not well formed.
    """
    own = folder / "algorithms" / f"{version}.yaml" if folder is not None else None
    if version not in algorithms() and own is not None and version in versions(folder):
        return read_algorithms(own, registry(folder))
    return load_algorithms(version)


def version_fingerprint(found: Mapping[str, Algorithm], code_lists: Mapping[str, CodeList]) -> str:
    """Return what identifies the meaning of a version, whatever its labels and notes."""
    meaning = [
        [_rule(one) for one in sorted(found.values(), key=lambda one: one.name)],
        {name: fingerprint(code_lists[name]) for name in lists_of(found)},
    ]
    return hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()[:16]


def _rule(one: Algorithm) -> dict[str, Any]:
    """Return what an algorithm says, without its words and flags."""
    rule = algorithm_card(one)
    for word in ("label_fr", "label_en", "group", "note"):
        rule.pop(word, None)
    for each in rule.get("criteria", ()):
        each.pop("flag", None)
    return rule


def lists_of(found: Mapping[str, Algorithm]) -> list[str]:
    """Return the names of the code lists that algorithms name, sorted."""
    names: set[str] = set()
    for one in found.values():
        for each in one.criteria:
            names |= {each.codes, *(codes for _, codes in each.pooled)}
            names |= {name for name in (each.beside, each.absent) if name}
    return sorted(names)


def export_version(
    version: str, found: Mapping[str, Algorithm], code_lists: Mapping[str, CodeList],
    destination: Path,
) -> int:  # fmt: skip
    """Write a version of algorithms, with the lists that it names, as one file.

    Returns:
        How many lists; the same version, the same bytes.

    Raises:
        UsageError: the file is there.
    """
    if destination.exists():
        raise UsageError(f"{destination} is there already: name a new file")
    names = lists_of(found)
    prints = {name: fingerprint(code_lists[name]) for name in names}
    _write(
        destination,
        {
            "version": version,
            "fingerprints": prints | {version: version_fingerprint(found, code_lists)},
            "lists": [card(code_lists[name]) for name in names],
            "algorithms": [algorithm_card(one) for one in found.values()],
        },
    )
    return len(names)


def compare_versions(
    first: Mapping[str, Algorithm], second: Mapping[str, Algorithm]
) -> dict[str, str]:
    """Return each algorithm that differs between two versions: only in one of them, or changed."""
    fate = {name: "only in the first" for name in first if name not in second}
    fate |= {name: "only in the second" for name in second if name not in first}
    fate |= {
        name: "changed"
        for name, one in first.items()
        if name in second and _rule(one) != _rule(second[name])
    }
    return dict(sorted(fate.items()))


def algorithm_card(one: Algorithm) -> dict[str, Any]:
    """Return an algorithm as the fields of its card, those left at their default left out."""
    fields = _plain(one)
    for each, criterion in zip(fields.get("criteria", ()), one.criteria, strict=True):
        if criterion.pooled:
            each["pooled"] = [{"source": s, "codes": codes} for s, codes in criterion.pooled]
    return fields


def _plain(value: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for each in dataclasses.fields(value):
        found = getattr(value, each.name)
        if found == each.default:
            continue
        if dataclasses.is_dataclass(found):
            found = _plain(found)
        elif isinstance(found, tuple):
            found = [_plain(item) if dataclasses.is_dataclass(item) else item for item in found]
        fields[each.name] = found
    return fields


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
