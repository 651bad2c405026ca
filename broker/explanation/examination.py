"""One job held against one picture of the grid: which computing element fails which conditions, as masks.

Everything else in this package asks an :class:`Examination`.  A mask has one place for each record of the snapshot
(a computing element or a VO view of one); counts are of computing elements.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from broker.circumstances import USUAL, Circumstances
from broker.data import DataPlan
from broker.explanation.clause import Clause, clauses_of
from broker.explanation.vocabulary import vocabulary_of
from broker.matchmaker import WMS_REQUIREMENTS, Job
from broker.supermarket import Snapshot
from broker.table import Mask
from infosys.access import User
from jdl.evaluate import compile as compiled
from jdl.tree import ClassAd, Expr
from jdl.values import Value

PATIENCE: Final = 1.0
"""Seconds of processor time after which nothing more is looked for; a usual explanation takes milliseconds, and none
may hold the broker for what a user can write.  What else runs on the machine must not make an explanation worse."""


class Examination:
    """Which condition fails where.

    ``time()`` and ``random()`` are asked once, so that all conditions see the same.

    :ivar conditions: the terms of the Requirements, those of the WMS's own, and Rank, in this order.
    :ivar holds: for each of them a mask of where it is true (of Rank: where it is a number).
    :ivar asked: records that admit the user, take jobs, and are near the job's data if it reads any.
    :ivar set_aside: computing elements that would match and are set aside for a while, and why.
    """

    def __init__(
        self,
        job: Job,
        snapshot: Snapshot,
        user: User,
        *,
        wms_requirements: Expr | None = WMS_REQUIREMENTS,
        set_aside: Mapping[str, str] | None = None,
        data: DataPlan | None = None,
        circumstances: Circumstances = USUAL,
        patience: float = PATIENCE,
    ) -> None:
        self._until = time.thread_time() + patience
        self._circumstances = circumstances.held()
        self.job = job
        self.user = user
        self.snapshot = snapshot
        self.table = snapshot.table
        self.set_aside = set_aside or {}
        self.wms_requirements = wms_requirements
        self.vocabulary = vocabulary_of(self.table)
        self._elements = self.vocabulary.elements
        self.ce_ids: Sequence[str] = self._elements.ids
        self.admitted: Mask = self.table.admitted(user)
        everywhere = np.ones(len(self.table), dtype=np.bool_)
        self.open: Mask = everywhere if job.decides_status else self.table.takes_jobs()
        self.data = data
        self.asked: Mask = self.admitted & self.open
        if data is not None:
            self.asked = self.asked & data.mask
        asked = self._terms(everywhere)
        asked += [(each, self.where(each.expr)) for each in (Clause(t, "wms") for t in job.conjuncts(wms_requirements))]
        asked.append((Clause(job.rank, "rank"), self._ranking[1]))
        self.conditions: list[Clause] = [clause for clause, _ in asked]
        self.holds: list[Mask] = [holds for _, holds in asked]

    def _terms(self, everywhere: Mask) -> list[tuple[Clause, Mask]]:
        """The terms of the Requirements and where each is true.

        They are one term when asking each would take too long, or when the whole of them does.  Requirements whose
        evaluation on one element is given up are an error though each of their terms is true; then they are a
        condition of their own.
        """
        requirements = self.job.requirements
        if requirements is None:
            return []
        whole = self.where(requirements)
        if self.gave_up(requirements):
            return [(Clause(requirements, "heavy"), whole)]
        asked: list[tuple[Clause, Mask]] = []
        together = everywhere
        for clause in clauses_of(self.job):
            if self.overdue:
                return [(Clause(requirements, "late"), whole)]
            holds = whole if clause.expr is requirements else self.where(clause.expr)
            if self.gave_up(clause.expr):
                return [(Clause(requirements, "late"), whole)]
            together = together & holds
            asked.append((clause, holds))
        if (together & ~whole).any():
            asked.insert(0, (Clause(requirements, "cost"), whole))
        return asked

    @property
    def overdue(self) -> bool:
        """Whether so much time has been spent that only what is needed is still looked at."""
        return time.thread_time() > self._until

    # -- evaluation --------------------------------------------------------------------------------------

    def truth(self, expr: Expr) -> npt.NDArray[np.int8]:
        """What an expression of the job is on each record (:class:`broker.table.Truth`)."""
        return self.table.truth(self.job.ad, expr, self._circumstances)

    def where(self, expr: Expr, ad: ClassAd | None = None) -> Mask:
        """The records on which an expression of the job is true."""
        return self.table.where(ad if ad is not None else self.job.ad, expr, self._circumstances)

    def ranks(self, expr: Expr, ad: ClassAd | None = None) -> tuple[npt.NDArray[np.float64], Mask]:
        """The numbers that an expression is, and where it is one."""
        return self.table.numbers(ad if ad is not None else self.job.ad, expr, self._circumstances)

    def gave_up(self, expr: Expr) -> bool:
        """Whether an expression of the job that was asked took too long."""
        return self.table.gave_up(self.job.ad, expr)

    @cached_property
    def _ranking(self) -> tuple[npt.NDArray[np.float64], Mask]:
        """What the job's own Rank is."""
        return self.ranks(self.job.rank)

    def value(self, expr: Expr, place: int) -> Value:
        """What an expression of the job is on one record."""
        record = self.snapshot.records[place]
        return compiled(expr)(self._circumstances.scope(self.job.ad, record.ad))

    # -- counting ----------------------------------------------------------------------------------------

    def elements(self, mask: Mask) -> Mask:
        """The computing elements of which a record is in the mask; one place for each of :attr:`ce_ids`."""
        return self._elements.having(mask)

    def count(self, mask: Mask) -> int:
        """How many computing elements have a record in the mask."""
        return int(self.elements(mask).sum())

    def of(self, elements: Mask) -> Mask:
        """The records of computing elements."""
        return self._elements.records(elements)

    def names(self, elements: Mask) -> list[str]:
        """The identifiers of computing elements."""
        return [self.ce_ids[place] for place in np.flatnonzero(elements).tolist()]

    def ce_id(self, place: int) -> str:
        """Whose record it is."""
        return self.ce_ids[int(self._elements.of_record[place])]

    # -- results -----------------------------------------------------------------------------------------

    @cached_property
    def failures(self) -> npt.NDArray[np.int32]:
        """How many conditions each record fails."""
        total = np.zeros(len(self.table), dtype=np.int32)
        for mask in self.holds:
            total += ~mask
        return total

    @cached_property
    def fitting(self) -> Mask:
        """Records that fail no condition, whether or not they admit the user and take jobs."""
        return np.asarray(self.failures == 0)

    @cached_property
    def available(self) -> Mask:
        """Records that are not set aside for a while."""
        if not self.set_aside:
            return np.ones(len(self.table), dtype=np.bool_)
        return self.of(np.array([each not in self.set_aside for each in self.ce_ids], dtype=np.bool_))

    @cached_property
    def matching(self) -> Mask:
        """Records that match."""
        matching = self.asked & self.fitting
        return (matching if self.data is None else self.data.nearest(matching)) & self.available

    def passed(self, *whose: str) -> Mask:
        """Records that are asked and meet all conditions of these kinds."""
        mask = self.asked.copy()
        for clause, holds in zip(self.conditions, self.holds, strict=True):
            if clause.whose in whose:
                mask &= holds
        return mask

    def best(
        self, mask: Mask, most: int, rank: Expr | None = None, ad: ClassAd | None = None
    ) -> list[tuple[str, float]]:
        """The elements of a mask with the highest rank, the best first."""
        values, numeric = self._ranking if rank is None else self.ranks(rank, ad)
        places = np.flatnonzero(mask & numeric)
        found: dict[str, float] = {}
        for place in places[np.argsort(-values[places], kind="stable")]:
            found.setdefault(self.ce_id(int(place)), float(values[place]))
            if len(found) >= most:
                break
        return list(found.items())


