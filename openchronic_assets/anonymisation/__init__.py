"""Statistical disclosure control: hierarchies, recoding, metrics, release gate, releases.

A library of its own: plain functions on paths, tables and arrays. Nothing here imports Dagster,
and :mod:`~openchronic_assets.anonymisation.gate` imports nothing of the recoders it judges.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from openchronic_assets.anonymisation.any_table import anonymise, risk

__all__ = ["anonymise", "risk"]


def __getattr__(name: str) -> Any:
    """Import the two front doors at first use, so that the gate loads no recoder."""
    if name not in __all__:
        raise AttributeError(name)
    from openchronic_assets.anonymisation import any_table

    return getattr(any_table, name)
