"""The OMOP common data model 5.4: individual data for the secure space, source codes kept."""

from openchronic_assets.exports.omop.export import FORMATS, export_omop

__all__ = ["FORMATS", "export_omop"]
