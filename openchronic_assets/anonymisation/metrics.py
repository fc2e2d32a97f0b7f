"""What a recoded table is worth: k, risks, loss; counted exactly, NULL being a value.

Prosecutor risk: an attacker knows that a person is in the table and knows the person's
quasi-identifiers. The highest risk is 1 / k, the average is classes / rows (El Emam, Dankar 2008).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from openchronic_assets import duck
from openchronic_assets.anonymisation.hierarchies import Hierarchy, HierarchyError

PublishedTuple = TypeVar("PublishedTuple", bound=tuple[str | None, ...])


@dataclass(frozen=True)
class Metrics:
    """Figures of one published table.

    Attributes:
        rows: published records.
        classes: distinct published tuples.
        k: size of the smallest class; 0 for an empty table.
        average_class: rows / classes; 0 for an empty table.
        max_risk: highest prosecutor risk, 1 / k; 1 for an empty table.
        average_risk: mean prosecutor risk, classes / rows; 1 for an empty table.
        suppressed: records of the original table that are not published.
        suppressed_share: suppressed / (rows + suppressed); 0 when both are 0.
        loss: as defined in :mod:`~openchronic_assets.anonymisation.full_domain`, equal weights,
            a removed record counting as ``*`` everywhere; 0 to 1.
    """

    rows: int
    classes: int
    k: int
    average_class: float
    max_risk: float
    average_risk: float
    suppressed: int
    suppressed_share: float
    loss: float


def measure_classes(
    classes: Mapping[PublishedTuple, int],
    hierarchies: Sequence[Hierarchy],
    suppressed: int = 0,
) -> Metrics:
    """Measure a table given as its distinct tuples and their counts.

    Raises:
        HierarchyError: a published value is in no level of its hierarchy (the value is not
            printed); NULL is such a value.
    """
    rows = sum(classes.values())
    total = rows + suppressed
    log_loss = 0.0
    for d, hierarchy in enumerate(hierarchies):
        share_of = hierarchy.share_of_value
        by_value: dict[str | None, int] = {}
        for values, count in classes.items():
            by_value[values[d]] = by_value.get(values[d], 0) + count
        unknown = [value for value in by_value if value not in share_of]
        if unknown:
            raise HierarchyError(
                f"column {hierarchy.name}: {len(unknown)} published values are in no level of "
                "the hierarchy"
            )
        shares = suppressed + math.fsum(
            count * share_of[value] for value, count in by_value.items() if value is not None
        )
        floor = total / len(hierarchy.leaves)
        if total > floor:
            log_loss += math.log1p(max(0.0, (shares - floor) / (total - floor)))
    smallest = min(classes.values(), default=0)
    return Metrics(
        rows=rows,
        classes=len(classes),
        k=smallest,
        average_class=rows / len(classes) if classes else 0.0,
        max_risk=1 / smallest if smallest else 1.0,
        average_risk=len(classes) / rows if rows else 1.0,
        suppressed=suppressed,
        suppressed_share=suppressed / total if total else 0.0,
        loss=math.expm1(log_loss / len(hierarchies)) if total else 0.0,
    )


def measure(
    files: Sequence[Path], hierarchies: Sequence[Hierarchy], suppressed: int = 0
) -> Metrics:
    """Measure published Parquet files in one scan.

    Args:
        files: Parquet files with one text column named after each hierarchy.
        hierarchies: the quasi-identifiers.
        suppressed: records removed before publication.

    Raises:
        HierarchyError: see :func:`measure_classes`.
    """
    columns = ", ".join('"' + h.name.replace('"', '""') + '"' for h in hierarchies)
    with duck.connect() as connection:
        # GROUP BY takes NULLs as equal: NULL is a value, as k requires.
        found = connection.execute(
            f"select {columns}, count(*)::bigint from read_parquet($files) group by all",
            {"files": [str(file) for file in files]},
        ).fetchall()
    return measure_classes({line[:-1]: line[-1] for line in found}, hierarchies, suppressed)
