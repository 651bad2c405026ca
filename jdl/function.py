"""What a builtin function is, and how it reads its arguments."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from jdl.printing import text as expression_text
from jdl.scope import Run
from jdl.tree import MAX_INT, MIN_INT, from_python
from jdl.values import ERROR, AbsTime, RelTime, Value, fold

__all__ = ["MANY", "MAX_STRING", "Function", "bounded", "number_of", "split_at", "text_of", "whole"]

MAX_STRING: Final = 1 << 20
"""Characters that a function may put together."""

_FEW: Final = 8
"""Separators that are looked for one after the other."""

MANY: Final = 1_000_000
"""Arguments of a function that takes any number of them."""


_NUMBER: Final = re.compile(
    r"[ \t\n\v\f\r]*"
    r"(?:(?P<hex>[+-]?0[xX][0-9a-fA-F]{1,15})|(?P<real>[+-]?(?:(?i:inf(?:inity)?|nan)"
    r"|(?:[0-9]{1,400}\.[0-9]{0,400}|\.[0-9]{1,400})(?:[eE][+-]?[0-9]{1,9})?|[0-9]{1,400}[eE][+-]?[0-9]{1,9}))"
    r"|(?P<whole>[+-]?[0-9]{1,400}))"
)
"""What C's strtod() takes for a number at the beginning of a text."""


@dataclass(frozen=True)
class Function:
    """A function and the number of its arguments.

    ``strict``: ERROR and UNDEFINED arguments are answered before the body runs.  ``weighs``: the length of its
    arguments is charged, because its time grows with them.  ``pure``: its value depends on nothing but its arguments.
    """

    body: Callable[..., Value]
    least: int
    most: int
    strict: bool = True
    weighs: bool = True
    pure: bool = True


def number_of(value: Any) -> int | float | None:
    """The number that a value is or, as text, begins with; None when there is none."""
    if type(value) is bool:
        return int(value)
    if type(value) in (int, float):
        return value  # type: ignore[no-any-return]
    if type(value) in (AbsTime, RelTime):
        return value.seconds  # type: ignore[no-any-return]
    match = _NUMBER.match(value) if type(value) is str else None
    if match is None:
        return None
    if match["whole"]:
        return int(match["whole"])
    return float(match["real"]) if match["real"] else int(match["hex"], 16)


def whole(value: float | None, rounding: Callable[[float], int] = math.trunc) -> Value:
    """The number as a 64-bit integer; ERROR when it is none."""
    if value is None or (type(value) is float and not math.isfinite(value)):
        return ERROR
    number = rounding(value)
    return number if MIN_INT <= number <= MAX_INT else ERROR


def text_of(value: Any) -> str | None:
    """A value as the text that strcat() and string() make of it; None for lists, ads and what is no value."""
    if type(value) is str:
        return value
    if type(value) in (bool, int, float):
        return expression_text(from_python(value))
    if type(value) in (AbsTime, RelTime):
        return str(value)
    return None


def split_at(text: str, separators: str) -> list[str]:
    """What stands between characters that are separators; without any the text is one piece.

    The time grows with the sum of both lengths, not with their product.
    """
    if not separators:
        return [text]
    first = separators[0]
    if len(separators) > _FEW:
        text = text.translate(dict.fromkeys(map(ord, separators), first))
    else:
        for separator in separators[1:]:
            text = text.replace(separator, first)
    return text.split(first)


def bounded(run: Run, text: str) -> Value:
    """The text, when it is not too long; its length is charged."""
    run.charge(len(text) >> 6)
    return text if len(text) <= MAX_STRING else ERROR


def same(text: str) -> str:
    """The form in which strings are compared with regard to case."""
    return text


CASES: Final[dict[bool, Callable[[str], str]]] = {True: same, False: fold}
"""How strings are compared: with and without regard to case."""
