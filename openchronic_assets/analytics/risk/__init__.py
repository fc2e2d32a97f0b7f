"""Risk models: onset of a long-term condition (ALD), readmission within 30 days.

``study`` says who is observed when and what is predicted, ``sources`` and ``features`` read the
marts as they were known that day, ``models`` is the ladder, ``metrics`` and ``evaluation`` measure,
``guards`` refuse, ``store`` keeps, ``run`` does all of it, ``report`` and ``cards`` tell.
"""
