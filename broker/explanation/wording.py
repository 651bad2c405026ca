"""Texts of explanations: short, harmless, and the same for the same facts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from jdl.tree import Literal
from jdl.values import UNDEFINED, Record, Value

MAX_NAMED: Final = 3
"""Computing elements, values and rules that one line names."""
MAX_TEXT: Final = 200
"""Characters of one expression or value in a line."""


def shown(text: str, limit: int = MAX_TEXT) -> str:
    """Somebody else's text, short and without control characters."""
    clean = text if text.isprintable() else "".join(each if each.isprintable() else "?" for each in text)
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def listed(items: Sequence[str], separator: str = ", ", total: int | None = None) -> str:
    """The first few, and how many more there are.

    :param total: how many there are, when ``items`` is only the beginning.
    """
    left = (len(items) if total is None else total) - min(len(items), MAX_NAMED)
    text = separator.join(items[:MAX_NAMED])
    return f"{text} and {left} more" if left > 0 else text


def count(number_of: int, one: str, many: str) -> str:
    """``1 element``, ``2 elements``."""
    return f"{number_of} {one if number_of == 1 else many}"


def literal(value: Value) -> str:
    """A value as JDL writes it."""
    if value is UNDEFINED:
        return "undefined"
    if isinstance(value, tuple):
        return count(len(value), "value", "values")
    if isinstance(value, Record):
        return "a record"
    if isinstance(value, (str, int, float, bool)):
        return shown(Literal(value).text(), 80)
    return "error"


def number(value: float) -> int | float:
    """A number as its ad had it: whole ones without a fraction."""
    return int(value) if float(value).is_integer() and abs(value) < 2**53 else float(value)
