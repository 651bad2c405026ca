"""What an expression evaluates to.

A value is one of: :data:`UNDEFINED`, :data:`ERROR`, ``bool``, ``int`` (always within 64 bits), ``float``
(always finite), ``str``, a ``tuple`` of values (a list), or a :class:`Record` (a ClassAd with the scope in which its
attributes are evaluated).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, TypeAlias, Union, final

if TYPE_CHECKING:
    from jdl.scope import Scope
    from jdl.tree import ClassAd

__all__ = [
    "ERROR",
    "UNDEFINED",
    "Error",
    "Record",
    "Undefined",
    "Value",
    "finite",
    "fold",
    "is_true",
    "wrap64",
]

_SIGN: Final = 1 << 63
_MASK: Final = (1 << 64) - 1


@final
class Undefined:
    """The type of :data:`UNDEFINED`: an attribute that is not there."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "UNDEFINED"


@final
class Error:
    """The type of :data:`ERROR`: an expression that makes no sense for its values."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "ERROR"


UNDEFINED: Final = Undefined()
ERROR: Final = Error()


class Record:
    """A ClassAd as a value; its attributes are evaluated in ``scope``."""

    __slots__ = ("ad", "scope")

    def __init__(self, ad: ClassAd, scope: Scope) -> None:
        self.ad = ad
        self.scope = scope

    def __repr__(self) -> str:
        return f"Record({self.ad.text()})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Record) and self.ad == other.ad

    __hash__ = None  # type: ignore[assignment]


Value: TypeAlias = Union[Undefined, Error, bool, int, float, str, "tuple[Value, ...]", Record]


def is_true(value: object) -> bool:
    """Whether a requirement holds: only boolean true does; undefined, error, 1 and "true" do not."""
    return value is True


def wrap64(number: int) -> int:
    """The number as signed 64-bit arithmetic leaves it."""
    return ((number + _SIGN) & _MASK) - _SIGN


def finite(number: float) -> float | Error:
    """The number, or ERROR for an infinity and for what is not a number: neither can be ranked."""
    return number if math.isfinite(number) else ERROR


def fold(text: str) -> str:
    """The form in which strings are compared by ``==``, ``<`` and member(): without regard to case."""
    return text.lower()
