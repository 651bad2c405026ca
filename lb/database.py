"""The bookkeeping server's database: events in, statuses out."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import Connection, Select, func, select
from sqlalchemy.engine import Engine, Row

from grid.clock import from_ulm_date
from grid.errors import JobUnknown, ServerOverloaded
from grid.jobid import JobId
from grid.states import JobState
from lb import nodes, tables, ulm
from lb.admission import Sender
from lb.events import Event
from lb.intake import Intake, Outcome, kept_status
from lb.status import JobStatus
from storage.writer import GroupWriter

MAX_ANSWER: Final = 32 << 20
"""Bytes of statuses or event lines that are read for one answer."""

_jobs = tables.jobs.c
_events = tables.events.c


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A job as a reader sees it.

    :ivar children: its nodes' identifiers, in their order.
    :ivar histogram: how many nodes are in which state's class, classes without nodes left out.
    """

    status: JobStatus
    children: tuple[str, ...] = ()
    histogram: tuple[tuple[JobState, int], ...] = ()


class LbDatabase:
    """One server's database.  Writing goes through the group writer, reading by snapshots.

    :param intake: the rules by which events are taken.
    """

    def __init__(self, engine: Engine, writer: GroupWriter, intake: Intake) -> None:
        self._engine = engine
        self._writer = writer
        self._intake = intake

    def submit_all(self, events: Sequence[Event], sender: Sender) -> Future[list[Outcome]]:
        """Begin to store events that may go :func:`lb.intake.together`; the future has what became of each, when it
        is on disk.

        :raises WriterBusy: when too much waits.
        """
        return self._writer.submit(lambda connection: self._intake.store_all(connection, events, sender))

    def store(self, event: Event, sender: Sender) -> bool:
        """Store an event and wait until it is on disk; True when it is new.

        :raises EventRefused: when the sender may not log it.
        :raises StorageFailure, WriterBusy, OutcomeUnknown: when the database does not take it now.
        """
        return self._writer.run(lambda connection: self._intake.store(connection, event, sender))

    def job(self, jobid: JobId, reader: Sender) -> JobRecord:
        """A job that ``reader`` may see: its owner, the payload's owner, and trusted services.

        :raises JobUnknown: when there is none or it is somebody else's.
        """
        with self._engine.connect() as connection:
            row = _readable(connection, jobid, reader)
            status = kept_status(connection, row)
            if not status.compound:
                return JobRecord(status)
            children = nodes.ids(connection, row.unique_id)
            counts = nodes.histogram(connection, row.unique_id)
            histogram = tuple((JobState(slot.value), count) for slot, count in counts.items() if count)
            return JobRecord(replace(status, children_num=len(children) or status.children_num), children, histogram)

    def node_counts(self, jobid: JobId) -> tuple[tuple[JobState, int], ...]:
        """How many nodes of a job that the caller has read already are in which state."""
        with self._engine.connect() as connection:
            query = select(_jobs.state, func.count()).where(_jobs.parent == jobid.unique).group_by(_jobs.state)
            return tuple((JobState(state), int(count)) for state, count in connection.execute(query))

    def node_states(self, jobid: JobId, reader: Sender) -> list[tuple[str, JobState]]:
        """Identifier and state of each node of a job, in their order.

        :raises JobUnknown: when there is no such job, or ``reader`` may not see it.
        """
        with self._engine.connect() as connection:
            row = _readable(connection, jobid, reader)
            query = select(_jobs.jobid, _jobs.state).where(_jobs.parent == row.unique_id)
            found = connection.execute(query.order_by(_jobs.position, _jobs.number))
            return [(node, JobState(state)) for node, state in found]

    def node_statuses(self, jobid: JobId) -> list[JobStatus]:
        """The statuses of the nodes of a job that the caller has read already, in their order.

        :raises ServerOverloaded: when they are more than :data:`MAX_ANSWER` bytes.
        """
        found: list[JobStatus] = []
        size = 0
        with self._engine.connect() as connection:
            query = select(tables.jobs).where(_jobs.parent == jobid.unique).order_by(_jobs.position, _jobs.number)
            for row in connection.execute(query):
                size += len(row.status)
                if size > MAX_ANSWER:
                    raise ServerOverloaded(f"the statuses of the nodes of {jobid} are more than one answer may hold")
                found.append(kept_status(connection, row))
        return found

    def first_nodes(self, jobid: JobId, limit: int) -> tuple[list[JobStatus], bool]:
        """The statuses of the first nodes of a job that the caller has read already, and whether these are all.

        :param limit: of nodes; :data:`MAX_ANSWER` bytes of statuses are another one.
        """
        with self._engine.connect() as connection:
            query = select(tables.jobs).where(_jobs.parent == jobid.unique).order_by(_jobs.position, _jobs.number)
            return _first(connection, query.limit(limit + 1), limit)

    def events(self, jobid: JobId, reader: Sender) -> list[Event]:
        """A job's events by the time at which they happened.

        :raises JobUnknown: when there is no such job, or it is somebody else's.
        :raises ServerOverloaded: when they are more than :data:`MAX_ANSWER` bytes.
        """
        with self._engine.connect() as connection:
            row = _readable(connection, jobid, reader)
            size = select(func.sum(func.length(_events.line))).where(_events.job == row.unique_id)
            if (connection.execute(size).scalar() or 0) > MAX_ANSWER:
                raise ServerOverloaded(f"the events of {jobid} are more than one answer may hold")
            query = select(_events.line, _events.arrived).where(_events.job == row.unique_id).order_by(_events.number)
            found = [
                replace(ulm.decode(line), arrived=from_ulm_date(arrived)) for line, arrived in connection.execute(query)
            ]
        return sorted(found, key=lambda event: event.timestamp)

    def jobs_of(self, owner: str, limit: int) -> tuple[list[JobStatus], bool]:
        """The statuses of an owner's jobs, nodes included, the newest first, and whether these are all.

        :param limit: of jobs; :data:`MAX_ANSWER` bytes of statuses are another one.
        """
        with self._engine.connect() as connection:
            query = select(tables.jobs).where(_jobs.owner == owner).order_by(_jobs.number.desc())
            return _first(connection, query.limit(limit + 1), limit)


def _first(connection: Connection, query: Select[Any], limit: int) -> tuple[list[JobStatus], bool]:
    """The kept statuses of the first rows, and whether these are all; see :meth:`LbDatabase.jobs_of`."""
    found: list[JobStatus] = []
    size = 0
    for row in connection.execute(query):
        size += len(row.status)
        if len(found) == limit or size > MAX_ANSWER:
            return found, False
        found.append(kept_status(connection, row))
    return found, True


def _readable(connection: Connection, jobid: JobId, reader: Sender) -> Row[Any]:
    query = select(tables.jobs).where(_jobs.unique_id == jobid.unique)
    row = connection.execute(query).first()
    if row is not None and row.jobid == str(jobid) and _may_read(connection, row, reader):
        return row
    raise JobUnknown(f"{jobid} is not known here, or it belongs to somebody else")


def _may_read(connection: Connection, row: Row[Any], reader: Sender) -> bool:
    return reader.trusted or reader.dn in (row.owner, kept_status(connection, row).payload_owner)
