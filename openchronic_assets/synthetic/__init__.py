"""SNDS-shaped extracts of an invented population in which what is true is known."""

from openchronic_assets.synthetic.generate import DEFAULT_DEPARTMENTS, generate

__all__ = ["DEFAULT_DEPARTMENTS", "generate"]
