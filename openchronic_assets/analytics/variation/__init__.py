"""Practice variation: how much care differs from place to place beyond chance and case mix.

Source: indicators 4.12 of the domain's reference; each function names its own. Results by doctor
are for the secure space: no table of theirs is made to leave it.
"""
