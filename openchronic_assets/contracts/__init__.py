"""What a delivery must look like: one YAML a table, read into typed objects.

``load('ER_PRS_F')`` gives the whole table, ``load('ER_PRS_F').for_year(2019)`` its structure in
one year. Sources of the facts: the official schema of the Health Data Hub (schema-snds,
2020-12-15) for types, the CNAM catalogue of variables (2021) for the years in which a column
exists. Where the two disagree on a year, the catalogue is believed, because it is a presence grid
while the schema's dates are known to be incomplete; ``years_note`` keeps the doubt.
"""

from openchronic_assets.contracts.loader import DIRECT_ALIASES, Heading, heading, load, tables
from openchronic_assets.contracts.model import Column, ContractError, Table

__all__ = [
    "DIRECT_ALIASES",
    "Column",
    "ContractError",
    "Heading",
    "Table",
    "heading",
    "load",
    "tables",
]
