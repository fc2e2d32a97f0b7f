"""Open Chronic: from raw SNDS extracts to care pathways, indicators and anonymised releases."""

__version__ = "0.1.0"
