"""Analyses over the marts: risk models, coordination network, practice variation, typologies.

They read one build through the catalogue and write in ``lake/analytics`` and ``lake/reports``:
the secure space. Nothing of here is public.
"""
