"""The medicines of city pharmacies, and who takes which.

Presentations, prices and how often each is dispensed are published (``calibration``); which illness
a class treats is ours. A block draws as many treatments and boxes of each presentation as France
would, then gives them to the persons whose illness they treat first: so the most dispensed
presentations are those of France, and a diabetic takes metformin.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from openchronic_assets.synthetic import calibration, figures

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

# Classes taken for years (ATC on three characters), and the ALD that each treats.
CHRONIC: dict[str, tuple[int, ...]] = {
    "A10": (8,), "B01": (1, 3, 5, 13), "C01": (5, 13), "C02": (12, 5), "C03": (5, 12, 19),
    "C07": (5, 13, 12), "C08": (12, 13), "C09": (5, 12, 13, 19, 8), "C10": (13, 3, 8, 1),
    "H03": (), "G04": (), "L02": (30,), "L04": (22, 24, 27, 25, 28), "M04": (), "M05": (),
    "N03": (9, 23), "N04": (16,), "N05": (23,), "N06": (23, 15), "N07": (23,), "R03": (14,),
    "S01": (), "A02": (), "A11": (), "A12": (), "B03": (2, 19), "J05": (7, 6), "L01": (30,),
    "L03": (25, 30), "A05": (6,), "A09": (18,),
}  # fmt: skip


# Pathologies of the cartographie that a class treats, with or without an ALD.
TREATED: dict[str, tuple[str, ...]] = {
    "A10": ("FDiabet_ind",), "C02": ("FAntiHTA_med",), "C03": ("FAntiHTA_med",),
    "C07": ("FAntiHTA_med",), "C08": ("FAntiHTA_med",), "C09": ("FAntiHTA_med",),
    "C10": ("FHypoLi_med",), "R03": ("ABPCOIr_ind",), "N06": ("PAntiDe_med",),
    "N05": ("PAnxiol_med", "PHypnot_med", "PNeurol_med"),
}  # fmt: skip


@dataclass(frozen=True)
class Drugs:
    """The presentations: codes, price in cents, rate in percent, units of a pack.

    ``boxes`` sums to one over all; ``chronic`` are those taken for years; ``group`` is a position
    in ``groups``, the (ALD, pathologies) that a presentation treats.
    """

    cip13: tuple[str, ...]
    cip7: tuple[str, ...]
    atc: tuple[str, ...]
    price: Ints
    rate: Ints
    units: Ints
    boxes: Floats
    chronic: Bools
    group: Ints
    groups: tuple[tuple[tuple[int, ...], tuple[str, ...]], ...]


@cache
def drugs() -> Drugs:
    """Return the published presentations, and those of ``drugs.csv`` that are not among them."""
    known = calibration.drugs()
    table = (*figures.rows("drugs.csv"), *figures.rows("vaccines.csv"))
    own = [r for r in table if r["cip13"] not in set(known.cip13)]
    atc_of = {r["cip13"]: r["atc"] for r in table}
    cip13 = (*known.cip13, *(r["cip13"] for r in own))
    atc = tuple(
        atc_of.get(code, short)
        for code, short in zip(cip13, (*known.atc, *(r["atc"] for r in own)), strict=True)
    )
    # A presentation without a count is as rare as the rarest one.
    boxes = np.r_[known.boxes, np.full(len(own), max(int(known.boxes.min()), 1))].astype(float)
    # Vaccines of a campaign are given by it alone.
    boxes[[cip13.index(r["cip13"]) for r in figures.rows("vaccines.csv")]] = 0
    rate = np.r_[known.rate, [int(r["rate"]) for r in own]].astype(np.int64)
    price = np.r_[known.price, [int(r["price_cents"]) for r in own]].astype(np.int64)
    priced = price > 0
    short = [each[:3] for each in atc]
    treats = [(CHRONIC.get(each, ()), TREATED.get(each, ())) for each in short]
    groups = sorted(set(treats))
    return Drugs(
        cip13=cip13,
        cip7=(*known.cip7, *(r["cip7"] for r in own)),
        atc=atc,
        price=np.where(priced, price, 500),
        rate=np.where(rate > 0, rate, 65),
        units=np.r_[known.units, np.full(len(own), 30)].astype(np.int64),
        boxes=boxes / boxes.sum(),
        chronic=np.array([each in CHRONIC for each in short]),
        group=np.array([groups.index(each) for each in treats]),
        groups=tuple(groups),
    )


def draw(rng: np.random.Generator, weight: Floats, count: int) -> Ints:
    """Return ``count`` positions, each as often as its weight says, in a random order."""
    if count == 0:
        return np.zeros(0, np.int64)
    edges = np.cumsum(weight)
    at = (np.arange(count) + rng.random()) / count * edges[-1]
    found = np.minimum(np.searchsorted(edges, at), len(weight) - 1)
    return rng.permutation(found).astype(np.int64)


def give(rng: np.random.Generator, kinds: Ints, group: Ints, fits: list[Bools]) -> Ints:
    """Give each of ``kinds`` a place of its own; return, for each place, what it was given.

    ``group`` tells the group of each kind, ``fits`` the places that each group prefers; what finds
    no preferred place left takes any. There are as many places as kinds.
    """
    count = len(kinds)
    taken = np.zeros(count, bool)
    result = np.zeros(count, np.int64)
    rest: list[Ints] = []
    of = group[kinds]
    # The groups with the fewest places choose first.
    for each in sorted(np.unique(of).tolist(), key=lambda g: (int(fits[g].sum()), g)):
        mine = kinds[of == each]
        places = np.flatnonzero(fits[each] & ~taken)
        places = rng.permutation(places)[: len(mine)]
        result[places] = mine[: len(places)]
        taken[places] = True
        rest.append(mine[len(places) :])
    left = np.flatnonzero(~taken)
    if len(left):
        result[left] = rng.permutation(np.concatenate(rest))[: len(left)]
    return result
