"""Tables of the computing element and the small atomic steps on them.

Every method takes the connection of the caller's transaction.  A job's state changes only in :meth:`change`,
which also writes the event that QueryEvent answers, so history and state cannot part company.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    RowMapping,
    String,
    Table,
    Text,
    UniqueConstraint,
    Update,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)

from ce.accounts import accounts_table
from grid.states import CreamState
from lb.outbox import outbox_table

SCHEMA_VERSION: Final = 2
metadata = MetaData(info={"room": "ce"})

_identity = Table(
    "ce_identity",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("db_id", String(40), nullable=False),
)

_jobs = Table(
    "ce_jobs",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("dn", String(1024), nullable=False),
    Column("description_id", String(255), nullable=False),
    Column("fqan", String(1024)),
    Column("vo", String(255)),
    Column("queue", String(64), nullable=False),
    Column("jdl", Text, nullable=False),
    Column("grid_id", String(1024)),
    Column("delegation_id", String(255), nullable=False),
    Column("slot", Integer, nullable=False),
    Column("state", String(20), nullable=False),
    Column("created", Float, nullable=False),
    Column("changed", Float, nullable=False),
    Column("batch_id", String(80)),
    Column("launches", Integer, nullable=False, default=0),
    Column("seqcode", String(200), nullable=False, default=""),
    Column("node", String(255)),
    Column("cancel", Boolean, nullable=False, default=False),
    Column("operator_end", Boolean, nullable=False, default=False),
    Column("slots", Integer, nullable=False, default=1),
    UniqueConstraint("dn", "description_id"),
    Index("ce_jobs_state", "state"),
)

_events = Table(
    "ce_events",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("job", String(40), ForeignKey("ce_jobs.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("state", String(20), nullable=False),
    Column("at", Float, nullable=False),
    Column("exit_code", Integer),
    Column("reason", Text),
    Column("node", String(255)),
    Column("seqcode", String(200)),
    Column("infrastructure", Boolean, nullable=False, default=False),
    Column("verdict", String(20)),
    sqlite_autoincrement=True,
)

_commands = Table(
    "ce_commands",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("job", String(40), ForeignKey("ce_jobs.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", String(40), nullable=False),
    Column("status", String(20), nullable=False),
    Column("description", Text),
    Column("at", Float, nullable=False),
)

accounts = accounts_table(metadata)
outbox = outbox_table(metadata, "ce_lb_outbox")

FINAL: Final = tuple(state.value for state in CreamState if state.final)
LIVE: Final = tuple(state.value for state in CreamState if not state.final)

# The statements of every job's way, made once: making one costs several times what running it does.
_ADD_JOB: Final = insert(_jobs)
_ADD_EVENT: Final = insert(_events)
_ADD_COMMAND: Final = insert(_commands)
_GET: Final = select(_jobs).where(_jobs.c.id == bindparam("wanted"))
_REGISTERED: Final = select(_jobs).where(
    _jobs.c.dn == bindparam("wanted"), _jobs.c.description_id == bindparam("wanted_description")
)
_COUNT: Final = select(func.count()).select_from(_jobs).where(_jobs.c.state.in_(LIVE))
_COUNT_IN_QUEUE: Final = _COUNT.where(_jobs.c.queue == bindparam("wanted"))
_IN_STATES: Final = (
    select(_jobs).where(_jobs.c.state.in_(bindparam("wanted", expanding=True))).order_by(_jobs.c.created)
)


@cache
def _move(columns: tuple[str, ...], purge: bool) -> Update:
    """Set ``columns`` of a live job, or of one that has ended when it is to be purged."""
    allowed = FINAL if purge else LIVE
    move = update(_jobs).where(_jobs.c.id == bindparam("wanted"), _jobs.c.state.in_(allowed))
    return move.values({name: bindparam(name) for name in columns})


@dataclass(frozen=True, slots=True)
class Job:
    """A row of the jobs table.  Times are seconds of the epoch."""

    id: str
    dn: str
    description_id: str
    fqan: str | None
    vo: str | None
    queue: str
    jdl: str
    grid_id: str | None
    delegation_id: str
    slot: int
    state: CreamState
    created: float
    changed: float
    batch_id: str | None
    launches: int
    seqcode: str
    node: str | None
    cancel: bool
    operator_end: bool
    slots: int


@dataclass(frozen=True, slots=True)
class Change:
    """A new state of a job and what goes with it.

    :ivar infrastructure: the element or the node lost the job; it is not the user's matter.
    :ivar verdict: the wrapper's advice for a job that did not end well, ``abort`` or ``resubmit``.
    """

    state: CreamState
    at: float
    exit_code: int | None = None
    reason: str | None = None
    node: str | None = None
    seqcode: str | None = None
    infrastructure: bool = False
    verdict: str | None = None


@dataclass(frozen=True, slots=True)
class StatusEvent:
    """One entry of the status history, with the grid id of its job."""

    id: int
    job: str
    grid_id: str | None
    change: Change


@dataclass(frozen=True, slots=True)
class Command:
    """One entry of the command history."""

    name: str
    status: str
    description: str | None
    at: float


def ensure_identity(connection: Connection) -> str:
    """The id of this database, made once; another one means that all jobs were lost (CREAM)."""
    found = connection.execute(select(_identity.c.db_id)).scalar()
    if found is None:
        found = secrets.token_hex(16)
        connection.execute(insert(_identity).values(id=1, db_id=found))
    return str(found)


def add_job(connection: Connection, values: dict[str, Any], at: float) -> Job:
    """Insert a job in state REGISTERED under a new id (``CREAM`` and nine digits) with its first event."""
    while True:
        name = f"CREAM{secrets.randbelow(10**9):09d}"
        if get_job(connection, name) is None:
            break
    state = CreamState.REGISTERED
    row = {"id": name, "state": state.value, "created": at, "changed": at, **values}
    connection.execute(_ADD_JOB, row)
    connection.execute(_ADD_EVENT, {"job": name, "state": state.value, "at": at, "infrastructure": False})
    found = get_job(connection, name)
    if found is None:
        raise LookupError(name)
    return found


def change(connection: Connection, job: str, to: Change) -> bool:
    """Move a job to another state and write the event.

    :returns: False, and nothing is done, when the job is not known or has ended; only PURGED follows an end.
    """
    values: dict[str, Any] = {"state": to.state.value, "changed": to.at}
    if to.node is not None:
        values["node"] = to.node
    if to.seqcode is not None:
        values["seqcode"] = to.seqcode
    move = _move(tuple(values), to.state is CreamState.PURGED)
    if connection.execute(move, {**values, "wanted": job}).rowcount != 1:
        return False
    event = {
        "job": job,
        "state": to.state.value,
        "at": to.at,
        "exit_code": to.exit_code,
        "reason": to.reason,
        "node": to.node,
        "seqcode": to.seqcode,
        "infrastructure": to.infrastructure,
        "verdict": to.verdict,
    }
    connection.execute(_ADD_EVENT, event)
    return True


def set_fields(connection: Connection, job: str, **values: Any) -> None:
    """Set columns that are not the state: batch_id, launches, cancel, operator_end, seqcode, jdl, slot."""
    connection.execute(update(_jobs).where(_jobs.c.id == job).values(**values))


def add_command(connection: Connection, job: str, name: str, at: float, description: str | None = None) -> None:
    """Write a command that was carried out (CREAM spells the status SUCCESSFULL)."""
    row = {"job": job, "name": name, "status": "SUCCESSFULL", "description": description, "at": at}
    connection.execute(_ADD_COMMAND, row)


def get_job(connection: Connection, name: str) -> Job | None:
    """The job of that id."""
    row = connection.execute(_GET, {"wanted": name}).mappings().first()
    return None if row is None else _job(row)


def find_registered(connection: Connection, dn: str, description_id: str) -> Job | None:
    """The job that ``dn`` registered under ``description_id``."""
    wanted = {"wanted": dn, "wanted_description": description_id}
    row = connection.execute(_REGISTERED, wanted).mappings().first()
    return None if row is None else _job(row)


def jobs_in(connection: Connection, states: Collection[CreamState], limit: int | None = None) -> list[Job]:
    """Every job in one of ``states``, or the first ``limit`` of them, oldest first."""
    wanted = _IN_STATES if limit is None else _IN_STATES.limit(limit)
    rows = connection.execute(wanted, {"wanted": [state.value for state in states]}).mappings()
    return [_job(row) for row in rows]


def jobs_of(connection: Connection, dn: str | None, limit: int) -> list[Job]:
    """Jobs of ``dn`` (of everybody when None) that are not purged, newest first, at most ``limit``."""
    wanted = select(_jobs).where(_jobs.c.state != CreamState.PURGED.value)
    if dn is not None:
        wanted = wanted.where(_jobs.c.dn == dn)
    rows = connection.execute(wanted.order_by(_jobs.c.created.desc()).limit(limit)).mappings()
    return [_job(row) for row in rows]


def count_live(connection: Connection, queue: str | None = None) -> int:
    """How many jobs have not ended."""
    if queue is None:
        return int(connection.execute(_COUNT).scalar_one())
    return int(connection.execute(_COUNT_IN_QUEUE, {"wanted": queue}).scalar_one())


@dataclass(frozen=True, slots=True)
class Group:
    """Jobs of one user in one role: whether they have a place in the batch system, how many, and their slots."""

    dn: str
    fqan: str | None
    vo: str | None
    placed: bool
    jobs: int
    slots: int


def occupation_by_user(connection: Connection, queue: str) -> list[Group]:
    """The started jobs of a queue that have not ended, counted by user, role and whether they have a place."""
    placed = _jobs.c.batch_id.is_not(None)
    live = _jobs.c.state.in_([state for state in LIVE if state != CreamState.REGISTERED.value])
    who = (_jobs.c.dn, _jobs.c.fqan, _jobs.c.vo, placed)
    wanted = select(*who, func.count(), func.sum(_jobs.c.slots)).where(_jobs.c.queue == queue, live).group_by(*who)
    return [
        Group(dn, fqan, vo, bool(place), int(count), int(slots))
        for dn, fqan, vo, place, count, slots in connection.execute(wanted)
    ]


def mean_seconds(connection: Connection, queue: str, last: int) -> float | None:
    """Wall clock time between RUNNING and the end, the mean of the queue's ``last`` jobs that ended well."""
    began = _events.alias()
    wanted = (
        select((_jobs.c.changed - began.c.at).label("seconds"))
        .join(began, (began.c.job == _jobs.c.id) & (began.c.state == CreamState.RUNNING.value))
        .where(_jobs.c.queue == queue, _jobs.c.state == CreamState.DONE_OK.value)
        .order_by(_jobs.c.changed.desc())
        .limit(last)
    )
    seconds = list(connection.execute(wanted).scalars())
    return sum(seconds) / len(seconds) if seconds else None


def expire(connection: Connection, moment: float, limit: int) -> list[str]:
    """Remove, with their histories, jobs that ended, or were registered and never started, before ``moment``.

    :returns: the ids of at most ``limit`` such jobs.
    """
    over = (*FINAL, CreamState.REGISTERED.value)
    wanted = select(_jobs.c.id).where(_jobs.c.state.in_(over), _jobs.c.changed < moment).limit(limit)
    names = [str(name) for name in connection.execute(wanted).scalars()]
    for table, column in ((_events, _events.c.job), (_commands, _commands.c.job), (_jobs, _jobs.c.id)):
        connection.execute(delete(table).where(column.in_(names)))
    return names


def last_event(connection: Connection) -> int:
    """The highest event id, 0 when there is none."""
    return int(connection.execute(select(func.max(_events.c.id))).scalar() or 0)


def events_after(
    connection: Connection,
    after: int,
    *,
    until: int | None = None,
    dn: str | None = None,
    states: Iterable[str] = (),
    since: float | None = None,
    before: float | None = None,
    limit: int = 1000,
) -> list[StatusEvent]:
    """Events with id > ``after`` in order; ``dn`` restricts them to one owner's jobs."""
    wanted = select(_events, _jobs.c.grid_id).join(_jobs, _jobs.c.id == _events.c.job).where(_events.c.id > after)
    if until is not None:
        wanted = wanted.where(_events.c.id <= until)
    if dn is not None:
        wanted = wanted.where(_jobs.c.dn == dn)
    names = list(states)
    if names:
        wanted = wanted.where(_events.c.state.in_(names))
    if since is not None:
        wanted = wanted.where(_events.c.at >= since)
    if before is not None:
        wanted = wanted.where(_events.c.at <= before)
    rows = connection.execute(wanted.order_by(_events.c.id).limit(limit)).mappings()
    return [_event(row) for row in rows]


def history(connection: Connection, job: str) -> list[StatusEvent]:
    """Every event of one job in order."""
    wanted = select(_events, _jobs.c.grid_id).join(_jobs, _jobs.c.id == _events.c.job).where(_events.c.job == job)
    return [_event(row) for row in connection.execute(wanted.order_by(_events.c.id)).mappings()]


def commands_of(connection: Connection, job: str) -> list[Command]:
    """Every command of one job in order."""
    wanted = select(_commands).where(_commands.c.job == job).order_by(_commands.c.id)
    rows = connection.execute(wanted).mappings()
    return [Command(row["name"], row["status"], row["description"], row["at"]) for row in rows]


def _job(row: RowMapping) -> Job:
    return Job(**{**row, "state": CreamState(row["state"])})


def _event(row: RowMapping) -> StatusEvent:
    values = ("at", "exit_code", "reason", "node", "seqcode", "infrastructure", "verdict")
    fields = {name: row[name] for name in values}
    return StatusEvent(row["id"], row["job"], row["grid_id"], Change(CreamState(row["state"]), **fields))
