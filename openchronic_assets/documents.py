"""Where the documentation portal is served, for the links of assets in Dagster.

``openchronic ui`` serves it on the port after Dagster's and says so in ``OPENCHRONIC_DOCUMENTS``;
a server of a team gives its own address there. Without it assets carry no link.
"""

from __future__ import annotations

import os
from urllib.parse import quote

import dagster as dg

VARIABLE = "OPENCHRONIC_DOCUMENTS"


def dictionary(table: str) -> dict[str, dg.MetadataValue[str]]:
    """Return the link to what the data dictionary says of a table."""
    return _link("dictionnaire", f"dictionary.html#t={quote(table)}")


def run_reports() -> dict[str, dg.MetadataValue[str]]:
    """Return the link to the run reports."""
    return _link("rapports_de_livraison", "index.html#rapports")


def releases() -> dict[str, dg.MetadataValue[str]]:
    """Return the link to the reports of what was published."""
    return _link("publications", "index.html#publications")


def _link(name: str, page: str) -> dict[str, dg.MetadataValue[str]]:
    base = os.environ.get(VARIABLE, "").rstrip("/")
    if not base.startswith(("http://", "https://")):
        return {}
    return {name: dg.MetadataValue.url(f"{base}/{page}")}
