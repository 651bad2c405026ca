"""Lets waiting requests be looked at again as soon as that makes sense, not only by their own period.

That is when a computing element is new or has changed and they match it now, when there is a new picture after their
own jobs had filled what matched, and when an element is taken again that was set aside.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from broker import queue
from broker.candidates import Candidate
from broker.circumstances import Circumstances
from broker.data import DataPlan
from broker.ledger import Ledger
from broker.matchmaker import match
from broker.supermarket import Snapshot
from broker.waiting import Kind, Waiting
from broker.wms_requirements import WMS_REQUIREMENTS
from jdl.tree import Expr

log = logging.getLogger("wms.broker")

MOST_SECONDS: Final = 5.0
"""Seconds that one picture may be asked; kinds that are left wait for the next one or for their own period."""
_CHUNK: Final = 500


class Rouser:
    """Takes new pictures from the supermarket and asks them in a thread of its own.

    :param waiting: what waits.
    :param wake: called when there was a request to rouse.
    :param wms_requirements: what the WMS demands of an element.
    """

    def __init__(
        self,
        ledger: Ledger,
        waiting: Waiting,
        wake: Callable[[], None],
        wms_requirements: Expr | None = WMS_REQUIREMENTS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger = ledger
        self._waiting = waiting
        self._wake = wake
        self._wms_requirements = wms_requirements
        self._monotonic = monotonic
        self._known: Snapshot | None = None
        self._new: Snapshot | None = None
        self._lifted = False
        self._lock = threading.Lock()
        self._news = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="rouser", daemon=True)

    def start(self) -> Rouser:
        """Begin to work."""
        self._thread.start()
        return self

    def close(self) -> None:
        """End after what is under way."""
        self._closing = True
        self._news.set()
        if self._thread.ident is not None:
            self._thread.join(30)

    def __call__(self, snapshot: Snapshot) -> None:
        """There is a new picture; called by the supermarket."""
        with self._lock:
            self._new = snapshot
        self._news.set()

    def lifted(self) -> None:
        """A computing element is taken again; called inside a transaction, so it only leaves word."""
        with self._lock:
            self._lifted = True
        self._news.set()

    def look(self) -> int:
        """Do what there is to do; returns how many requests were roused."""
        with self._lock:
            snapshot, self._new = self._new, None
            lifted, self._lifted = self._lifted, False
        roused = 0
        if lifted:
            aside = [kind for kind in self._waiting.kinds() if kind.aside]
            roused += self._rouse([job for kind in aside for job in self._waiting.of(kind)])
        if snapshot is not None:
            before, self._known = self._known, snapshot
            # those of before a restart are not known here
            roused += self._rouse(None) if before is None else self._ask(before, snapshot)
        if roused:
            self._wake()
        return roused

    def _ask(self, before: Snapshot, snapshot: Snapshot) -> int:
        """Rouse the requests for which the new picture makes a difference."""
        kinds = self._waiting.kinds()
        if not kinds:
            return 0
        changed = _changed(before, snapshot)
        end = self._monotonic() + MOST_SECONDS
        jobs: list[str] = []
        for number, kind in enumerate(kinds):
            if self._monotonic() > end:
                log.info("%d kinds of waiting jobs were not compared with the new picture", len(kinds) - number)
                break
            self._waiting.looked_at(kind)
            if kind.filled or self._matters(kind, snapshot, changed):
                jobs += self._waiting.of(kind)
        return self._rouse(jobs)

    def _matters(self, kind: Kind, snapshot: Snapshot, changed: Snapshot) -> bool:
        """Whether one of the changed elements matches; what the others say is known.

        Where the user has chosen, all are asked: an element that has not changed is not one that nobody knows.  So are
        they for a job with data: an element comes to match without a change of its own when a storage element is new.
        Where some matched before and could not be sent to, it takes a changed one.
        """
        if kind.data is None:
            asked = changed if kind.job.submit_to is None else snapshot
            return bool(changed.records) and bool(self._matching(kind, asked, None))
        if kind.matched and not changed.records:
            return False
        data = kind.data.plan(snapshot)
        found = self._matching(kind, snapshot, data) if data.mask.any() else ()
        if not kind.matched:
            return bool(found)
        keys = {record.key for record in changed.records}
        return any(each.record is not None and each.record.key in keys for each in found)

    def _matching(self, kind: Kind, asked: Snapshot, data: DataPlan | None) -> Sequence[Candidate]:
        circumstances = Circumstances(success=self._ledger.standings.success)
        demands = self._wms_requirements
        found = match(
            kind.job, asked, kind.user, wms_requirements=demands, circumstances=circumstances, data=data
        )
        return found.candidates

    def _rouse(self, jobs: Sequence[str] | None) -> int:
        """:param jobs: None for all that wait because nothing matched."""
        if jobs is None:
            return self._ledger.writer.run(queue.rouse)
        chunks = [jobs[at : at + _CHUNK] for at in range(0, len(jobs), _CHUNK)]
        return sum(self._ledger.writer.run(partial(queue.rouse, jobs=chunk)) for chunk in chunks)

    def _run(self) -> None:
        while not self._closing:
            self._news.wait()
            self._news.clear()
            try:
                self.look()
            except Exception:
                # nobody waits for this alone: each request has its own period too
                log.exception("waiting requests could not be compared with the new picture")


def _changed(before: Snapshot, now: Snapshot) -> Snapshot:
    """The records of ``now`` that were not in ``before``, or were different there."""
    known = {record.key: record for record in before.records}
    records = tuple(each for each in now.records if (old := known.get(each.key)) is not each and old != each)
    return Snapshot(records, now.taken_at, now.generation)
