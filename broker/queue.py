"""The broker's durable queue of requests; with :mod:`broker.compounds` the one that touches its tables.

WMProxy hands a request over by :func:`enqueue` inside its own transaction (both services share the database),
so a job that was accepted is queued, or neither has happened.  All moves are guarded: they name the phase (and
the attempt) that they expect, and tell whether it was so; a late report of an older attempt changes nothing.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from broker import compounds
from broker.request import End, Phase, Progress, Request, Submission, progress_of, request_of, row_of
from broker.shares import Turn, in_turn
from broker.tables import MIGRATIONS, REQUESTS, SCHEMA_VERSION, STREAMS, metadata
from broker.traffic import Sent
from grid.jobid import JobId

__all__ = ["MIGRATIONS", "SCHEMA_VERSION", "End", "Phase", "Progress", "Request", "Submission", "metadata"]

# Said by what it is not: the database would look through all requests of a phase instead of those that are due.
_STEP_WANTED = sa.and_(
    REQUESTS.c.phase != Phase.ENDED.value,
    sa.or_(REQUESTS.c.phase.not_in([Phase.RUNNING.value, Phase.HELD.value]), REQUESTS.c.cancelling == sa.true()),
)
_NOTHING_TO_DO = frozenset((Phase.RUNNING, Phase.ENDED))
"""Phases that others lead on: the CE, or nobody any more."""

_WITHOUT_A_CE = [phase.value for phase in (Phase.HELD, Phase.QUEUED, Phase.WAITING)]
_FOR_A_CE = [*_WITHOUT_A_CE, Phase.CHOSEN.value]
"""Phases of requests that wait for a computing element."""

# The statements of every job's way, made once: making one costs several times what running it does.
_ENQUEUE = REQUESTS.insert()
_GET = sa.select(REQUESTS).where(REQUESTS.c.job_id == sa.bindparam("wanted"))
_BY_CE_JOB = sa.select(REQUESTS).where(
    REQUESTS.c.ce_endpoint == sa.bindparam("wanted"),
    REQUESTS.c.ce_job.in_(sa.bindparam("wanted_jobs", expanding=True)),
)
_PENDING = REQUESTS.c.next_try.is_not(None)
# From one owner to the next by the index, so that it costs as much as there are owners, not requests.
_OWNERS = sa.select(sa.func.min(REQUESTS.c.owner).label("owner")).where(_PENDING).cte("owners", recursive=True)
_NEXT_OWNER = sa.select(sa.func.min(REQUESTS.c.owner)).where(_PENDING, REQUESTS.c.owner > _OWNERS.c.owner)
_OWNERS = _OWNERS.union_all(
    sa.select(_NEXT_OWNER.correlate(_OWNERS).scalar_subquery()).where(_OWNERS.c.owner.is_not(None))
)
_ALL_OWNERS = sa.select(_OWNERS.c.owner).where(_OWNERS.c.owner.is_not(None))
_DUE_OF_OWNER = (
    sa.select(REQUESTS.c.next_try, REQUESTS.c.job_id, REQUESTS.c.fqans)
    .where(REQUESTS.c.owner == sa.bindparam("whose"), REQUESTS.c.next_try <= sa.bindparam("now"), _STEP_WANTED)
    .order_by(REQUESTS.c.next_try)
    .limit(sa.bindparam("most"))
)
_THESE = sa.select(REQUESTS).where(REQUESTS.c.job_id.in_(sa.bindparam("wanted_jobs", expanding=True)))
_NEXT_DUE = sa.select(sa.func.min(REQUESTS.c.next_try)).where(
    REQUESTS.c.next_try > sa.bindparam("after"), _STEP_WANTED
)
_PROGRESS = sa.select(
    REQUESTS.c.phase, REQUESTS.c.end, REQUESTS.c.cancelling, REQUESTS.c.exit_code, REQUESTS.c.reason
).where(REQUESTS.c.job_id == sa.bindparam("wanted"))
_ACTIVE_ENDPOINTS = (
    sa.select(REQUESTS.c.ce_endpoint)
    .where(REQUESTS.c.phase.in_([Phase.REGISTERED.value, Phase.RUNNING.value]))
    .distinct()
)
_ON_THEIR_WAY = (
    sa.select(REQUESTS.c.job_id, REQUESTS.c.ce_id, REQUESTS.c.sent_at, REQUESTS.c.slots)
    .where(REQUESTS.c.sent_at > sa.bindparam("since"), REQUESTS.c.phase.not_in([*_WITHOUT_A_CE, Phase.ENDED.value]))
    .order_by(REQUESTS.c.sent_at.desc())
    .limit(sa.bindparam("most"))
)


def enqueue(connection: Connection, submission: Submission, *, expiry_period: float) -> None:
    """Queue a request inside the caller's transaction."""
    now = time.time()
    expiry = submission.expiry if submission.expiry is not None else now + expiry_period
    row = row_of(submission) | {"phase": Phase.QUEUED.value, "next_try": now, "expiry": expiry}
    connection.execute(_ENQUEUE, row)


def request_cancel(connection: Connection, job: JobId) -> bool:
    """Ask for cancellation; False when the request has ended or the same was asked before.

    Of a compound job every node is cancelled.
    """
    done = connection.execute(
        REQUESTS.update()
        .where(
            REQUESTS.c.job_id == str(job),
            REQUESTS.c.phase != Phase.ENDED.value,
            REQUESTS.c.cancelling == sa.false(),
        )
        .values(cancelling=True, next_try=time.time())
    )
    return done.rowcount == 1 or compounds.request_cancel(connection, job)


def progress(connection: Connection, job: JobId) -> Progress | None:
    """Where a simple job, a node or a compound job stands, or None when the broker does not know it."""
    row = connection.execute(_PROGRESS, {"wanted": str(job)}).mappings().first()
    return progress_of(row) if row else compounds.progress(connection, job)


def waiting_count(connection: Connection) -> int:
    """How many requests have not ended."""
    return int(
        connection.execute(
            sa.select(sa.func.count()).select_from(REQUESTS).where(REQUESTS.c.phase != Phase.ENDED.value)
        ).scalar_one()
    )


def depth(connection: Connection, most: int) -> int:
    """How many requests wait for a computing element, counted up to ``most``."""
    waiting = (
        sa.select(sa.literal(1))
        .select_from(REQUESTS)
        .where(REQUESTS.c.phase.in_(_FOR_A_CE))
        .limit(most)
    )
    return int(connection.execute(sa.select(sa.func.count()).select_from(waiting.subquery())).scalar_one())


def get(connection: Connection, job: JobId) -> Request | None:
    """The whole row of a job."""
    row = connection.execute(_GET, {"wanted": str(job)}).mappings().first()
    return request_of(row) if row else None


def by_ce_job(connection: Connection, endpoint: str, ce_jobs: Sequence[str]) -> dict[str, Request]:
    """The requests whose present attempt is one of ``ce_jobs`` on the CE at ``endpoint``."""
    rows = connection.execute(_BY_CE_JOB, {"wanted": endpoint, "wanted_jobs": list(ce_jobs)}).mappings()
    return {row["ce_job"]: request_of(row) for row in rows}


def due(connection: Connection, now: float, limit: int, shares: Mapping[str, float] | None = None) -> list[Request]:
    """Requests that wait for the broker's next step; running and held ones only when to be cancelled.

    Owners take turns: the oldest request of each comes first, then the second of each.  Those that are being worked
    on are still due, so what an owner has in the workers' hands counts.

    :param shares: of virtual organisations (:func:`broker.shares.in_turn`).
    """
    owners = list(connection.execute(_ALL_OWNERS).scalars())
    if len(owners) > limit:
        owners = random.sample(owners, limit)
    turns: list[Turn] = []
    for owner in owners:
        oldest = connection.execute(_DUE_OF_OWNER, {"whose": owner, "now": now, "most": limit})
        turns += (Turn(turn, moment, job, _vo(fqans)) for turn, (moment, job, fqans) in enumerate(oldest))
    wanted = [each.job for each in in_turn(turns, shares or {})[:limit]]
    rows = {row["job_id"]: row for row in connection.execute(_THESE, {"wanted_jobs": wanted}).mappings()}
    return [request_of(rows[job]) for job in wanted if job in rows]


def _vo(fqans: str) -> str:
    """The virtual organisation of the primary one of the FQANs as they are stored, empty without."""
    primary = next(iter(json.loads(fqans)), "")
    return primary.removeprefix("/").partition("/")[0]


def next_due(connection: Connection, after: float) -> float | None:
    """When the next step later than ``after`` is due, seconds since the epoch."""
    value = connection.execute(_NEXT_DUE, {"after": after}).scalar()
    return None if value is None else float(value)


def rouse(connection: Connection, jobs: Sequence[str] | None = None) -> int:
    """Make those due that wait because nothing matched (only these have a reason); returns how many.

    :param jobs: their identifiers; None for all.
    """
    now = time.time()
    waiting = REQUESTS.update().where(
        REQUESTS.c.phase == Phase.WAITING.value, REQUESTS.c.reason.is_not(None), REQUESTS.c.next_try > now
    )
    if jobs is not None:
        waiting = waiting.where(REQUESTS.c.job_id.in_(list(jobs)))
    return connection.execute(waiting.values(next_try=now)).rowcount


def on_their_way(connection: Connection, since: float, most: int) -> list[Sent]:
    """The jobs that were sent after a moment and have not come back from where they went, the earliest first.

    :param most: so many; of more the latest.
    """
    rows = connection.execute(_ON_THEIR_WAY, {"since": since, "most": most})
    return [Sent(*row) for row in rows][::-1]


def active_endpoints(connection: Connection) -> set[str]:
    """The CEs that have, or may have, a job of ours."""
    rows = connection.execute(_ACTIVE_ENDPOINTS)
    return {row[0] for row in rows if row[0]}


def on_endpoint(connection: Connection, endpoint: str) -> list[Request]:
    """The requests that the CE at ``endpoint`` has."""
    rows = connection.execute(
        sa.select(REQUESTS).where(
            REQUESTS.c.ce_endpoint == endpoint,
            REQUESTS.c.phase.in_([Phase.REGISTERED.value, Phase.RUNNING.value]),
        )
    ).mappings()
    return [request_of(row) for row in rows]


def move(connection: Connection, request: Request, **values: Any) -> bool:
    """Change the row if it still stands in the request's phase and attempt; tell whether it did.

    A cancellation that came after ``request`` was read keeps the row due at once: the one who moves it now knows
    nothing of the wish and would put it off together with the next try.
    """
    if values.get("phase") in _NOTHING_TO_DO and not request.cancelling:
        values.setdefault("next_try", None)
    if "next_try" in values and not request.cancelling:
        values["next_try"] = sa.case(
            (REQUESTS.c.cancelling == sa.true(), time.time()), else_=sa.literal(values["next_try"], sa.Float)
        )
    if "phase" in values:
        values["phase"] = Phase(values["phase"]).value
    if "end" in values and values["end"] is not None:
        values["end"] = End(values["end"]).value
    if "tried_hosts" in values:
        values["tried_hosts"] = json.dumps(list(values["tried_hosts"]))
    done = connection.execute(
        REQUESTS.update()
        .where(
            REQUESTS.c.job_id == str(request.job),
            REQUESTS.c.phase == request.phase.value,
            REQUESTS.c.attempt == request.attempt,
            REQUESTS.c.sequence_code == request.sequence_code,
        )
        .values(**values)
    )
    return done.rowcount == 1


def endpoints_to_purge(connection: Connection) -> list[str]:
    """The CEs that still keep attempts that have ended."""
    rows = connection.execute(
        sa.select(REQUESTS.c.ce_endpoint)
        .where(REQUESTS.c.purge_ce == sa.true(), REQUESTS.c.phase == Phase.ENDED.value)
        .distinct()
    )
    return sorted(row[0] for row in rows)


def to_purge(connection: Connection, endpoint: str, limit: int) -> list[tuple[str, str]]:
    """Ended attempts that the CE at ``endpoint`` still keeps: ``(job id, CE job)``."""
    rows = connection.execute(
        sa.select(REQUESTS.c.job_id, REQUESTS.c.ce_job)
        .where(
            REQUESTS.c.purge_ce == sa.true(),
            REQUESTS.c.phase == Phase.ENDED.value,
            REQUESTS.c.ce_endpoint == endpoint,
        )
        .limit(limit)
    )
    return [(row[0], row[1]) for row in rows]


def purged(connection: Connection, job_ids: Sequence[str]) -> None:
    """The CE has forgotten these jobs."""
    connection.execute(REQUESTS.update().where(REQUESTS.c.job_id.in_(list(job_ids))).values(purge_ce=False))


def forget(connection: Connection, job: JobId) -> None:
    """Drop an ended request (its job was purged); with a compound job go its nodes."""
    connection.execute(REQUESTS.delete().where(REQUESTS.c.job_id == str(job), REQUESTS.c.phase == Phase.ENDED.value))
    compounds.forget(connection, job)


def stream(connection: Connection, endpoint: str) -> tuple[str, int]:
    """Database id and last event taken from a CE; ``("", 0)`` for a CE not heard before."""
    row = connection.execute(sa.select(STREAMS).where(STREAMS.c.endpoint == endpoint)).mappings().first()
    return (row["db_id"], row["last_event"]) if row else ("", 0)


def set_stream(connection: Connection, endpoint: str, db_id: str, last_event: int) -> None:
    """Remember how far the events of a CE were taken."""
    done = connection.execute(
        STREAMS.update().where(STREAMS.c.endpoint == endpoint).values(db_id=db_id, last_event=last_event)
    )
    if done.rowcount == 0:
        connection.execute(STREAMS.insert().values(endpoint=endpoint, db_id=db_id, last_event=last_event))
