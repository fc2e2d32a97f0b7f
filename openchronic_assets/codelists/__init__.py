"""Code lists and algorithms: what a disease is, written as data that institutions can exchange.

A *code list* is a named set of codes of one nomenclature, as prefixes, with its author, source and
how sure it is. An *algorithm* says, of a person and a year, whether they are treated for a disease:
which codes, in which source, in which years, how many times. Neither holds any data on people.
"""

from openchronic_assets.codelists.loader import algorithms, lists, load_algorithms, load_list
from openchronic_assets.codelists.model import Algorithm, CodeList, CodeListError, Criterion

__all__ = [
    "Algorithm",
    "CodeList",
    "CodeListError",
    "Criterion",
    "algorithms",
    "lists",
    "load_algorithms",
    "load_list",
]
