"""Moves jobs from PENDING to their end.

One thread prepares directories, reads what wrappers report and records it; the batch system has its own.  The
thread sleeps on the doorbell that wrappers, the SOAP port and the batch system ring, and also looks by a slow
timer, so a lost ring costs seconds and nothing else.  Every change is durable before the next step is taken.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from ce import database
from ce.accounts import AccountMap
from ce.database import Change, Job
from ce.description import read_description
from ce.jobproxy import ProxySource
from ce.logbook import Logbook
from ce.lrms import BatchJob, Lrms
from ce.outcome import CANCELLED, MAX_LAUNCHES, judge, may_launch_again
from ce.reports import Forged, Result, Step, read_result, read_steps
from ce.settings import CeSettings
from ce.staging import Staging
from ce.vital import VitalThread
from grid import faultpoints
from grid.doorbell import Doorbell, ring
from grid.errors import GridError
from grid.states import CreamState
from lb.events import Event
from lb.outbox import Outbox
from storage.writer import GroupWriter

_log = logging.getLogger("wms.ce")
_LOOK_AGAIN = 5.0
_HOUR = 3600.0
_PREPARE_BATCH = 32

T = TypeVar("T")


@dataclass(slots=True)
class _Active:
    """An assigned job as the executor follows it."""

    batch: BatchJob
    created: float
    logbook: Logbook
    seen: set[CreamState] = field(default_factory=set)


class Executor:
    """Follows every live job; also the batch system's watcher.

    :param changed: called after each commit that changed a state (wakes followers and the publisher).
    """

    def __init__(
        self,
        settings: CeSettings,
        engine: Engine,
        writer: GroupWriter,
        accounts: AccountMap,
        staging: Staging,
        proxies: ProxySource,
        outbox: Outbox,
        changed: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._writer = writer
        self._accounts = accounts
        self._staging = staging
        self._proxies = proxies
        self._outbox = outbox
        self._changed = changed
        self._lrms: Lrms | None = None
        self._lock = threading.Lock()
        self._active: dict[str, _Active] = {}
        self._ended: deque[str] = deque()
        self._refused: deque[tuple[str, str]] = deque()
        self._discarded: deque[str] = deque()
        self._bell = Doorbell.listen(settings.doorbell, 0o666)
        self._closing = False
        self._next_expiry = 0.0
        self._thread = VitalThread("ce-executor", self._run)

    def start(self, lrms: Lrms) -> None:
        """Take over what an earlier life left, then begin.  The batch system is started by the caller after this."""
        self._lrms = lrms
        self._recover()
        self._thread.start()

    def close(self) -> None:
        """Stop; jobs run on."""
        self._closing = True
        self.wake()
        if self._thread.ident is not None:
            self._thread.join(timeout=30.0)
        self._bell.close()

    # -- what others call

    def wake(self) -> None:
        """There may be something to do."""
        ring(self._settings.doorbell)

    def cancel(self, job: str) -> None:
        """Let the batch system end a job whose cancellation is on record."""
        if self._batch_system.cancel(job):
            self.discard(job)

    def discard(self, job: str) -> None:
        """Remove the files of a job."""
        self._discarded.append(job)
        self.wake()

    # -- the batch system's watcher

    def assigned(self, places: Sequence[tuple[str, str]]) -> Collection[str]:
        """Record where jobs run, unless they were cancelled meanwhile."""

        def work(db: Connection) -> list[Job]:
            admitted = []
            for name, batch_id in places:
                job = database.get_job(db, name)
                if job is None or job.state is not CreamState.IDLE or job.cancel or job.launches >= MAX_LAUNCHES:
                    continue
                database.set_fields(db, name, batch_id=batch_id, launches=job.launches + 1)
                admitted.append(job)
            return admitted

        jobs = self._writer.run(work)
        with self._lock:
            for job in jobs:
                self._active[job.id] = self._follow(job)
        return {job.id for job in jobs}

    def ended(self, job: str) -> None:
        """A wrapper is gone."""
        self._ended.append(job)
        self.wake()

    def refused(self, job: str, reason: str) -> None:
        """The batch system would not start a wrapper."""
        self._refused.append((job, reason))
        self.wake()

    # -- the thread

    def _run(self) -> None:
        pause = 0.0
        while not self._closing:
            try:
                self._turn()
                pause = 0.0
            except (GridError, OSError, SQLAlchemyError) as error:
                pause = min(10.0, 2 * pause or 0.2)
                _log.error("the executor will try again in %.1f s: %s", pause, error)
            self._bell.wait(pause or _LOOK_AGAIN)

    def _turn(self) -> None:
        ended, refused = _drain(self._ended), _drain(self._refused)
        try:
            self._report(ended)
            for job, reason in refused:
                self._abort(job, reason, infrastructure=True)
        except BaseException:
            self._ended.extend(ended)
            self._refused.extend(refused)
            raise
        while self._prepare() and not self._closing:
            pass
        for job in _drain(self._discarded):
            self._staging.remove(job)
        if time.monotonic() >= self._next_expiry:
            self._next_expiry = time.monotonic() + _HOUR
            self._expire()

    @property
    def _batch_system(self) -> Lrms:
        if self._lrms is None:
            raise RuntimeError("the executor was not started")
        return self._lrms

    def _follow(self, job: Job) -> _Active:
        seen = {CreamState.RUNNING} if job.state in (CreamState.RUNNING, CreamState.REALLY_RUNNING) else set()
        if job.state is CreamState.REALLY_RUNNING:
            seen.add(CreamState.REALLY_RUNNING)
        return _Active(self._batch_job(job), job.created, Logbook(job), seen)

    def _batch_job(self, job: Job) -> BatchJob:
        return BatchJob(job.id, job.queue, self._staging.control(job.id), self._accounts.local(job.slot), job.slots)

    # -- start-up

    def _recover(self) -> None:
        """Adopt what runs, prepare again what waited, forget files without a job."""
        with self._engine.connect() as db:
            jobs = database.jobs_in(db, [CreamState.IDLE, CreamState.RUNNING, CreamState.REALLY_RUNNING])
            known = {job.id for job in jobs}
            for name in self._staging.known():
                job = None if name in known else database.get_job(db, name)
                if name not in known and (job is None or job.state in (CreamState.PURGED, CreamState.DONE_OK)):
                    self._discarded.append(name)
        for job in jobs:
            if job.batch_id is None:
                self._writer.run(_to_pending(job.id))
                continue
            self._active[job.id] = self._follow(job)
            if not self._batch_system.adopt(self._active[job.id].batch, job.batch_id):
                self._ended.append(job.id)
            elif job.cancel:
                self._batch_system.cancel(job.id)
        _log.info("%d jobs were taken over", len(jobs))

    # -- PENDING to IDLE

    def _prepare(self) -> bool:
        """Prepare some PENDING jobs.  Returns False when there are none."""
        with self._engine.connect() as db:
            jobs = database.jobs_in(db, [CreamState.PENDING], limit=_PREPARE_BATCH)
        prepared = [(job, batch) for job in jobs if (batch := self._prepare_one(job)) is not None]
        faultpoints.point("ce.prepare.staged")
        moment = time.time()
        pieces = [(batch, self._writer.submit(_to_idle(job.id, moment))) for job, batch in prepared]
        for batch, piece in pieces:
            if piece.result(timeout=30.0):
                faultpoints.point("ce.prepare.committed")
                self._batch_system.submit(batch)
            else:
                self._discarded.append(batch.id)
        if jobs:
            self._changed()
        return bool(jobs)

    def _prepare_one(self, job: Job) -> BatchJob | None:
        try:
            proxy = self._proxies.of(job)
            description = read_description(job.jdl)
            batch = self._batch_job(job)
            self._staging.prepare(job.id, description, batch.account, proxy.pem, proxy.not_after.timestamp())
        except GridError as error:
            self._abort(job.id, error.description, infrastructure=False)
        except OSError as error:
            _log.error("the directory of job %s cannot be made: %s", job.id, error)
            self._abort(job.id, "the job's directory cannot be made", infrastructure=True)
        else:
            return batch
        return None

    def _abort(self, job: str, reason: str, *, infrastructure: bool) -> None:
        verdict = "resubmit" if infrastructure else "abort"
        change = Change(CreamState.ABORTED, time.time(), reason=reason, infrastructure=infrastructure, verdict=verdict)
        self._writer.run(lambda db: database.change(db, job, change))
        self._changed()

    # -- RUNNING to the end

    def _report(self, ended: Sequence[str]) -> None:
        """Record the steps of running jobs and the ends of those whose wrappers are gone."""
        with self._lock:
            active = dict(self._active)
        steps: list[tuple[_Active, Step, Future[bool]]] = []
        for name, item in active.items():
            for step in read_steps(item.batch.control, item.batch.account.uid):
                if step.state not in item.seen:
                    steps.append((item, step, self._step(name, item, step)))
        begun = {item.batch.id for item, _, _ in steps}
        ends = [self._finish(name, active[name], name in begun) for name in ended if name in active]
        for item, step, piece in steps:
            piece.result(timeout=30.0)
            item.seen.add(step.state)
        for end in ends:
            if end is not None:
                end.result(timeout=30.0)
        if steps or ends:
            faultpoints.point("ce.report.committed")
            self._outbox.notify()
            self._changed()
        with self._lock:
            for name in ended:
                self._active.pop(name, None)

    def _step(self, name: str, item: _Active, step: Step) -> Future[bool]:
        at = min(max(step.at, item.created), time.time())  # the wrapper's clock, within reason
        events = item.logbook.step(step, at)
        change = Change(step.state, at, node=step.node, seqcode=item.logbook.seqcode)
        return self._writer.submit(self._recorded(name, change, events))

    def _finish(self, name: str, item: _Active, begun: bool) -> Future[bool] | None:
        """Record the end of one job, or start again a wrapper that never began."""
        with self._engine.connect() as db:
            job = database.get_job(db, name)
        if job is None or job.state.final:
            self._discarded.append(name)
            return None
        result = _result(item.batch)
        if may_launch_again(job, begun or bool(item.seen), result):
            return self._writer.submit(_to_pending(name))
        outcome = judge(job, result, time.time())
        events = item.logbook.end(outcome, result)
        change = replace(outcome.change, seqcode=item.logbook.seqcode)
        self._discard_later(name, change)
        return self._writer.submit(self._recorded(name, change, events))

    def _discard_later(self, name: str, change: Change) -> None:
        if change.state in (CreamState.DONE_OK, CreamState.CANCELLED):
            self._discarded.append(name)  # of a failed job the files stay until it is purged

    def _recorded(self, name: str, change: Change, events: Sequence[Event]) -> Callable[[Connection], bool]:
        def work(db: Connection) -> bool:
            if not database.change(db, name, change):
                return False
            self._outbox.add(db, events)
            return True

        return work

    # -- what is long over

    def _expire(self) -> None:
        before = time.time() - self._settings.purge_after_days * 86400
        names = self._writer.run(lambda db: database.expire(db, before, 1000))
        for name in names:
            self._staging.remove(name)
        if names:
            _log.info("%d jobs that ended long ago were forgotten", len(names))


def _to_idle(name: str, moment: float) -> Callable[[Connection], bool]:
    def work(db: Connection) -> bool:
        job = database.get_job(db, name)
        if job is None or job.state is not CreamState.PENDING:
            return False  # cancelled meanwhile
        return database.change(db, name, Change(CreamState.IDLE, moment))

    return work


def _to_pending(name: str) -> Callable[[Connection], bool]:
    """Back to the beginning, unless the job was cancelled meanwhile: then it ends here, as nothing of it runs."""

    def work(db: Connection) -> bool:
        job = database.get_job(db, name)
        if job is None or job.state.final:
            return False
        if job.cancel:
            return database.change(db, name, Change(CreamState.CANCELLED, time.time(), reason=CANCELLED))
        database.set_fields(db, name, state=CreamState.PENDING.value, batch_id=None)
        return True

    return work


def _result(batch: BatchJob) -> Result | None:
    try:
        return read_result(batch.control, batch.account.uid)
    except Forged as error:
        _log.warning("job %s left a result that no wrapper writes (%s)", batch.id, error)
        return None


def _drain(items: deque[T]) -> list[T]:
    found = []
    while items:
        found.append(items.popleft())
    return found
