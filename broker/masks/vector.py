"""The values of one expression on all computing elements, as arrays.

A vector stands over a domain: the rows of a table, the distinct values of one column, the distinct combinations of
several, or the single position of what is the same for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from jdl.values import ERROR, UNDEFINED, AbsTime, Error, Record, RelTime, Undefined, Value

__all__ = ["CONSTANT", "Codes", "Domain", "Kind", "Kinds", "Mask", "Truth", "Vector", "common"]

Mask: TypeAlias = NDArray[np.bool_]
Kinds: TypeAlias = NDArray[np.int8]
Codes: TypeAlias = NDArray[np.int32]


class Truth(IntEnum):
    """What an expression says of a row.

    ``OTHER`` is neither a truth value nor undefined nor an error: a number, a string, a list, an ad, a time.
    """

    FALSE = 0
    TRUE = 1
    UNDEFINED = 2
    ERROR = 3
    OTHER = 4


class Kind:
    """What a value is; the first four are those of :class:`Truth`."""

    # plain numbers, because an enumeration's members are looked up a hundred times more slowly
    FALSE: Final = 0
    TRUE: Final = 1
    UNDEFINED: Final = 2
    ERROR: Final = 3
    INT: Final = 4
    REAL: Final = 5
    STRING: Final = 6
    LIST: Final = 7
    RECORD: Final = 8
    ABSTIME: Final = 9
    RELTIME: Final = 10
    OTHER: Final = 4
    """From here on no truth value."""


_KINDS: Final[dict[type, int]] = {
    Undefined: Kind.UNDEFINED,
    Error: Kind.ERROR,
    int: Kind.INT,
    float: Kind.REAL,
    str: Kind.STRING,
    tuple: Kind.LIST,
    Record: Kind.RECORD,
    AbsTime: Kind.ABSTIME,
    RelTime: Kind.RELTIME,
}
_FIXED: Final[tuple[Value, ...]] = (False, True, UNDEFINED, ERROR)


class Domain:
    """Where vectors have their values.

    :ivar size: how many there are.
    :ivar codes: for each row of the table the position of its value; None when the positions are the rows.
    :ivar rows: for each position a row that has it, when it was asked for.
    """

    __slots__ = ("codes", "rows", "size")

    def __init__(self, size: int, codes: Codes | None = None, rows: Codes | None = None) -> None:
        self.size = size
        self.codes = codes
        self.rows = rows

    def representatives(self, positions: NDArray[np.intp] | None = None) -> Codes:
        """A row for each of the positions (all when not given), -1 where no row has it."""
        if self.rows is None:
            self.rows = _first_rows(self.codes, self.size)
        return self.rows if positions is None else self.rows[positions]


def _first_rows(codes: Codes | None, size: int) -> Codes:
    if codes is None:
        return np.arange(size, dtype=np.int32)
    rows = np.full(size, -1, np.int32)
    rows[codes[::-1]] = np.arange(len(codes) - 1, -1, -1, dtype=np.int32)
    return rows


CONSTANT: Final = Domain(1)
"""What is the same for all rows."""


class Vector:
    """Values over a domain.

    :ivar kinds: a :class:`Kind` for each position.
    :ivar ints: the values of kind INT; elsewhere it means nothing.  None when there is none.
    :ivar reals: the values of kind REAL, as ``ints``.
    :ivar objects: the values of the other kinds (strings, lists, ads, times).  None when there is none.
    :ivar cost: the most steps (:class:`jdl.scope.Run`) that the evaluator would take for one of them.
    :ivar column: the column whose own values these are, for what has an index of them.
    """

    __slots__ = ("column", "cost", "domain", "ints", "kinds", "objects", "reals")

    def __init__(
        self,
        domain: Domain,
        kinds: Kinds,
        ints: NDArray[np.int64] | None = None,
        reals: NDArray[np.float64] | None = None,
        objects: Sequence[Value | None] | None = None,
        cost: int = 0,
        column: Any = None,
    ) -> None:
        self.domain = domain
        self.kinds = kinds
        self.ints = ints
        self.reals = reals
        self.objects = objects
        self.cost = cost
        self.column = column

    @classmethod
    def of(cls, domain: Domain, values: Sequence[Value], cost: int = 0, column: Any = None) -> Vector:
        """The vector of these values, one for each position of the domain."""
        kinds = np.array([int(value) if type(value) is bool else _KINDS[type(value)] for value in values], np.int8)
        ints = reals = None
        objects: list[Value | None] | None = None
        if (kinds == Kind.INT).any():
            ints = np.array([value if type(value) is int else 0 for value in values], np.int64)
        if (kinds == Kind.REAL).any():
            reals = np.array([value if type(value) is float else 0.0 for value in values], np.float64)
        if (kinds >= Kind.STRING).any():
            objects = [value if _KINDS.get(type(value), 0) >= Kind.STRING else None for value in values]
        return cls(domain, kinds, ints, reals, objects, cost, column)

    def value(self, position: int) -> Value:
        """The value at a position, as the evaluator has it."""
        position = position if len(self.kinds) > 1 else 0
        kind = int(self.kinds[position])
        if kind < len(_FIXED):
            return _FIXED[kind]
        if kind == Kind.INT and self.ints is not None:
            return int(self.ints[position])
        if kind == Kind.REAL and self.reals is not None:
            return float(self.reals[position])
        held = None if self.objects is None else self.objects[position]
        if held is None:
            raise ValueError(f"a vector without the value of kind {kind} at {position}")
        return held

    def numeric(self) -> Mask:
        """Where the value is a number."""
        return np.asarray((self.kinds == Kind.INT) | (self.kinds == Kind.REAL))

    def truth(self) -> Kinds:
        """A :class:`Truth` for each position."""
        return np.minimum(self.kinds, np.int8(Kind.OTHER))

    def doubles(self) -> NDArray[np.float64]:
        """The numbers as reals, as a comparison with a real takes them; elsewhere 0."""
        zeros = np.zeros(len(self.kinds))
        if self.ints is not None:
            zeros = np.where(self.kinds == Kind.INT, self.ints, zeros)
        if self.reals is not None:
            zeros = np.where(self.kinds == Kind.REAL, self.reals, zeros)
        return zeros

    def over(self, domain: Domain) -> Vector:
        """The same values over the rows, or over the same domain; a constant stays one and is broadcast."""
        codes = self.domain.codes
        if self.domain is domain or self.domain is CONSTANT or codes is None:
            return self
        objects = self.objects
        return Vector(
            domain,
            self.kinds[codes],
            None if self.ints is None else self.ints[codes],
            None if self.reals is None else self.reals[codes],
            None if objects is None else [objects[code] for code in codes.tolist()],
            self.cost,
        )


def common(vectors: Sequence[Vector], rows: Domain) -> Domain:
    """The smallest domain over which all of them can stand: :data:`CONSTANT`, the one they share, or the rows."""
    found = CONSTANT
    for vector in vectors:
        if vector.domain is CONSTANT or vector.domain is found:
            continue
        if found is not CONSTANT:
            return rows
        found = vector.domain
    return found
