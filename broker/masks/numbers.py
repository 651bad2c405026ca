"""An expression's numbers on all rows of a table, as ranks are compared."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from broker.masks.vector import CONSTANT, Kind, Mask, Vector

__all__ = ["Numbers"]

_EXACT = 1 << 53
"""Integers up to here are themselves as reals."""


class Numbers:
    """The numbers.

    :ivar reals: each as a real; elsewhere it means nothing.
    :ivar ok: the rows on which the expression is a number.
    :ivar exact: whether comparing the reals compares the numbers.
    """

    def __init__(self, vector: Vector, reals: NDArray[np.float64], ok: Mask) -> None:
        self._vector = vector
        self.reals = reals
        self.ok = ok
        reals.flags.writeable = ok.flags.writeable = False
        ints = vector.ints
        self.exact = ints is None or bool(((ints <= _EXACT) & (ints >= -_EXACT)).all())

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        vector = self._vector
        arrays = (self.reals, self.ok, vector.kinds, vector.ints, vector.reals)
        return sum(each.nbytes for each in arrays if each is not None) + 64 * len(vector.objects or ())

    def at(self, row: int) -> int | float:
        """The number on a row, as the evaluator has it.

        :raises ValueError: there is none.
        """
        codes = self._vector.domain.codes
        position = 0 if self._vector.domain is CONSTANT else row if codes is None else int(codes[row])
        value = self._vector.value(position)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError(f"no number on row {row}")
        return value

    def over(self, rows: NDArray[np.intp]) -> list[int | float]:
        """The numbers on some rows, as :meth:`at` has them.

        :raises ValueError: there is none on one of them.
        """
        domain = self._vector.domain
        if domain is CONSTANT:
            return [self.at(0)] * len(rows)
        positions = rows if domain.codes is None else domain.codes[rows]
        kinds = self._vector.kinds[positions]
        for kind, numbers in ((Kind.INT, self._vector.ints), (Kind.REAL, self._vector.reals)):
            if numbers is not None and bool((kinds == kind).all()):
                found: list[int | float] = numbers[positions].tolist()
                return found
        return [self.at(row) for row in rows.tolist()]
