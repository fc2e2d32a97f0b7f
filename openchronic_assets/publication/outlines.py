"""The outlines of the departments, drawn in the frame of the page: mainland, insets, Paris closer.

A frame is planar: ``{"width", "height", "credit", "panels": [{"id", "label", "box", "shapes":
{code: path}, "borders": path}]}``. The same department may be in two panels. ``borders`` are the
edges between regions. The frame that ships is ``vendor/outlines.json``; a user's file of
administrative limits (IGN) takes its place.
"""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from openchronic_assets.errors import UsageError

Point = tuple[float, float]
Ring = list[Point]
Frame = dict[str, Any]

SHIPPED = Path(__file__).parent / "vendor" / "outlines.json"
OVERSEAS = {
    "971": "Guadeloupe",
    "972": "Martinique",
    "973": "Guyane",
    "974": "La Réunion",
    "976": "Mayotte",
}
NEAR_PARIS = ("75", "92", "93", "94")
METROPOLITAN = tuple(
    f"{number:02d}" if number != 20 else code
    for number in range(1, 96)
    for code in (("2A", "2B") if number == 20 else ("",))
)
CODES = frozenset((*METROPOLITAN, *OVERSEAS))

WIDTH, HEIGHT = 720, 600
MAIN_BOX = (108.0, 8.0, 604.0, 584.0)
PARIS_BOX = (8.0, 8.0, 116.0, 92.0)
_INSET, _INSETS_FROM, _GAP = 84.0, 112.0, 13.0
GRID = 0.25  # of the frame: shared edges stay shared, whatever the detail of the file
LARGEST = 1_500_000  # bytes of a frame

_CODE_NAMES = ("code", "code_insee", "insee_dep", "code_dept", "codedept", "dep", "ddep_c_cod")


def shipped() -> Frame:
    """Return the frame that ships with the atlas."""
    frame: Frame = json.loads(SHIPPED.read_text(encoding="utf-8"))
    return frame


def read(path: Path, region_of: Mapping[str, str], credit: str = "") -> Frame:
    """Return the frame of a user's GeoJSON or TopoJSON in longitude and latitude.

    Args:
        path: the file; each feature is a department, its code in a property such as ``code``,
            ``code_insee`` or ``INSEE_DEP``.
        region_of: region of each department, for the borders between regions.
        credit: who made the outlines, shown under the map.

    Raises:
        UsageError: the file cannot be read, a code of the 101 is missing or there twice, a shape
            has no area, the frame is too large.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        found = dict(_departments(document, path))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UsageError(f"{path}: no readable GeoJSON or TopoJSON of departments") from error
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise UsageError(f"{path}: not a GeoJSON or TopoJSON of departments") from error
    if missing := sorted(CODES - set(found)):
        raise UsageError(
            f"{path}: outlines are missing for {', '.join(missing)}; the atlas needs the "
            f"{len(CODES)} departments"
        )
    for code, rings in found.items():
        if any(not (-180 <= x <= 180 and -90 <= y <= 90) for ring in rings for x, y in ring):
            raise UsageError(
                f"{path}: coordinates of {code} are not longitudes and latitudes; convert the "
                "file to WGS 84 (EPSG:4326)"
            )
        if not math.fsum(abs(_area(ring)) for ring in rings):
            raise UsageError(f"{path}: the outline of {code} has no area")
    frame = compose(
        {code: [list(map(_lambert, ring)) for ring in found[code]] for code in METROPOLITAN},
        {code: _flat(found[code]) for code in OVERSEAS},
        region_of,
        credit or f"Contours : {path.name}",
    )
    size = len(json.dumps(frame))
    if size > LARGEST:
        raise UsageError(f"{path}: the outlines take {size} bytes; simplify the file first")
    return frame


def compose(
    mainland: Mapping[str, list[Ring]],
    overseas: Mapping[str, list[Ring]],
    region_of: Mapping[str, str],
    credit: str,
) -> Frame:
    """Place planar rings (y down) in the frame: mainland, five insets, Paris and its neighbours."""
    panels = [_panel("main", "France métropolitaine", MAIN_BOX, mainland, region_of)]
    near = {code: mainland[code] for code in NEAR_PARIS}
    panels.append(_panel("paris", "Paris et petite couronne", PARIS_BOX, near, region_of))
    for place, (code, name) in enumerate(OVERSEAS.items()):
        box = (8.0, _INSETS_FROM + place * (_INSET + _GAP), _INSET, _INSET)
        panels.append(_panel(code, name, box, {code: overseas[code]}, region_of))
    return {"width": WIDTH, "height": HEIGHT, "credit": credit, "panels": panels}


def _panel(
    name: str,
    label: str,
    box: tuple[float, float, float, float],
    shapes: Mapping[str, list[Ring]],
    region_of: Mapping[str, str],
) -> dict[str, Any]:
    fit = _fitted([ring for rings in shapes.values() for ring in rings], box)
    drawn = {
        code: [placed for ring in rings if len(placed := _placed(ring, fit)) > 2]
        for code, rings in sorted(shapes.items())
    }
    return {
        "id": name,
        "label": label,
        "box": [round(each, 1) for each in box],
        "shapes": {code: "".join(_path(ring, True) for ring in drawn[code]) for code in drawn},
        "boxes": {code: _bounds(rings) for code, rings in drawn.items()},
        "borders": "".join(_path(line, False) for line in _borders(drawn, region_of)),
    }


def _fitted(rings: list[Ring], box: tuple[float, float, float, float]) -> Callable[[Point], Point]:
    left, top, width, height = box
    xs = [x for ring in rings for x, _ in ring]
    ys = [y for ring in rings for _, y in ring]
    scale = min(width / (max(xs) - min(xs)), height / (max(ys) - min(ys)))
    x0 = left + (width - scale * (max(xs) - min(xs))) / 2 - scale * min(xs)
    y0 = top + (height - scale * (max(ys) - min(ys))) / 2 - scale * min(ys)

    def fit(point: Point) -> Point:
        x, y = x0 + scale * point[0], y0 + scale * point[1]
        return round(x / GRID) * GRID, round(y / GRID) * GRID

    return fit


def _placed(ring: Ring, fit: Callable[[Point], Point]) -> Ring:
    placed: Ring = []
    for point in map(fit, ring):
        if not placed or placed[-1] != point:
            placed.append(point)
    if len(placed) > 1 and placed[0] == placed[-1]:
        placed.pop()
    return placed


def _bounds(rings: list[Ring]) -> list[float]:
    xs = [x for ring in rings for x, _ in ring]
    ys = [y for ring in rings for _, y in ring]
    return [min(xs), min(ys), max(xs), max(ys)] if xs else [0, 0, 0, 0]


def _path(points: Ring, closed: bool) -> str:
    """Return a path of SVG, in steps from point to point: half the size of absolute places."""
    if not points:
        return ""
    (x, y), steps = points[0], []
    for a, b in points[1:]:
        steps.append(f"{a - x:g},{b - y:g}")
        x, y = a, b
    return f"M{points[0][0]:g},{points[0][1]:g}l{' '.join(steps)}{'z' if closed else ''}"


def _borders(shapes: Mapping[str, list[Ring]], region_of: Mapping[str, str]) -> Iterator[Ring]:
    """Yield the lines of edges that departments of two regions share."""
    sides: dict[tuple[Point, Point], set[str]] = defaultdict(set)
    for code, rings in shapes.items():
        for ring in rings:
            for a, b in zip(ring, [*ring[1:], ring[0]], strict=True):
                sides[(a, b) if a < b else (b, a)].add(region_of.get(code, code))
    edges = {edge for edge, regions in sides.items() if len(regions) > 1}
    ends: dict[Point, set[Point]] = defaultdict(set)
    for a, b in edges:
        ends[a].add(b)
        ends[b].add(a)
    while edges:
        start = min(min(edge) for edge in edges)
        line = [start]
        while following := sorted(
            point for point in ends[line[-1]] if _edge(line[-1], point) in edges
        ):
            edges.discard(_edge(line[-1], following[0]))
            line.append(following[0])
        yield line


def _edge(a: Point, b: Point) -> tuple[Point, Point]:
    return (a, b) if a < b else (b, a)


def _departments(document: Any, path: Path) -> Iterator[tuple[str, list[Ring]]]:
    seen: Counter[str] = Counter()
    for properties, geometry in _features(document):
        named = {str(name).lower(): value for name, value in properties.items()}
        code = next((str(named[each]) for each in _CODE_NAMES if named.get(each)), "").upper()
        code = code.zfill(2)
        if code not in CODES:
            continue
        seen[code] += 1
        if seen[code] > 1:
            raise UsageError(f"{path}: the department {code} is there twice")
        yield code, [ring for polygon in geometry for ring in polygon]


def _features(document: Any) -> Iterator[tuple[dict[str, Any], list[list[Ring]]]]:
    if document["type"] == "Topology":
        decode = _decoder(document)
        for thing in document["objects"].values():
            for each in thing["geometries"]:
                own = {
                    "id": each.get("id"),
                    "code": each.get("id"),
                    **(each.get("properties") or {}),
                }
                yield own, [[decode(ring) for ring in part] for part in _parts(each, "arcs")]
        return
    for feature in document["features"]:
        own = {"code": feature.get("id"), **(feature.get("properties") or {})}
        yield (
            own,
            [
                [[(float(x), float(y)) for x, y, *_ in ring] for ring in part]
                for part in _parts(feature["geometry"], "coordinates")
            ],
        )


def _parts(geometry: Mapping[str, Any], key: str) -> list[Any]:
    if geometry["type"] == "Polygon":
        return [geometry[key]]
    if geometry["type"] == "MultiPolygon":
        return list(geometry[key])
    raise ValueError(geometry["type"])


def _decoder(topology: Mapping[str, Any]) -> Callable[[list[int]], Ring]:
    transform = topology.get("transform")
    arcs: list[Ring] = []
    for arc in topology["arcs"]:
        x = y = 0.0
        points = []
        for a, b, *_ in arc:
            if transform:
                x, y = x + a, y + b
                (sx, sy), (tx, ty) = transform["scale"], transform["translate"]
                points.append((x * sx + tx, y * sy + ty))
            else:
                points.append((float(a), float(b)))
        arcs.append(points)

    def decode(indices: Iterable[int]) -> Ring:
        ring: Ring = []
        for index in indices:
            arc = arcs[index] if index >= 0 else arcs[~index][::-1]
            ring += arc[1:] if ring else arc
        return ring

    return decode


def _area(ring: Ring) -> float:
    return sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(ring, [*ring[1:], ring[0]], strict=True))


def _lambert(point: Point) -> Point:
    """Project on a cone through 44 and 49 degrees north (that of Lambert 93, on a sphere)."""
    first, second, origin = math.radians(44), math.radians(49), math.radians(46.5)

    def height(latitude: float) -> float:
        return math.tan(math.pi / 4 + latitude / 2)

    n = math.log(math.cos(first) / math.cos(second)) / math.log(height(second) / height(first))
    f = math.cos(first) * height(first) ** n / n
    radius = f / height(math.radians(point[1])) ** n
    angle = n * math.radians(point[0] - 3)
    return radius * math.sin(angle), radius * math.cos(angle) - f / height(origin) ** n


def _flat(rings: list[Ring]) -> list[Ring]:
    """Project a small place: longitudes shortened as they are at its middle."""
    middle = math.radians(sum(y for ring in rings for _, y in ring) / sum(map(len, rings)))
    return [[(x * math.cos(middle), -y) for x, y in ring] for ring in rings]
