"""Columns of the computing elements' attributes, and expressions that are asked of whole columns."""
