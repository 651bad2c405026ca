"""The computing elements that match, by rank, without an object for each before somebody looks at it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from itertools import chain
from typing import overload

import numpy as np
from numpy.typing import NDArray

from broker.candidates import Candidate, Ranked
from broker.masks.numbers import Numbers
from broker.table import Mask, Table

__all__ = ["Ranking"]

_Rows = NDArray[np.intp]
_WHOLE = 2.0**53
"""Below it a real that was cut is the integer that was meant."""
_PIECE = 256
"""Candidates that are made at a time."""


class Ranking(Ranked):
    """Candidates, best rank first, equal ranks in the order of their records' keys.

    :param rows: the rows of the table that match, in any order.
    :param ranks: their ranks.
    """

    def __init__(self, table: Table, rows: _Rows, ranks: Numbers) -> None:
        self._table = table
        self._rows = rows
        self._ranks = ranks

    def best(self) -> list[Candidate]:
        """Those of the best rank.

        :raises IndexError: there is none.
        """
        reals = self._ranks.reals[self._rows]
        if not len(reals):
            raise IndexError("there is nothing to choose from")
        foremost = self._rows[reals == reals.max()]
        if not self._ranks.exact:
            ranks = self._ranks.over(foremost)
            top = max(ranks)
            foremost = foremost[np.array([rank == top for rank in ranks], np.bool_)]
        return self._candidates(foremost[np.argsort(self._table.places[foremost])])

    def ranks(self) -> list[int | float]:
        """The ranks alone, best first."""
        return self._ranks.over(self._ordered)

    @property
    def elements(self) -> int:
        """How many computing elements they are; several views may be of one."""
        return len(np.unique(self._table.elements[self._rows]))

    def listed(self) -> list[tuple[str, int]]:
        """The CE ids, and the ranks cut towards zero, as jobListMatch shows them."""
        ordered, ranks = self._ordered, self._ranks
        if ranks.exact and bool((np.abs(ranks.reals[ordered]) < _WHOLE).all()):
            cut = np.trunc(ranks.reals[ordered]).astype(np.int64).tolist()
        else:
            cut = [int(rank) for rank in ranks.over(ordered)]
        records = self._table.records
        return [(records[row].ce_id, rank) for row, rank in zip(ordered.tolist(), cut, strict=True)]

    def among(self, rows: Mask) -> Ranking:
        """The ranking of those that are among these rows of the table."""
        return Ranking(self._table, self._rows[rows[self._rows]], self._ranks)

    @cached_property
    def _ordered(self) -> _Rows:
        rows = self._rows
        if self._ranks.exact:
            return rows[np.lexsort((self._table.places[rows], -self._ranks.reals[rows]))]
        keys = [(-rank, place) for rank, place in zip(self._ranks.over(rows), self._table.places[rows], strict=True)]
        return rows[np.array(sorted(range(len(keys)), key=keys.__getitem__), np.intp)]

    def _candidates(self, rows: _Rows) -> list[Candidate]:
        records = map(self._table.records.__getitem__, rows.tolist())
        return [
            Candidate(record.ce_id, rank, record.host, record.endpoint, record)
            for record, rank in zip(records, self._ranks.over(rows), strict=True)
        ]

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Candidate: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Candidate, ...]: ...

    def __getitem__(self, index: int | slice) -> Candidate | tuple[Candidate, ...]:
        if isinstance(index, slice):
            return tuple(self._candidates(self._ordered[index]))
        return self._candidates(self._ordered[[index]])[0]

    def __iter__(self) -> Iterator[Candidate]:
        return chain.from_iterable(
            self._candidates(self._ordered[begin : begin + _PIECE]) for begin in range(0, len(self), _PIECE)
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, (Ranking, tuple)) and len(self) == len(other) and tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]
