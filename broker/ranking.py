"""The computing elements that match, by rank, without an object for each before somebody looks at it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
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
            top = max(self._ranks.at(row) for row in foremost.tolist())
            foremost = np.array([row for row in foremost.tolist() if self._ranks.at(row) == top], np.intp)
        return [self._candidate(row) for row in foremost[np.argsort(self._table.places[foremost])].tolist()]

    def ranks(self) -> list[int | float]:
        """The ranks alone, best first."""
        return [self._ranks.at(row) for row in self._ordered.tolist()]

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
            cut = [int(ranks.at(row)) for row in ordered.tolist()]
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
        places = self._table.places
        return np.array(sorted(rows.tolist(), key=lambda row: (-self._ranks.at(row), places[row])), np.intp)

    def _candidate(self, row: int) -> Candidate:
        record = self._table.records[row]
        return Candidate(record.ce_id, self._ranks.at(row), record.host, record.endpoint, record)

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Candidate: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Candidate, ...]: ...

    def __getitem__(self, index: int | slice) -> Candidate | tuple[Candidate, ...]:
        if isinstance(index, slice):
            return tuple(self._candidate(row) for row in self._ordered[index].tolist())
        return self._candidate(int(self._ordered[index]))

    def __iter__(self) -> Iterator[Candidate]:
        return map(self._candidate, self._ordered.tolist())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, (Ranking, tuple)) and len(self) == len(other) and tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]
