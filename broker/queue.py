"""The broker's durable queue of requests: the one module that touches its tables.

WMProxy hands a request over by :func:`enqueue` inside its own transaction (both services share the database),
so a job that was accepted is queued, or neither has happened.  All moves are guarded: they name the phase (and
the attempt) that they expect, and tell whether it was so; a late report of an older attempt changes nothing.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from grid.jobid import JobId

SCHEMA_VERSION = 1
metadata = sa.MetaData(info={"room": "broker"})

_REQUESTS = sa.Table(
    "broker_requests",
    metadata,
    sa.Column("job_id", sa.String(1024), primary_key=True),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("fqans", sa.Text, nullable=False),
    sa.Column("ad", sa.Text, nullable=False),
    sa.Column("proxy", sa.Text, nullable=False),
    sa.Column("phase", sa.String(16), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("infrastructure", sa.Integer, nullable=False),
    sa.Column("stumbles", sa.Integer, nullable=False),
    sa.Column("retry_count", sa.Integer, nullable=False),
    sa.Column("next_try", sa.Float, nullable=False),
    sa.Column("expiry", sa.Float, nullable=False),
    sa.Column("cancelling", sa.Boolean, nullable=False),
    sa.Column("sequence_code", sa.String(160), nullable=False),
    sa.Column("tried_hosts", sa.Text, nullable=False),
    sa.Column("ce_id", sa.Text),
    sa.Column("ce_endpoint", sa.Text),
    sa.Column("ce_job", sa.Text),
    sa.Column("end", sa.String(16)),
    sa.Column("exit_code", sa.Integer),
    sa.Column("reason", sa.Text),
    sa.Column("purge_ce", sa.Boolean, nullable=False),
    sa.Index("broker_requests_due", "phase", "next_try"),
    sa.Index("broker_requests_ce", "ce_endpoint", "ce_job"),
)
_STREAMS = sa.Table(
    "broker_ce_streams",
    metadata,
    sa.Column("endpoint", sa.String(1024), primary_key=True),
    sa.Column("db_id", sa.String(128), nullable=False),
    sa.Column("last_event", sa.BigInteger, nullable=False),
)


class Phase(StrEnum):
    """Where a request stands.

    QUEUED: not looked at yet.  WAITING: no match, or to be sent again.  CHOSEN: a CE is picked, nothing sent
    that could run.  REGISTERED: the CE knows the job, its start may be on the way.  RUNNING: the CE has it.
    ENDED: exactly one end is recorded.
    """

    QUEUED = "queued"
    WAITING = "waiting"
    CHOSEN = "chosen"
    REGISTERED = "registered"
    RUNNING = "running"
    ENDED = "ended"


class End(StrEnum):
    """The one end of a job."""

    DONE = "done"
    ABORTED = "aborted"
    CANCELLED = "cancelled"


_STEP_WANTED = sa.or_(
    _REQUESTS.c.phase.in_([Phase.QUEUED.value, Phase.WAITING.value, Phase.CHOSEN.value, Phase.REGISTERED.value]),
    sa.and_(_REQUESTS.c.phase == Phase.RUNNING.value, _REQUESTS.c.cancelling == sa.true()),
)

# The statements of every job's way, made once: making one costs several times what running it does.
_ENQUEUE = _REQUESTS.insert()
_GET = sa.select(_REQUESTS).where(_REQUESTS.c.job_id == sa.bindparam("wanted"))
_BY_CE_JOB = sa.select(_REQUESTS).where(
    _REQUESTS.c.ce_endpoint == sa.bindparam("wanted"),
    _REQUESTS.c.ce_job.in_(sa.bindparam("wanted_jobs", expanding=True)),
)
_DUE = (
    sa.select(_REQUESTS)
    .where(_REQUESTS.c.next_try <= sa.bindparam("now"), _STEP_WANTED)
    .order_by(_REQUESTS.c.next_try)
    .limit(sa.bindparam("most"))
)
_NEXT_DUE = sa.select(sa.func.min(_REQUESTS.c.next_try)).where(
    _REQUESTS.c.next_try > sa.bindparam("after"), _STEP_WANTED
)
_ACTIVE_ENDPOINTS = (
    sa.select(_REQUESTS.c.ce_endpoint)
    .where(_REQUESTS.c.phase.in_([Phase.REGISTERED.value, Phase.RUNNING.value]))
    .distinct()
)


@dataclass(frozen=True)
class Submission:
    """What WMProxy hands over.

    :ivar ad: the final JDL, one ClassAd text.
    :ivar proxy: path of the job's delegated proxy.
    :ivar expiry: absolute end of waiting, seconds since the epoch, or None for the node's ExpiryPeriod.
    """

    job: JobId
    owner: str
    fqans: tuple[str, ...]
    ad: str
    proxy: str
    sequence_code: str
    retry_count: int = 0
    expiry: float | None = None


@dataclass(frozen=True)
class Request:
    """One row of the queue."""

    job: JobId
    owner: str
    fqans: tuple[str, ...]
    ad: str
    proxy: str
    phase: Phase
    attempt: int
    failures: int
    infrastructure: int
    stumbles: int
    retry_count: int
    next_try: float
    expiry: float
    cancelling: bool
    sequence_code: str
    tried_hosts: tuple[str, ...]
    ce_id: str | None
    ce_endpoint: str | None
    ce_job: str | None
    end: End | None
    exit_code: int | None
    reason: str | None


@dataclass(frozen=True)
class Progress:
    """What WMProxy may know of a request."""

    phase: Phase
    end: End | None
    cancelling: bool
    exit_code: int | None
    reason: str | None


def _request(row: RowMapping) -> Request:
    values: dict[str, Any] = {name: row[name] for name in row if name not in ("job_id", "purge_ce")}
    values["job"] = JobId.parse(row["job_id"])
    values["fqans"] = tuple(json.loads(row["fqans"]))
    values["tried_hosts"] = tuple(json.loads(row["tried_hosts"]))
    values["phase"] = Phase(row["phase"])
    values["end"] = End(row["end"]) if row["end"] else None
    return Request(**values)


def enqueue(connection: Connection, submission: Submission, *, expiry_period: float) -> None:
    """Queue a request inside the caller's transaction."""
    now = time.time()
    row = {
        "job_id": str(submission.job),
        "owner": submission.owner,
        "fqans": json.dumps(list(submission.fqans)),
        "ad": submission.ad,
        "proxy": submission.proxy,
        "phase": Phase.QUEUED.value,
        "attempt": 0,
        "failures": 0,
        "infrastructure": 0,
        "stumbles": 0,
        "retry_count": max(0, submission.retry_count),
        "next_try": now,
        "expiry": submission.expiry if submission.expiry is not None else now + expiry_period,
        "cancelling": False,
        "sequence_code": submission.sequence_code,
        "tried_hosts": "[]",
        "purge_ce": False,
    }
    connection.execute(_ENQUEUE, row)


def request_cancel(connection: Connection, job: JobId) -> bool:
    """Ask for cancellation; False when the request has ended or the same was asked before."""
    done = connection.execute(
        _REQUESTS.update()
        .where(
            _REQUESTS.c.job_id == str(job),
            _REQUESTS.c.phase != Phase.ENDED.value,
            _REQUESTS.c.cancelling == sa.false(),
        )
        .values(cancelling=True, next_try=time.time())
    )
    return done.rowcount == 1


def progress(connection: Connection, job: JobId) -> Progress | None:
    """Where a request stands, or None when the broker does not know it."""
    row = (
        connection.execute(
            sa.select(
                _REQUESTS.c.phase,
                _REQUESTS.c.end,
                _REQUESTS.c.cancelling,
                _REQUESTS.c.exit_code,
                _REQUESTS.c.reason,
            ).where(_REQUESTS.c.job_id == str(job))
        )
        .mappings()
        .first()
    )
    if row is None:
        return None
    end = End(row["end"]) if row["end"] else None
    return Progress(Phase(row["phase"]), end, row["cancelling"], row["exit_code"], row["reason"])


def waiting_count(connection: Connection) -> int:
    """How many requests have not ended."""
    return int(
        connection.execute(
            sa.select(sa.func.count()).select_from(_REQUESTS).where(_REQUESTS.c.phase != Phase.ENDED.value)
        ).scalar_one()
    )


def get(connection: Connection, job: JobId) -> Request | None:
    """The whole row of a job."""
    row = connection.execute(_GET, {"wanted": str(job)}).mappings().first()
    return _request(row) if row else None


def by_ce_job(connection: Connection, endpoint: str, ce_jobs: Sequence[str]) -> dict[str, Request]:
    """The requests whose present attempt is one of ``ce_jobs`` on the CE at ``endpoint``."""
    rows = connection.execute(_BY_CE_JOB, {"wanted": endpoint, "wanted_jobs": list(ce_jobs)}).mappings()
    return {row["ce_job"]: _request(row) for row in rows}


def due(connection: Connection, now: float, limit: int) -> list[Request]:
    """Requests that wait for the broker's next step, oldest first; running ones only when to be cancelled."""
    rows = connection.execute(_DUE, {"now": now, "most": limit}).mappings()
    return [_request(row) for row in rows]


def next_due(connection: Connection, after: float) -> float | None:
    """When the next step later than ``after`` is due, seconds since the epoch."""
    value = connection.execute(_NEXT_DUE, {"after": after}).scalar()
    return None if value is None else float(value)


def rouse(connection: Connection) -> int:
    """Make those due that wait because nothing matched (only these have a reason); returns how many."""
    now = time.time()
    done = connection.execute(
        _REQUESTS.update()
        .where(
            _REQUESTS.c.phase == Phase.WAITING.value,
            _REQUESTS.c.reason.is_not(None),
            _REQUESTS.c.next_try > now,
        )
        .values(next_try=now)
    )
    return done.rowcount


def active_endpoints(connection: Connection) -> set[str]:
    """The CEs that have, or may have, a job of ours."""
    rows = connection.execute(_ACTIVE_ENDPOINTS)
    return {row[0] for row in rows if row[0]}


def on_endpoint(connection: Connection, endpoint: str) -> list[Request]:
    """The requests that the CE at ``endpoint`` has."""
    rows = connection.execute(
        sa.select(_REQUESTS).where(
            _REQUESTS.c.ce_endpoint == endpoint,
            _REQUESTS.c.phase.in_([Phase.REGISTERED.value, Phase.RUNNING.value]),
        )
    ).mappings()
    return [_request(row) for row in rows]


def move(connection: Connection, request: Request, **values: Any) -> bool:
    """Change the row if it still stands in the request's phase and attempt; tell whether it did.

    A cancellation that came after ``request`` was read keeps the row due at once: the one who moves it now knows
    nothing of the wish and would put it off together with the next try.
    """
    if "next_try" in values and not request.cancelling:
        values["next_try"] = sa.case(
            (_REQUESTS.c.cancelling == sa.true(), time.time()), else_=sa.literal(values["next_try"], sa.Float)
        )
    if "phase" in values:
        values["phase"] = Phase(values["phase"]).value
    if "end" in values and values["end"] is not None:
        values["end"] = End(values["end"]).value
    if "tried_hosts" in values:
        values["tried_hosts"] = json.dumps(list(values["tried_hosts"]))
    done = connection.execute(
        _REQUESTS.update()
        .where(
            _REQUESTS.c.job_id == str(request.job),
            _REQUESTS.c.phase == request.phase.value,
            _REQUESTS.c.attempt == request.attempt,
            _REQUESTS.c.sequence_code == request.sequence_code,
        )
        .values(**values)
    )
    return done.rowcount == 1


def endpoints_to_purge(connection: Connection) -> list[str]:
    """The CEs that still keep attempts that have ended."""
    rows = connection.execute(
        sa.select(_REQUESTS.c.ce_endpoint)
        .where(_REQUESTS.c.purge_ce == sa.true(), _REQUESTS.c.phase == Phase.ENDED.value)
        .distinct()
    )
    return sorted(row[0] for row in rows)


def to_purge(connection: Connection, endpoint: str, limit: int) -> list[tuple[str, str]]:
    """Ended attempts that the CE at ``endpoint`` still keeps: ``(job id, CE job)``."""
    rows = connection.execute(
        sa.select(_REQUESTS.c.job_id, _REQUESTS.c.ce_job)
        .where(
            _REQUESTS.c.purge_ce == sa.true(),
            _REQUESTS.c.phase == Phase.ENDED.value,
            _REQUESTS.c.ce_endpoint == endpoint,
        )
        .limit(limit)
    )
    return [(row[0], row[1]) for row in rows]


def purged(connection: Connection, job_ids: Sequence[str]) -> None:
    """The CE has forgotten these jobs."""
    connection.execute(_REQUESTS.update().where(_REQUESTS.c.job_id.in_(list(job_ids))).values(purge_ce=False))


def forget(connection: Connection, job: JobId) -> None:
    """Drop an ended request (its job was purged)."""
    connection.execute(
        _REQUESTS.delete().where(_REQUESTS.c.job_id == str(job), _REQUESTS.c.phase == Phase.ENDED.value)
    )


def stream(connection: Connection, endpoint: str) -> tuple[str, int]:
    """Database id and last event taken from a CE; ``("", 0)`` for a CE not heard before."""
    row = connection.execute(sa.select(_STREAMS).where(_STREAMS.c.endpoint == endpoint)).mappings().first()
    return (row["db_id"], row["last_event"]) if row else ("", 0)


def set_stream(connection: Connection, endpoint: str, db_id: str, last_event: int) -> None:
    """Remember how far the events of a CE were taken."""
    done = connection.execute(
        _STREAMS.update().where(_STREAMS.c.endpoint == endpoint).values(db_id=db_id, last_event=last_event)
    )
    if done.rowcount == 0:
        connection.execute(_STREAMS.insert().values(endpoint=endpoint, db_id=db_id, last_event=last_event))
