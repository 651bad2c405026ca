"""The computing elements of one snapshot as a table: an expression is asked of all of them at once.  Pure.

A row is a record, in the order of the records.  Whatever a method answers equals what the evaluator
(:mod:`jdl.evaluate`) says for each row.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from enum import IntEnum
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from infosys.access import User, judge
from infosys.ce_ads import CeRecord
from jdl.evaluate import compile as compiled
from jdl.scope import Clock, Random, Success, scope_of
from jdl.tree import ClassAd, Expr
from jdl.values import ERROR, UNDEFINED, Value

__all__ = ["Mask", "Table", "Truth", "refuses_jobs"]


class Truth(IntEnum):
    """What an expression says of a row.

    ``OTHER`` is neither a truth value nor undefined nor an error: a number, a string, a list, an ad.
    """

    FALSE = 0
    TRUE = 1
    UNDEFINED = 2
    ERROR = 3
    OTHER = 4


REFUSING_STATES: Final = frozenset({"closed", "draining"})
STATUS: Final = "GlueCEStateStatus"

Mask: TypeAlias = NDArray[np.bool_]


class Table:
    """What jobs' expressions are asked of.

    :param records: the rows; not to be changed afterwards.
    """

    def __init__(self, records: Sequence[CeRecord]) -> None:
        self.records = tuple(records)

    def __len__(self) -> int:
        return len(self.records)

    def truth(
        self,
        job_ad: ClassAd,
        expr: Expr,
        *,
        clock: Clock = time.time,
        rng: Random = random.random,
        success: Success | None = None,
    ) -> NDArray[np.int8]:
        """A :class:`Truth` for each row.

        :param job_ad: the ad in which the expression's bare names are looked up; ``other`` is the row's.
        :param success: what ``successFraction()`` gives; without it, 1.0.
        """
        return np.array([_truth(value) for value in self._values(job_ad, expr, clock, rng, success)], np.int8)

    def where(
        self,
        job_ad: ClassAd,
        expr: Expr,
        *,
        clock: Clock = time.time,
        rng: Random = random.random,
        success: Success | None = None,
    ) -> Mask:
        """The rows on which the expression is true."""
        return np.asarray(self.truth(job_ad, expr, clock=clock, rng=rng, success=success) == Truth.TRUE)

    def numbers(
        self,
        job_ad: ClassAd,
        expr: Expr,
        *,
        clock: Clock = time.time,
        rng: Random = random.random,
        success: Success | None = None,
    ) -> tuple[NDArray[np.float64], Mask]:
        """The expression's numbers, and the rows on which it is one; elsewhere the number means nothing."""
        values = self._values(job_ad, expr, clock, rng, success)
        numeric = [isinstance(value, (int, float)) and not isinstance(value, bool) for value in values]
        numbers = [value if ok else 0.0 for value, ok in zip(values, numeric, strict=True)]
        return np.array(numbers, np.float64), np.array(numeric, np.bool_)

    def ranks(
        self,
        job_ad: ClassAd,
        expr: Expr,
        rows: Mask,
        *,
        clock: Clock = time.time,
        rng: Random = random.random,
        success: Success | None = None,
    ) -> list[tuple[int, int | float]]:
        """Row numbers with the expression's exact numbers, of the given rows on which it is a number."""
        code = compiled(expr)
        found = []
        for row in np.flatnonzero(rows).tolist():
            value = code(scope_of(job_ad, self.records[row].ad, clock=clock, rng=rng, success=success))
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                found.append((row, value))
        return found

    def admitted(self, user: User) -> Mask:
        """The rows whose access rules admit the user."""
        return np.array([judge(record.access_rules, user).allowed for record in self.records], np.bool_)

    def takes_jobs(self) -> Mask:
        """The rows that do not say that they take no jobs."""
        return np.array([not refuses_jobs(record) for record in self.records], np.bool_)

    def _values(
        self, job_ad: ClassAd, expr: Expr, clock: Clock, rng: Random, success: Success | None
    ) -> list[Value]:
        code = compiled(expr)
        return [
            code(scope_of(job_ad, record.ad, clock=clock, rng=rng, success=success)) for record in self.records
        ]


def refuses_jobs(record: CeRecord) -> bool:
    """Whether the element says that it takes no jobs at present."""
    status = record.ad.value(STATUS)
    return isinstance(status, str) and status.lower() in REFUSING_STATES


def _truth(value: Value) -> int:
    if isinstance(value, bool):
        return int(value)
    if value is UNDEFINED:
        return Truth.UNDEFINED
    return Truth.ERROR if value is ERROR else Truth.OTHER
