"""Everything that landed, taken into the lake: one function for every way of launching it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from openchronic_assets.errors import OpenChronicError
from openchronic_assets.ingestion.landing import is_in_lake, landed
from openchronic_assets.ingestion.run import Progress, ingest
from openchronic_assets.settings import Home

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@dataclass
class Taken:
    """What people must know of an ingestion of all that landed; values that travel as JSON.

    Attributes:
        messages: what was refused and superseded, in words without values.
        errors: deliveries that could not be taken in, and why.
        failure: the last of these, or what ended everything; None where all is well.
    """

    messages: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    failure: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values; ``Taken(**values)`` is it again."""
        return asdict(self)


def waiting(home: Home) -> bool:
    """Whether something landed that the lake does not have."""
    return any(each.complete and not is_in_lake(home, each.folder) for each in landed(home))


def take_in(
    home: Home,
    session: Callable[[], SparkSession],
    say: Callable[[str], None],
    progress: Progress | None = None,
) -> Taken:
    """Ingest the complete deliveries of ``landing/`` that the lake does not have yet.

    A delivery that cannot be taken in does not keep the others out.

    Args:
        home: where the landing zone and the lake are.
        session: gives the Spark session, asked only if there is something to parse.
        say: told what becomes of each delivery.
        progress: see :func:`~openchronic_assets.ingestion.run.ingest`.
    """
    taken = Taken()
    for each in landed(home):
        if not each.complete:
            say(f"{each.name}: waits for its _SUCCESS marker")
            continue
        if is_in_lake(home, each.folder):
            say(f"{each.name}: in the lake, unchanged")
            continue
        try:
            result = ingest(home, each.folder, session=session, progress=progress)
        except OpenChronicError as error:
            taken.errors.append(f"{each.name}: {error}")
            taken.failure = str(error)
            continue
        say(f"{each.name}: {result.state}")
        taken.messages += result.messages
    return taken
