"""Statistical disclosure control: hierarchies, recoding, metrics, release gate, releases.

A library of its own: plain functions on paths, tables and arrays. Nothing here imports Dagster,
and :mod:`~openchronic_assets.anonymisation.gate` imports nothing of the recoders it judges.
"""
