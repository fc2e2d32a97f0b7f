"""The catalogue of indicators: what each one says, what it counts, by which method."""
