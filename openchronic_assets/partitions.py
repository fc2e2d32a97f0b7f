"""Which years the platform knows: the care years that assets are partitioned by."""

from __future__ import annotations

import datetime
import functools
import os
import re
from typing import TYPE_CHECKING

from openchronic_assets.errors import UsageError

if TYPE_CHECKING:
    from dagster import TimeWindowPartitionsDefinition

FIRST_YEAR_VARIABLE = "OPENCHRONIC_FIRST_YEAR"
DEFAULT_FIRST_YEAR = 2006  # DCIR flux and the PMSI grid of the catalogue begin there


def first_year() -> int:
    """Return the first care year of the platform, from ``OPENCHRONIC_FIRST_YEAR`` or 2006."""
    return int(os.environ.get(FIRST_YEAR_VARIABLE, DEFAULT_FIRST_YEAR))


def parse_years(text: str) -> list[int]:
    """Read ``2019`` or ``2019-2021`` into a list of years.

    Raises:
        UsageError: the text is neither, or the range runs backwards or out of sight.
    """
    match = re.fullmatch(r"\s*(\d{4})(?:\s*-\s*(\d{4}))?\s*", text)
    if not match:
        raise UsageError(f"years are written 2019 or 2019-2021, not {text!r}")
    first = int(match.group(1))
    last = int(match.group(2) or first)
    this_year = datetime.date.today().year
    if last < first:
        raise UsageError(f"years {text}: the first comes after the last")
    if first < first_year() or last > this_year:
        raise UsageError(
            f"years {text} lie outside {first_year()}-{this_year}; "
            f"{FIRST_YEAR_VARIABLE} moves the first one"
        )
    return list(range(first, last + 1))


@functools.cache
def yearly() -> TimeWindowPartitionsDefinition:
    """Return the one partitions definition of all assets: a care year, the current one included.

    All assets share it, so that a backfill over any range of years is one run.
    """
    from dagster import TimeWindowPartitionsDefinition

    return TimeWindowPartitionsDefinition(
        start=str(first_year()), fmt="%Y", cron_schedule="0 0 1 1 *", end_offset=1
    )
