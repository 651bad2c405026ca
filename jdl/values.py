"""What an expression evaluates to.

A value is one of: :data:`UNDEFINED`, :data:`ERROR`, ``bool``, ``int`` (always within 64 bits), ``float``
(always finite), ``str``, a ``tuple`` of values (a list), a :class:`Record` (a ClassAd with the scope in which its
attributes are evaluated), an :class:`AbsTime` or a :class:`RelTime`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeAlias, Union, final

if TYPE_CHECKING:
    from jdl.scope import Scope
    from jdl.tree import ClassAd

__all__ = [
    "ERROR",
    "UNDEFINED",
    "AbsTime",
    "Error",
    "Record",
    "RelTime",
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


@dataclass(frozen=True, slots=True)
class AbsTime:
    """A point in time: seconds since 1970, and by how many seconds the clocks there are ahead of UTC."""

    seconds: int
    offset: int

    def __str__(self) -> str:
        """As ISO 8601 writes it, ``-00:00`` for UTC."""
        try:
            local = datetime(1970, 1, 1) + timedelta(seconds=self.seconds + self.offset)
        except OverflowError:
            return str(self.seconds)
        hours, rest = divmod(abs(self.offset), 3600)
        return f"{local.isoformat()}{'+' if self.offset > 0 else '-'}{hours:02}:{rest // 60:02}"


@dataclass(frozen=True, slots=True)
class RelTime:
    """A span of time in seconds."""

    seconds: float

    def __str__(self) -> str:
        """``days+hours:minutes:seconds``, without what is zero in front."""
        rest = abs(self.seconds)
        minutes, seconds = divmod(rest, 60)
        hours, minutes = divmod(int(minutes), 60)
        days, hours = divmod(hours, 24)
        shown = f"{int(seconds):02}" if seconds == int(seconds) else f"{seconds:06.3f}"
        sign = "-" if self.seconds < 0 else ""
        if days:
            return f"{sign}{days}+{hours:02}:{minutes:02}:{shown}"
        if hours:
            return f"{sign}{hours:02}:{minutes:02}:{shown}"
        return f"{sign}{minutes:02}:{shown}" if minutes else f"{sign}{shown}"


Value: TypeAlias = Union[Undefined, Error, bool, int, float, str, "tuple[Value, ...]", Record, AbsTime, RelTime]


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
