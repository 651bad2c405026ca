"""Moves compound jobs: releases their nodes, ends those that cannot start or were cancelled.

It is woken by the end of a node, by a cancellation and by the arrival of a compound job, and looks at no node that
has nothing to do.  Each step is one transaction of a bounded number of nodes: a crash between two finds the job due.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Protocol

from sqlalchemy.engine import Connection

from broker import compounds
from broker.compound import Compound
from broker.compound_trail import CompoundTrail
from broker.ledger import Ledger
from broker.request import End, Phase, Request
from broker.settings import BrokerSettings
from broker.supermarket import Snapshot
from broker.tally import CANCELLED, PARENTS_ABORTED, NodeEnd, count_ends
from broker.trail import Trail
from grid.faultpoints import point
from grid.jobid import JobId
from infosys.ce_ads import CeRecord

log = logging.getLogger("wms.broker")

_BATCH = 200
"""Nodes ended in one transaction."""
_PER_SLOT = 2
"""Released nodes for each slot that is known: one runs, one is on its way or waits there."""
_LONGEST_DELAY = 300.0


class _Shelf(Protocol):
    def snapshot(self) -> Snapshot: ...


class Engine:
    """Takes steps of compound jobs; used by several threads at once, each with another job."""

    def __init__(self, settings: BrokerSettings, ledger: Ledger, supermarket: _Shelf) -> None:
        self._settings = settings
        self._ledger = ledger
        self._supermarket = supermarket

    def advance(self, job: JobId) -> None:
        """Do what can be done for ``job`` now.

        :raises Exception: whatever goes wrong unexpectedly; the caller puts the job back with a delay.
        """
        most = self.most_released()
        more = True
        while more:
            more = self._ledger.writer.run(lambda connection: self._step(connection, job, most))
            point("broker.engine.advanced")
            self._ledger.told()

    def put_back(self, job: JobId) -> None:
        """After an unexpected failure: try again after a delay that grows, since the job has nobody else."""

        def later(connection: Connection) -> None:
            compound = compounds.get(connection, job)
            if compound is not None and compound.phase is not Phase.ENDED:
                delay = min(_LONGEST_DELAY, 1.0 * 2 ** min(compound.stumbles, 8))
                compounds.change(connection, job, next_try=time.time() + delay, stumbles=compound.stumbles + 1)

        self._ledger.writer.run(later)

    def most_released(self) -> int:
        """How many nodes of one compound job may be released and not ended: what the known slots can use, in bounds."""
        slots = {record.ce_id: record.ad.integer("GlueCEInfoTotalCPUs") or 0 for record in self._records()}
        wanted = _PER_SLOT * sum(slots.values())
        return min(self._settings.most_released_nodes, max(self._settings.fewest_released_nodes, wanted))

    def _records(self) -> Sequence[CeRecord]:
        return self._supermarket.snapshot().records

    def _step(self, connection: Connection, job: JobId, most: int) -> bool:
        """One transaction; True when there is more to do at once."""
        compounds.change(connection, job, next_try=None, stumbles=0)  # first: from here a cancellation waits for us
        compound = compounds.get(connection, job)
        if compound is None or compound.phase is Phase.ENDED:
            return False
        if compound.phase is Phase.QUEUED:
            self._begin(connection, compound)
        if compound.cancelling:
            compounds.cancel_released(connection, job, time.time())
            return self._end_many(connection, job, End.CANCELLED)
        if self._end_many(connection, job, End.ABORTED):
            return True
        compound = compounds.get(connection, job) or compound
        room = min(most - compound.released, compound.held)
        if room > 0:
            compounds.release(connection, compound, room, time.time())
        return False

    def _begin(self, connection: Connection, compound: Compound) -> None:
        trail = CompoundTrail(compound, self._settings.host)
        trail.begun()
        compounds.change(connection, compound.job, phase=Phase.RUNNING, sequence_code=trail.sequence_code)
        self._ledger.record(connection, trail.events)

    def _end_many(self, connection: Connection, job: JobId, end: End) -> bool:
        """End held nodes, generation after generation; True when there may be more than one transaction takes."""
        left = _BATCH
        while left > 0 and (ended := self._end_held(connection, job, end, left)):
            left -= ended
        return left <= 0

    def _end_held(self, connection: Connection, job: JobId, end: End, most: int) -> int:
        """End held nodes: any that there are, or those that can never start; returns how many there were."""
        nodes = compounds.held(connection, job, most, doomed=end is End.ABORTED)
        if not nodes:
            return 0
        ends = [NodeEnd(node, end, None, self._reason(node, end)) for node in nodes]
        trails = [self._trail(each) for each in ends]
        compounds.end_held(
            connection,
            [(node, trail.sequence_code) for node, trail in zip(nodes, trails, strict=True)],
            end,
            [each.reason for each in ends],
        )
        self._ledger.record(connection, count_ends(connection, job, ends, self._settings.host))
        for trail in trails:
            self._ledger.record(connection, trail.events)
        return len(nodes)

    @staticmethod
    def _reason(node: Request, end: End) -> str:
        return CANCELLED if end is End.CANCELLED else node.reason or PARENTS_ABORTED

    def _trail(self, ended: NodeEnd) -> Trail:
        trail = Trail(ended.node, self._settings.host)
        if ended.end is End.CANCELLED:
            trail.cancelled(ended.reason)
        else:
            trail.aborted(ended.reason)
        return trail
