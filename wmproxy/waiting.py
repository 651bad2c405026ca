"""Jobs that were registered and never started: they end after a time, with their nodes and their files."""

from __future__ import annotations

import logging
import time

from sqlalchemy.engine import Connection

from grid.jobid import JobId
from grid.states import Source
from lb.producer import JobLog
from wmproxy import jobs
from wmproxy.jobs import Job, Phase
from wmproxy.ledger import Ledger
from wmproxy.sandboxes import Sandboxes
from wmproxy.settings import WmproxySettings

log = logging.getLogger("wms.wmproxy")

_AT_ONCE = 1000
"""Jobs that one round ends; the next is an hour later."""


class _Cancelled(Exception):
    """The owner has just ended the job himself."""


class WaitingJobs:
    """Ends what waits for longer than the settings allow."""

    def __init__(self, settings: WmproxySettings, ledger: Ledger, sandboxes: Sandboxes) -> None:
        self._settings = settings
        self._ledger = ledger
        self._sandboxes = sandboxes

    def expire(self) -> int:
        """Abort and remove the jobs that wait for too long; returns how many there were."""
        moment = time.time() - self._settings.waiting_lifetime
        with self._ledger.engine.connect() as connection:
            old = jobs.waiting_since(connection, moment, _AT_ONCE)
        count = sum(map(self._end, old))
        if count:
            log.info("aborted and removed %d jobs that were registered and never started", count)
        return count

    def _end(self, job: JobId) -> bool:
        """End one job with its nodes; False when somebody starts it at this moment, or is at it already."""
        try:
            with self._sandboxes.of(job).locked(exclusive=True, wait=False):
                return self._abort(job)
        except BlockingIOError:
            return False
        except FileNotFoundError:
            return self._abort(job)  # somebody has removed its files

    def _abort(self, job: JobId) -> bool:
        with self._ledger.engine.connect() as connection:
            record = jobs.get(connection, job)
            if record is None or record.phase is not Phase.REGISTERED:
                return False
            nodes = jobs.nodes(connection, record) if record.compound else []
        days = self._settings.waiting_lifetime / 86_400
        logs = {one.job: self._log(one) for one in (record, *nodes) if one.phase is Phase.REGISTERED}
        reason = f"the job was not started within {days:g} days of its registration"
        events = [joblog.event("Abort", reason=reason) for joblog in logs.values()]
        codes = {one: joblog.seqcode for one, joblog in logs.items() if one != job}

        def unit(connection: Connection) -> None:
            if not jobs.move(connection, job, [Phase.REGISTERED], Phase.PURGED, logs[job].seqcode):
                raise _Cancelled
            jobs.move_nodes(connection, job, [Phase.REGISTERED, Phase.CANCELLED], Phase.PURGED, codes)

        try:
            self._ledger.commit(unit, events)
        except _Cancelled:
            return False
        for one in (*(node.job for node in nodes), job):
            self._sandboxes.remove(one)
        return True

    def _log(self, record: Job) -> JobLog:
        code = record.sequence_code or None
        return JobLog(record.job, record.owner, Source.NetworkServer, code, self._settings.host)
