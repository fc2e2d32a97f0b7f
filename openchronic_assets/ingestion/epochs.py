"""Epochs of pseudonyms: upstream renews them about every two years, and two epochs do not join.

A delivery's manifest says its epoch. Another one than the lake's is let in only if a crosswalk
between the two, table ``PSEUDONYM_CROSSWALK``, is in the lake or in that delivery (domain decision
2). Crosswalks chain: 2018 to 2020 and 2020 to 2022 link 2018 and 2022.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from openchronic_assets.errors import Refused
from openchronic_assets.ingestion.deliveries import Record
from openchronic_assets.ingestion.delivery import Delivery
from openchronic_assets.ingestion.report import FileReport
from openchronic_assets.slices import CROSSWALK, NONE


def same_secret(every: Iterable[Record], fingerprint: str) -> None:
    """Refuse to mix rows of two secrets: nobody would join any more.

    Raises:
        Refused: a delivery of the lake was pseudonymised with another secret.
    """
    for record in every:
        if record.secret_fingerprint != fingerprint:
            raise Refused(
                f"the lake was pseudonymised with another secret than the present one (delivery "
                f"{record.name}): give that secret back, or ingest everything again in a new home"
            )


def refuse_unlinked(
    delivery: Delivery,
    every: Sequence[Record],
    reports: Sequence[FileReport] | None = None,
) -> None:
    """Refuse a delivery whose epoch no crosswalk links to each epoch of the lake.

    Args:
        delivery: what is delivered; without an epoch in its manifest it is that of the lake.
        every: the deliveries of the lake.
        reports: what was read of the delivery's files; before they are read, a crosswalk among
            them is trusted to link, so that the delivery is read at all.

    Raises:
        Refused: the two do not join.
    """
    epoch = delivery.manifest.pseudonym_epoch
    others = {record.pseudonym_epoch: record for record in every if record.pseudonym_epoch}
    if epoch is None or not set(others) - {epoch}:
        return
    if reports is None and any(each.table == CROSSWALK for each in delivery.files):
        return
    loaded = [report for report in reports or () if report.status == "loaded"]
    loaded += [report for record in every for report in record.files]
    linked = _linked(epoch, [report for report in loaded if report.table == CROSSWALK])
    for other, record in sorted(others.items()):
        if other not in linked:
            raise Refused(
                f"delivery {delivery.name} has pseudonym epoch {epoch}, the lake has {other} "
                f"(delivery {record.name}), and no {CROSSWALK} links the two: persons of two "
                "epochs do not join. Ask the provider for the crosswalk and deliver it, or ingest "
                "this delivery in a home of its own"
            )


def _linked(epoch: str, crosswalks: Iterable[FileReport]) -> set[str]:
    """Return the epochs that crosswalks join to one, itself included."""
    pairs = [
        tuple(pair.split(">", 1))
        for report in crosswalks
        for pair, rows in report.slices.items()
        if pair != NONE and rows
    ]
    found = {epoch}
    while more := {each for pair in pairs if found & set(pair) for each in pair} - found:
        found |= more
    return found
