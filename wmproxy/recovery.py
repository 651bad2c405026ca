"""Finishing what a crash of WMProxy cut off: registrations without a row, removals that did not end.

It is done at the start of the service, and again whenever a worker is born: the death of one worker process is
nobody's start, and its registrations must not wait for the next one.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace

from sqlalchemy.exc import SQLAlchemyError

from grid.doorbell import ring
from grid.errors import GridError
from grid.jobid import JobId
from grid.states import Source
from lb.events import Event
from lb.producer import JobLog
from web import upload
from wmproxy import jobs
from wmproxy.descriptions import Descriptions
from wmproxy.jobs import SEED, Job, Kind, Phase
from wmproxy.ledger import Ledger
from wmproxy.sandboxes import Sandboxes
from wmproxy.settings import WmproxySettings

log = logging.getLogger("wms.wmproxy")

_STOP_SECONDS = 2.0
_KINDS = {kind.value: kind for kind in (Kind.COLLECTION, Kind.DAG)}


class Recovery:
    """Removes directories whose registration or removal was cut off, while other workers serve.

    A registration that goes on holds its directory's start lock, so what is free and has no row was cut off.  The
    job may be known to L&B; there it is aborted, since nobody will ever start it.

    :param recount: makes the accounts of sandbox space anew; what was under way in a worker that died is in them.
    """

    def __init__(
        self,
        settings: WmproxySettings,
        ledger: Ledger,
        sandboxes: Sandboxes,
        descriptions: Descriptions,
        recount: Callable[[], object],
    ) -> None:
        self._settings = settings
        self._ledger = ledger
        self._sandboxes = sandboxes
        self._descriptions = descriptions
        self._recount = recount
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recovery", daemon=True)

    def start(self) -> Recovery:
        """Work in the background: a worker that is born takes requests at once."""
        self._thread.start()
        return self

    def close(self) -> None:
        """Stop after the job in hand."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join(_STOP_SECONDS)

    def before_serving(self) -> int:
        """The same in the foreground, and uploads that were cut off too; returns how many jobs were removed."""
        count = self.finish()
        for job in self._sandboxes.jobs():
            places = self._sandboxes.of(job)
            for directory in (places.input, places.output, places.peek):
                upload.sweep(directory, 0.0)  # no upload is under way before the service starts
        return count

    def finish(self) -> int:
        """Look at every job's directory once; returns how many were removed."""
        count = self._sandboxes.sweep()
        for job in list(self._sandboxes.jobs()):
            if self._stopped.is_set():
                break
            record = self._record(job)
            if record is None:
                count += self._cut_off(job)
            elif record.phase is Phase.PURGED:
                self._sandboxes.remove(job)
                count += 1
        return count

    def abandon(self, job: JobId, reason: str) -> None:
        """End a registration that failed: no job, no sandbox, and an Abort for what L&B may have heard of it.

        When even that cannot be written the directory stays, and :meth:`finish` ends it later.  The caller holds
        the directory's start lock.
        """
        try:
            self._tell(job, reason)
            self._sandboxes.remove(job)
        except (GridError, OSError, SQLAlchemyError) as error:
            log.error("what the failed registration of %s left will be removed later: %s", job, error)

    def _run(self) -> None:
        ring(self._settings.broker_doorbell)  # for what was committed and not rung for
        try:
            count = self.finish()
            self._recount()
        except (GridError, OSError, SQLAlchemyError) as error:
            log.error("sandboxes that a crash left will be looked at after the next start: %s", error)
            return
        if count:
            log.info("removed %d sandboxes of registrations or purges that were cut off", count)

    def _record(self, job: JobId) -> Job | None:
        with self._ledger.engine.connect() as connection:
            return jobs.get(connection, job)

    def _cut_off(self, job: JobId) -> bool:
        """Abort and remove a job without a row; False when it is being registered, or was a moment ago."""
        try:
            with self._sandboxes.of(job).locked(exclusive=True, wait=False):
                if self._record(job) is not None:
                    return False
                self._tell(job, "the registration was cut off; submit the job again")
                self._sandboxes.remove(job)
        except (BlockingIOError, FileNotFoundError):
            return False
        return True

    def _tell(self, job: JobId, reason: str) -> None:
        """Abort the job at L&B, and put it among the purged in the same transaction: it is told once."""
        try:
            ad = self._descriptions.cut_off(job)
            owner, vo = ad.string("CertificateSubject") or "", ad.string("VirtualOrganisation") or ""
            joblog = JobLog(job, owner, Source.NetworkServer, ad.string("LB_sequence_code"), self._settings.host)
            kind = _KINDS.get((ad.string("Type") or "").lower(), Kind.JOB)
            record = Job(job, owner, vo, (), Phase.PURGED, "", kind=kind)
            events = [joblog.event("Abort", reason=reason), *self._abort_nodes(record, reason)]
        except (OSError, UnicodeDecodeError, GridError) as error:
            log.warning("the sandbox of %s, whose registration was cut off, cannot be read: %s", job, error)
            return
        ended = replace(record, sequence_code=joblog.seqcode)
        self._ledger.commit(lambda connection: jobs.insert(connection, ended), events)

    def _abort_nodes(self, record: Job, reason: str) -> list[Event]:
        """The ends of the nodes that L&B made with their parent's registration."""
        if not record.compound:
            return []
        try:
            count = len(self._descriptions.compound(record).nodes)
        except GridError as error:  # the parent's end must not hang on that
            log.warning("the nodes of %s, whose registration was cut off, cannot be told apart: %s", record.job, error)
            return []
        nodes = (record.job.child(SEED, index) for index in range(count))
        logs = (JobLog(node, record.owner, Source.NetworkServer, None, self._settings.host) for node in nodes)
        return [joblog.event("Abort", reason=reason) for joblog in logs]
