"""What can be done with jobs: register, start, cancel, look, purge, follow.

Each operation takes who asks, checks that the job is theirs (or that they administer the element), commits, and
only then answers.  An unknown job and somebody else's get the same answer.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Connection, Engine

from ce import database
from ce.accounts import AccountMap
from ce.board import EventBoard
from ce.database import Change, Command, Job, StatusEvent
from ce.description import JobDescription, read_description
from ce.errors import BadDescription, NoSuchJob, QueueFull, WrongState
from ce.settings import CeSettings, Queue
from grid import faultpoints
from grid.states import CreamState
from storage.writer import GroupWriter

MAX_DESCRIPTION_ID = 255


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: normalised DN, primary FQAN and VO of the verified chain, and whether they administer the element."""

    dn: str
    fqan: str | None = None
    vo: str | None = None
    administrator: bool = False


@dataclass(frozen=True, slots=True)
class JobView:
    """A job with its histories and the uid it runs under."""

    job: Job
    uid: int
    events: Sequence[StatusEvent]
    commands: Sequence[Command]


class Wakeable(Protocol):
    """What moves jobs on."""

    def wake(self) -> None:
        """There may be something to do."""

    def cancel(self, job: str) -> None:
        """A cancellation of this job was committed."""

    def discard(self, job: str) -> None:
        """The files of this job may go."""


class Jobs:
    """The operations.

    :param admit: raises when the caller may not use the queue.
    :param executor: is told after each commit that gives it something to do.
    """

    def __init__(
        self,
        settings: CeSettings,
        engine: Engine,
        writer: GroupWriter,
        accounts: AccountMap,
        board: EventBoard,
        executor: Wakeable,
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._writer = writer
        self._accounts = accounts
        self._board = board
        self._executor = executor

    def register(
        self,
        caller: Caller,
        jdl: str,
        delegation_id: str,
        *,
        description_id: str | None = None,
        start: bool = False,
        admit: Callable[[Queue], None],
    ) -> Job:
        """Register a job; repeating it with the same ``description_id`` returns the same job.

        :param description_id: the caller's own name for the job; without one every call makes a new job.
        :param start: begin at once (autoStart); also honoured when a repeated call finds the job registered.
        :raises BadDescription: the JDL cannot be used (JdlError when it is not a ClassAd).
        :raises QueueFull: the queue or the element holds its limit of jobs.
        """
        description = read_description(jdl)
        queue = self._queue(description)
        admit(queue)
        if description.slots > queue.slots:
            raise BadDescription(
                "CpuNumber", f"asks for {description.slots} processors; queue {queue.name} has {queue.slots}"
            )
        name = description_id or f"anonymous-{secrets.token_hex(16)}"
        if len(name) > MAX_DESCRIPTION_ID or not name.isprintable():
            raise BadDescription("jobDescriptionId", f"at most {MAX_DESCRIPTION_ID} printable characters")
        job = self._writer.run(lambda db: self._register(db, caller, name, description, jdl, delegation_id, start))
        faultpoints.point("ce.register.committed")
        self._changed()
        return job

    def _register(
        self,
        db: Connection,
        caller: Caller,
        name: str,
        description: JobDescription,
        jdl: str,
        delegation_id: str,
        start: bool,
    ) -> Job:
        job = database.find_registered(db, caller.dn, name)
        moment = time.time()
        if job is None:
            self._check_room(db, description.queue)
            account = self._accounts.slot_of(db, caller.dn)
            values = {
                "dn": caller.dn,
                "description_id": name,
                "fqan": caller.fqan,
                "vo": caller.vo,
                "queue": description.queue,
                "jdl": jdl,
                "grid_id": str(description.grid_id) if description.grid_id else None,
                "delegation_id": delegation_id,
                "slot": account,
                "slots": description.slots,
                "seqcode": str(description.sequence_code or ""),
            }
            job = database.add_job(db, values, moment)
            database.add_command(db, job.id, "JOB_REGISTER", moment)
        if start and job.state is CreamState.REGISTERED:
            self._start(db, job, moment)
        return job

    def _check_room(self, db: Connection, queue_name: str) -> None:
        queue = self._settings.queue(queue_name)
        limit = queue.slots + queue.max_waiting if queue else 0
        if database.count_live(db, queue_name) >= limit:
            raise QueueFull(f"queue {queue_name}", limit)
        if database.count_live(db) >= self._settings.max_jobs:
            raise QueueFull("the computing element", self._settings.max_jobs)

    def start(self, caller: Caller, name: str) -> None:
        """Start a registered job; starting it again changes nothing.

        :raises WrongState: it was cancelled before it was started.
        """

        def work(db: Connection) -> None:
            job = self._own(db, caller, name)
            if job.state is CreamState.REGISTERED:
                self._start(db, job, time.time())
            elif job.state is CreamState.CANCELLED:
                raise WrongState(job.id, "JobStart", job.state.value)

        self._writer.run(work)
        faultpoints.point("ce.start.committed")
        self._changed()

    def _start(self, db: Connection, job: Job, moment: float) -> None:
        database.change(db, job.id, Change(CreamState.PENDING, moment))
        database.add_command(db, job.id, "JOB_START", moment)

    def cancel(self, caller: Caller, name: str) -> None:
        """Cancel: durable when this returns, so the job begins no more; a running one is then ended.

        :raises WrongState: the job has already ended otherwise.
        """

        def work(db: Connection) -> None:
            job = self._own(db, caller, name)
            if job.state is CreamState.CANCELLED:
                return
            if job.state.final:
                raise WrongState(job.id, "JobCancel", job.state.value)
            moment = time.time()
            database.set_fields(db, job.id, cancel=True)
            database.add_command(db, job.id, "JOB_CANCEL", moment)
            if job.batch_id is None:
                database.change(db, job.id, Change(CreamState.CANCELLED, moment, reason="Cancelled by user"))

        self._writer.run(work)
        faultpoints.point("ce.cancel.committed")
        self._changed()
        self._executor.cancel(name)

    def purge(self, caller: Caller, name: str) -> None:
        """Remove the files and the description of an ended job.  Its name stays known, so that a repeated
        registration does not run it again.

        :raises WrongState: it has not ended.
        """

        def work(db: Connection) -> None:
            job = self._own(db, caller, name)
            if not job.state.final and job.state is not CreamState.REGISTERED:
                raise WrongState(job.id, "JobPurge", job.state.value)
            moment = time.time()
            if job.state is CreamState.REGISTERED:
                database.change(db, job.id, Change(CreamState.CANCELLED, moment, reason="Purged before its start"))
            database.add_command(db, job.id, "JOB_PURGE", moment)
            database.change(db, job.id, Change(CreamState.PURGED, moment))
            database.set_fields(db, job.id, jdl="")

        self._writer.run(work)
        self._changed()
        self._executor.discard(name)

    def view(self, caller: Caller, name: str) -> JobView:
        """A job with its histories."""
        with self._engine.connect() as db:
            job = self._own(db, caller, name)
            return JobView(
                job, self._accounts.local(job.slot).uid, database.history(db, job.id), database.commands_of(db, job.id)
            )

    def listing(self, caller: Caller) -> list[Job]:
        """The caller's jobs, every job for an administrator, newest first, at most ``max_list``."""
        with self._engine.connect() as db:
            return database.jobs_of(db, None if caller.administrator else caller.dn, self._settings.max_list)

    def events(
        self,
        caller: Caller,
        after: int,
        *,
        wait: float = 0.0,
        until: int | None = None,
        states: Iterable[str] = (),
        since: float | None = None,
        before: float | None = None,
        limit: int = 1000,
    ) -> list[StatusEvent]:
        """Events with id > ``after``; with ``wait`` > 0 an empty answer is held back so many seconds at most."""
        owner = None if caller.administrator else caller.dn
        wanted = list(states)

        def look() -> list[StatusEvent]:
            with self._engine.connect() as db:
                return database.events_after(
                    db, after, until=until, dn=owner, states=wanted, since=since, before=before, limit=limit
                )

        return self._board.wait_for(look, wait)

    def _own(self, db: Connection, caller: Caller, name: str) -> Job:
        job = database.get_job(db, name)
        mine = job is not None and (caller.administrator or job.dn == caller.dn)
        if job is None or not mine or job.state is CreamState.PURGED:
            raise NoSuchJob(name)
        return job

    def _queue(self, description: JobDescription) -> Queue:
        queue = self._settings.queue(description.queue)
        if queue is None:
            known = ", ".join(item.name for item in self._settings.queues)
            raise BadDescription("QueueName", f"there is no queue {description.queue[:64]!r} here; there are: {known}")
        if description.batch_system not in (None, queue.lrms):
            raise BadDescription("BatchSystem", f"queue {queue.name} is served by {queue.lrms}")
        if queue.status not in ("Production", "Queueing"):
            raise BadDescription("QueueName", f"queue {queue.name} is {queue.status} and takes no jobs")
        return queue

    def _changed(self) -> None:
        self._board.publish()
        self._executor.wake()
