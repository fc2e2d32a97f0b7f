"""Typologies of care pathways: distances of sequences, clusters, and a map of what follows what.

Source: indicators 5.2 and 5.3 of the domain's reference; each function names its own.
"""
