"""Storing events: admission, once only, the status after them, the parent's status after that.

Everything here runs inside one transaction of the writer; what it raises undoes this piece of work alone.  Events of
one job that have arrived together are one piece: the job's row is read and written once, whatever their number.
"""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import Connection, bindparam, insert, select, update
from sqlalchemy.engine import Row
from sqlalchemy.exc import IntegrityError

from grid.clock import now, ulm_date
from grid.errors import InternalFailure, InvalidArgument
from grid.jobid import JobId
from grid.seqcode import SequenceCodeError
from grid.states import JobState
from lb import nodes, tables, ulm
from lb.admission import (
    MAX_EVENTS_FOR_LATE,
    MAX_USER_BYTES,
    Sender,
    check_event,
    check_owner,
    no_such_job,
    on_behalf,
)
from lb.children import NodeClass, class_of, collection_state, state_event
from lb.errors import EventRefused
from lb.events import Event
from lb.machine import advance, fold, in_order, initial
from lb.status import STATUS_VERSION, JobStatus, from_json, to_json

_jobs = tables.jobs.c
_events = tables.events.c

# Made once, since making a statement costs several times what running it does.  Parameters that are not columns'
# own names begin with "wanted".
_JOB: Final = select(tables.jobs).where(_jobs.unique_id == bindparam("wanted"), _jobs.jobid == bindparam("wanted_id"))
_JOB_IN_TURN: Final = _JOB.with_for_update()
_KNOWN: Final = select(_events.digest).where(
    _events.job == bindparam("wanted"), _events.digest.in_(bindparam("wanted_digests", expanding=True))
)
_LINES: Final = select(_events.line).where(_events.job == bindparam("wanted"))
_THIS_JOB: Final = update(tables.jobs).where(_jobs.unique_id == bindparam("wanted"))
_MOVE: Final = _THIS_JOB.values({name: bindparam(name) for name in ("state", "status", "status_version", "events")})
_MOVE_NODE: Final = _MOVE.values({"class": bindparam("class")})
_ADD_JOB: Final = insert(tables.jobs)
_ADD_EVENT: Final = insert(tables.events)


Outcome = bool | EventRefused | InvalidArgument
"""What became of an event: it is new, it was stored before, or why it was not taken."""

_ALONE: Final = frozenset({"RegJob", "GrantPayloadOwnership", "TakePayloadOwnership"})
"""Events on which the admission of those behind them may depend."""


@dataclass(frozen=True, slots=True)
class _Admitted:
    """An event that may be stored, with its line and what makes it the same as another."""

    event: Event
    line: str
    named: str


def together(first: Event, second: Event, sender: Sender) -> bool:
    """Whether two events of ``sender``, one behind the other, may be stored as one piece (:meth:`Intake.store_all`).

    Those of users, whose bytes are counted, may not.
    """
    apart = first.jobid != second.jobid or first.type in _ALONE or second.type in _ALONE
    return sender.trusted and not apart


@dataclass(frozen=True, slots=True)
class Intake:
    """The rules of one server.

    :ivar host: name of this server, for the events that it logs itself.
    :ivar addresses: ``host:port`` that job ids of this server may name; empty means any.
    :ivar max_events: events of one job beyond which users cannot add.
    """

    host: str
    addresses: frozenset[str] = frozenset()
    max_events: int = 2_000

    def store(self, connection: Connection, event: Event, sender: Sender) -> bool:
        """Store ``event``; True when it is new, False when it was stored before.

        :raises EventRefused: when the sender may not log it, or there is no such job.
        """
        event, line = _checked(event, sender)
        job = _find(connection, event.jobid)
        if job is None:
            if event.type != "RegJob":
                raise no_such_job(event, sender)
            return self._create(connection, event, sender, line)
        status = _status(connection, job)
        check_owner(event, sender, job.owner, (status.payload_owner, status.marks.granted_to))
        if sender.trusted:
            return self._add(connection, job, status, event, line)
        grown = job.user_bytes + len(line)
        if job.events >= self.max_events or (grown > MAX_USER_BYTES and event.type != "RegJob"):
            raise EventRefused(errno.ENOSPC, f"users cannot add more events to {event.jobid}")
        late = job.events >= MAX_EVENTS_FOR_LATE and not in_order(status, event)
        if late and not _known(connection, job, [digest(event)]):
            raise EventRefused(
                errno.ENOSPC,
                f"{event.jobid} has {job.events} events, and this one belongs before or beside the last; "
                f"users can add such events to a job that has less than {MAX_EVENTS_FOR_LATE}",
            )
        new = self._add(connection, job, status, event, line)
        if new:
            mine = update(tables.jobs).where(_jobs.unique_id == job.unique_id)
            connection.execute(mine.values(user_bytes=grown))
        return new

    def store_all(self, connection: Connection, events: Sequence[Event], sender: Sender) -> list[Outcome]:
        """Store events that may go :func:`together`: for each in its order True when it is new, False when it was
        stored before, or why it is refused.

        :raises GridError: as :meth:`store`, for a single event.
        """
        if len(events) == 1:
            return [self.store(connection, events[0], sender)]
        job = _find(connection, events[0].jobid)
        status = None if job is None else _status(connection, job)
        taken: list[_Admitted | EventRefused | InvalidArgument] = []
        for event in events:
            try:
                event, line = _checked(event, sender)
                if job is None or status is None:
                    raise no_such_job(event, sender)
                check_owner(event, sender, job.owner, (status.payload_owner, status.marks.granted_to))
                taken.append(_Admitted(event, line, digest(event)))
            except (EventRefused, InvalidArgument) as refused:
                taken.append(refused)
        if job is None or status is None:
            return [one for one in taken if not isinstance(one, _Admitted)]
        known = _known(connection, job, [one.named for one in taken if isinstance(one, _Admitted)])
        outcomes: list[Outcome] = []
        new: list[_Admitted] = []
        for one in taken:
            if not isinstance(one, _Admitted):
                outcomes.append(one)
                continue
            outcomes.append(one.named not in known)
            if one.named not in known:
                known.add(one.named)
                new.append(one)
        if new:
            self._append(connection, job, status, new)
        return outcomes

    def _create(self, connection: Connection, event: Event, sender: Sender, line: str) -> bool:
        here = f"{event.jobid.host}:{event.jobid.port}"
        if self.addresses and here not in self.addresses:
            raise EventRefused(errno.EINVAL, f"{event.jobid} names another bookkeeping server than this one")
        if not event.user:
            raise EventRefused(errno.EINVAL, "a registration must say whose job it is")
        parent = _parent(connection, event, sender)
        status, _ = advance(initial(event.jobid), event)
        try:
            _insert_job(connection, status, parent=parent.unique_id if parent else None)
        except IntegrityError:
            raise EventRefused(errno.EPERM, f"{event.jobid} cannot be registered: the identifier is taken") from None
        connection.execute(_ADD_EVENT, _event_row(event, line, digest(event)))
        if parent is not None:
            nodes.count_new(connection, parent.unique_id, _status(connection, parent).jobtype, class_of(status))
        nodes.add(connection, event)
        return True

    def _add(self, connection: Connection, job: Row[Any], status: JobStatus, event: Event, line: str) -> bool:
        one = _Admitted(event, line, digest(event))
        if _known(connection, job, [one.named]):
            return False
        self._append(connection, job, status, [one])
        if event.type == "RegJob" and not nodes.has_histogram(connection, job.unique_id):
            nodes.add(connection, event)
        return True

    def _append(self, connection: Connection, job: Row[Any], status: JobStatus, new: Sequence[_Admitted]) -> None:
        """Add events that are new, and move the job by them."""
        connection.execute(_ADD_EVENT, [_event_row(one.event, one.line, one.named) for one in new])
        after = status
        for one in new:
            if not in_order(after, one.event):
                after = refold(connection, job)
                break
            after = advance(after, one.event)[0]
        values: dict[str, Any] = {
            "wanted": job.unique_id,
            "state": after.state.value,
            "status": to_json(after),
            "status_version": STATUS_VERSION,
            "events": job.events + len(new),
        }
        if job.parent is not None:
            values["class"] = class_of(after).value
        connection.execute(_MOVE if job.parent is None else _MOVE_NODE, values)
        if job.parent is not None and job._mapping["class"] != values["class"]:
            old = NodeClass(job._mapping["class"])
            self._recount(connection, job.parent, after.job_id, old, class_of(after), new[-1].event.type)

    def _recount(
        self, connection: Connection, parent: str, child: JobId, old: NodeClass, new: NodeClass, event_type: str
    ) -> None:
        """Count a node anew in its parent, and move the parent when its nodes say so.

        A collection that its owner cancelled stays so, whatever becomes of its nodes.
        """
        histogram = nodes.recount(connection, parent, old, new)
        if histogram is None:
            return
        here = nodes.state(connection, parent)
        if here in (collection_state(histogram).value, JobState.Cancelled.value):
            return
        query = select(tables.jobs).where(_jobs.unique_id == parent)
        row = connection.execute(query.with_for_update()).one()
        status = _status(connection, row)
        try:
            event = state_event(status, histogram, child, event_type, self.host)
        except SequenceCodeError as error:
            raise InternalFailure(f"the state of {status.job_id} cannot follow its nodes") from error
        self._add(connection, row, status, event, ulm.encode(event))


def digest(event: Event) -> str:
    """What makes two events of one job the same one: type, source, host, time, level, user, sequence code."""
    parts = (
        event.type,
        event.source.value,
        event.host,
        ulm_date(event.timestamp),
        event.level,
        event.user,
        event.seqcode,
    )
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _checked(event: Event, sender: Sender) -> tuple[Event, str]:
    """The event with its user made certain, and its line.

    :raises EventRefused: when the sender may not log such an event.
    """
    event = on_behalf(event, sender)
    if event.arrived is not None:
        event = replace(event, arrived=None)
    line = ulm.encode(event)
    check_event(event, sender, len(line.encode()))
    return event, line


def _known(connection: Connection, job: Row[Any], named: list[str]) -> set[str]:
    """Which of these are stored already."""
    return set(connection.execute(_KNOWN, {"wanted": job.unique_id, "wanted_digests": named}).scalars())


def refold(connection: Connection, job: Row[Any]) -> JobStatus:
    """The status anew from all stored events."""
    lines = connection.execute(_LINES, {"wanted": job.unique_id}).scalars()
    start = from_json(job.born) if job.born else initial(JobId.parse(job.jobid))
    return fold((ulm.decode(line) for line in lines), start)


def kept_status(connection: Connection, job: Row[Any]) -> JobStatus:
    """The status of a job row: the kept one, or anew when an older release kept it."""
    return _status(connection, job)


def _status(connection: Connection, job: Row[Any]) -> JobStatus:
    return from_json(job.status) if job.status_version == STATUS_VERSION else refold(connection, job)


def _find(connection: Connection, jobid: JobId) -> Row[Any] | None:
    in_turn = connection.dialect.name == "postgresql"  # two servers on one database take turns
    wanted = {"wanted": jobid.unique, "wanted_id": str(jobid)}
    return connection.execute(_JOB_IN_TURN if in_turn else _JOB, wanted).first()


def _parent(connection: Connection, event: Event, sender: Sender) -> Row[Any] | None:
    named = event.fields.get("parent")
    if not named:
        return None
    parent = _find(connection, JobId.parse(named))
    if parent is None or parent.owner != event.user:
        raise EventRefused(errno.EPERM, f"the parent {named} is not a registered job of {event.user}")
    return parent


def _insert_job(connection: Connection, status: JobStatus, *, parent: str | None) -> None:
    row = _job_row(status, parent) | {"events": 1}
    connection.execute(_ADD_JOB, row)


def _job_row(status: JobStatus, parent: str | None) -> dict[str, Any]:
    return {
        "unique_id": status.job_id.unique,
        "jobid": str(status.job_id),
        "owner": status.owner,
        "parent": parent,
        "state": status.state.value,
        "status": to_json(status),
        "status_version": STATUS_VERSION,
        "class": class_of(status).value if parent else None,
    }


def _event_row(event: Event, line: str, named: str) -> dict[str, Any]:
    return {
        "job": event.jobid.unique,
        "digest": named,
        "type": event.type,
        "arrived": ulm_date(now()),
        "line": line,
    }
