"""How a delivery is laid out: names of files and columns, separator, form of dates.

``portal`` is what the portal's own tables give; ``extraction`` is what a project receives: patient
keys renamed, ISO dates, a comma (snds_model 1.1 and chapter 5).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa

from openchronic_assets.contracts import Column, Table

FORMATS = ("csv", "parquet")

# Tables whose columns the portal names in lower case (snds_model 2.4).
LOWER_CASE = ("CT_DEP_AAAA_GN", "CT_IDE_AAAA_GN", "CT_IND_AAAA_GN", "T_HADaaC", "T_HADaaLEG",
              "T_MCOaaVALOACE")  # fmt: skip


_ISO = {"%Y-%m-%d", "%Y-%m-%d %H:%M:%S"}


@dataclass(frozen=True)
class Layout:
    """One way to lay out a delivery; ``renamed`` maps contract columns to delivered ones."""

    name: str
    separator: str
    iso_dates: bool
    renamed: dict[str, str] = field(default_factory=dict)

    def header(self, contract: Table) -> list[str]:
        """Return the column names as this layout writes them."""
        names = [self.renamed.get(name, name) for name in contract.names()]
        return [name.lower() for name in names] if contract.name in LOWER_CASE else names

    def write(self, column: Column, values: pa.Array) -> pa.Array:
        """Return the text of a column as this layout writes it."""
        if self.iso_dates and column.type in ("date", "datetime") and _ISO & set(column.formats):
            return _map_unique(values, column.type)
        return values


LAYOUTS = {
    "portal": Layout("portal", ";", False),
    "extraction": Layout(
        "extraction",
        ",",
        True,
        {
            "BEN_NIR_PSA": "NUM_ENQ",
            "NIR_ANO_17": "NUM_ENQ",
            "BEN_NIR_ANO": "NUM_ENQ_ANO",
            "BEN_IDT_ANO": "NUM_ENQ_IDT",
        },
    ),
}


def _map_unique(values: pa.Array, kind: str) -> pa.Array:
    """Rewrite dates as ISO through their distinct values, of which there are few."""
    if values.null_count == len(values):
        return values
    coded = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
    labels = [_iso(text, kind) for text in coded.dictionary.to_pylist()]
    return pa.DictionaryArray.from_arrays(coded.indices, pa.array(labels, pa.string()))


def _iso(text: str, kind: str) -> str:
    for form in ("%d/%m/%Y", "%d%b%Y:%H:%M:%S", "%d%b%Y", "%Y-%m-%d"):
        try:
            moment = datetime.strptime(text, form)
        except ValueError:
            continue
        day = f"{moment.year:04d}-{moment.month:02d}-{moment.day:02d}"
        return day if kind == "date" else f"{day} 00:00:00"
    return text


def file_name(table: str, period: int | None, *, layout: str = "portal", form: str = "csv") -> str:
    """Return the name of a table's file.

    ``period`` is a flux or discharge year, a month as yyyymm, or None for a table without one.
    """
    product = table[2:5] if table.startswith("T_") and table[5:7] == "aa" else ""
    if period is None:
        stem = table
    elif product:
        stem = f"T_{product}{period % 100:02d}{table[7:]}"
    elif "_AAAA_" in table:
        stem = table.replace("_AAAA_", f"_{period}_").replace("_GN", "_G8")
    elif table == "OPEN_DAMIR":
        stem = f"A{period}"
    else:
        stem = f"{table}_{period}"
    if form == "parquet":
        return f"{stem}.parquet"
    heavy = period is not None and not product and "_AAAA_" not in table
    return f"{stem}.csv.gz" if heavy else f"{stem}.csv"
