"""What each provider really does: the effects that an analysis of practice should find again.

They depend on the universe alone. A GP refers and prescribes biology more or less (``referral``,
``biology``: factors of the rate); a hospital's patients come back more or less within 30 days
(``readmission``: added to the log-odds). Loyal flows are habits of a GP: the specialist of each
specialty and the hospital that his patients mostly see.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from openchronic_assets.synthetic.universe import Universe

Floats = npt.NDArray[np.float64]

GP_SPREAD = 0.25  # standard deviation of the logarithm of a GP's factors
HOSPITAL_SPREAD = 0.35  # standard deviation of a hospital's log-odds


@cache
def _drawn(
    seed: int, size: int, departments: tuple[str, ...], numbers: int, hospitals: int
) -> tuple[Floats, Floats, Floats]:
    rng = np.random.default_rng([seed, size, numbers, hospitals, 0xEFFEC7])
    referral = np.exp(rng.normal(0, GP_SPREAD, numbers))
    biology = np.exp(rng.normal(0, GP_SPREAD, numbers))
    return referral, biology, rng.normal(0, HOSPITAL_SPREAD, hospitals)


def of(world: Universe) -> tuple[Floats, Floats, Floats]:
    """Return the referral and biology factors by practitioner, the log-odds by hospital.

    Only GPs have factors of their own; those without a treating doctor (number 0) have 1.
    """
    referral, biology, readmission = _drawn(
        world.seed, world.size, world.departments, len(world.numbers), len(world.hospitals)
    )
    doctor = world.specialty == 1
    return np.where(doctor, referral, 1.0), np.where(doctor, biology, 1.0), readmission
