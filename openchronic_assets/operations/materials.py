"""The bill of materials: what the lock file installs, as CycloneDX 1.6 JSON.

Versions and hashes come from ``requirements.lock``; licences from what each installed package says
of itself. A package of the lock that is not installed here (another system's) has no licence told.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Iterator
from email.message import Message
from importlib import metadata
from pathlib import Path
from typing import Any

from openchronic_assets import __version__
from openchronic_assets.errors import UsageError

LOCK = Path(__file__).resolve().parents[2] / "requirements.lock"
_PINNED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;\\]+)")


def write(destination: Path, lock: Path = LOCK) -> dict[str, Any]:
    """Write the bill of materials; the same lock and packages give the same bytes.

    Returns:
        ``components``, ``without_licence`` and the path.

    Raises:
        UsageError: the file exists, or the lock file is not beside the package.
    """
    if destination.exists():
        raise UsageError(f"{destination} exists: give a new file")
    if not lock.is_file():
        raise UsageError("requirements.lock is not beside the package: run it from a checkout")
    text = lock.read_text(encoding="utf-8")
    components = [*_components(text)]
    serial = uuid.UUID(hashlib.sha256(text.encode()).hexdigest()[:32], version=4)
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": "openchronic",
                "name": "openchronic",
                "version": __version__,
                "licenses": [{"license": {"id": "EUPL-1.2"}}],
            }
        },
        "components": components,
    }
    destination.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return {
        "page": str(destination),
        "components": len(components),
        "without_licence": sum("licenses" not in each for each in components),
    }


def _components(lock: str) -> Iterator[dict[str, Any]]:
    name = version = None
    hashes: dict[tuple[str, str], list[str]] = {}
    for line in lock.splitlines():
        if found := _PINNED.match(line):
            name, version = found[1], found[2]
            hashes.setdefault((name, version), [])
        if name and version and (found := re.search(r"--hash=sha256:([0-9a-f]{64})", line)):
            hashes[name, version].append(found[1])
    for (name, version), known in sorted(hashes.items()):
        purl = f"pkg:pypi/{re.sub(r'[-_.]+', '-', name).lower()}@{version}"
        component: dict[str, Any] = {
            "type": "library",
            "bom-ref": purl,
            "name": name,
            "version": version,
            "purl": purl,
            # One a file of the release; which of them a system takes is its own.
            "externalReferences": [
                {
                    "type": "distribution",
                    "url": purl,
                    "hashes": [{"alg": "SHA-256", "content": each} for each in sorted(known)],
                }
            ],
        }
        if licence := licence_of(name):
            component["licenses"] = [{"license": {"name": licence}}]
        yield component


def licence_of(name: str) -> str | None:
    """Return the licence that an installed package says it has."""
    try:
        said: Message = metadata.metadata(name)  # type: ignore[assignment]
    except metadata.PackageNotFoundError:
        return None
    if expression := said.get("License-Expression"):
        return str(expression)
    classified = [
        each.rsplit(" :: ", 1)[-1]
        for each in said.get_all("Classifier") or []
        if each.startswith("License :: ") and each != "License :: OSI Approved"
    ]
    if classified:
        return ", ".join(sorted(set(classified)))
    plain = (said.get("License") or "").strip().splitlines()
    return plain[0][:100] if plain and plain[0] != "UNKNOWN" else None
